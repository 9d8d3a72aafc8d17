"""Frames and files with fixed content, which both the senders and the viewers know."""

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
    """The frame with this number: 100 KB of incompressible data, like a camera's frames."""
    return _frames()[number % _DIFFERENT]


@cache
def _messages() -> tuple[bytes, ...]:
    return tuple(bytes(16) + frame for frame in _frames())


def message(number: int) -> bytes:
    """A header of 16 bytes and the frame with this number. Built only once, so that building is not measured."""
    return _messages()[number % _DIFFERENT]


def file(size: int) -> int:
    """Create a file of `size` bytes in anonymous memory; returns its open descriptor."""
    descriptor = os.memfd_create("sample")
    source = random.Random(2)
    with open(descriptor, "wb", closefd=False) as out:
        out.writelines(source.randbytes(min(1 << 20, size - start)) for start in range(0, size, 1 << 20))
    return descriptor
