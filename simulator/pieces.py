"""Long byte strings that share their pieces, so that hundreds of 12 MB pictures fit into memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Pieces:
    """An immutable byte string, stored as a list of pieces."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        """Join ``parts`` without copying them."""
        self._parts = [part for part in parts if part]
        self._starts = [0, *accumulate(map(len, self._parts))]

    def __len__(self) -> int:
        """The length in bytes."""
        return self._starts[-1]

    def parts(self) -> list[bytes]:
        """The pieces in order."""
        return self._parts

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end."""
        end = len(self) if length is None else min(len(self), offset + length)
        if offset >= end:
            return b""
        taken: list[bytes] = []
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            start = self._starts[index]
            taken.append(self._parts[index][offset - start : end - start])
            offset = self._starts[index + 1]
            index += 1
        return b"".join(taken)
