"""Frames and files whose content is known on both sides."""

from __future__ import annotations

import os
import random
from functools import cache

FRAME_BYTES = 100_000
_DIFFERENT = 8


@cache
def _frames() -> tuple[bytes, ...]:
    source = random.Random(1)
    return tuple(b"\xff\xd8" + source.randbytes(FRAME_BYTES - 4) + b"\xff\xd9" for _ in range(_DIFFERENT))


def frame(number: int) -> bytes:
    """The frame with that number: 100 KB of incompressible data, like a camera's frames."""
    return _frames()[number % _DIFFERENT]


@cache
def _messages() -> tuple[bytes, ...]:
    return tuple(bytes(16) + frame for frame in _frames())


def message(number: int) -> bytes:
    """The frame with a header of 16 bytes, built once so that peers do not build it each time."""
    return _messages()[number % _DIFFERENT]


def file(size: int) -> int:
    """The open descriptor of a file of that many bytes in anonymous memory."""
    descriptor = os.memfd_create("sample")
    source = random.Random(2)
    with open(descriptor, "wb", closefd=False) as out:
        out.writelines(source.randbytes(min(1 << 20, size - start)) for start in range(0, size, 1 << 20))
    return descriptor
