"""Replaces parts of a JPEG without encoding the whole picture again.

The entropy-coded data between two restart markers does not depend on the rest of the picture: at each marker, the DC
prediction starts again, and the bits are padded to a whole byte. So this data can be replaced by data from another
picture that has the same quality, the same subsampling and the same Huffman tables (the standard tables). Only the
markers depend on their place in the picture, because they are numbered from 0 to 7 in turn. Source: ITU-T T.81, E.1.4
and F.1.1.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

MCU = 16
"""Pixels on a side of a coding unit with 4:2:0 subsampling."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


@dataclass(frozen=True)
class Grid:
    """The coding units of a picture, of 16 x 16 pixels each. After each ``interval`` units is a restart marker.

    ``interval`` divides ``columns``, so each row of units begins with a restart.
    """

    columns: int
    rows: int
    interval: int

    @classmethod
    def of(cls, width: int, height: int) -> Grid:
        """The grid for a size in pixels. The interval is at most 1/11 of the columns, but at least 1 unit."""
        columns = -(-width // MCU)
        widest = max(1, columns // 11)
        interval = max(step for step in range(1, widest + 1) if columns % step == 0)
        return cls(columns, -(-height // MCU), interval)

    @property
    def per_row(self) -> int:
        """The number of restart intervals in one row of units."""
        return self.columns // self.interval


def encode(image: Image.Image, interval: int, quality: int) -> bytes:
    """``image`` as a baseline JPEG: standard tables, 4:2:0, and a restart marker after each ``interval`` units."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2, optimize=False, restart_marker_blocks=interval)
    return buffer.getvalue()


def _scan_start(jpeg: bytes) -> tuple[int, int]:
    """The offset of the tables (after SOI and JFIF), and the offset of the entropy-coded data."""
    tables = position = 2
    while True:
        marker, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        position += 2 + length
        if marker == 0xE0:
            tables = position
        if marker == 0xDA:
            return tables, position


@dataclass(frozen=True)
class Patch:
    """The restart intervals of a small picture, to insert into a larger picture. ``width``: intervals per row."""

    intervals: tuple[bytes, ...]
    width: int

    @classmethod
    def of(cls, image: Image.Image, grid: Grid, quality: int) -> Patch:
        """Encode ``image``. It must be a whole number of restart intervals wide, and a whole number of units high."""
        jpeg = encode(image, grid.interval, quality)
        scan = jpeg[_scan_start(jpeg)[1] : -2]
        return cls(tuple(_RESTART.split(scan)), image.width // MCU // grid.interval)

    def rows(self) -> int:
        """The number of rows of units."""
        return len(self.intervals) // self.width

    def row(self, index: int, phase: int) -> bytes:
        """The bytes of one row, with markers between the intervals. ``phase`` is the number of the first marker."""
        cells = self.intervals[index * self.width : (index + 1) * self.width]
        parts = [cells[0]]
        for number, cell in enumerate(cells[1:], phase):
            parts += (bytes((0xFF, 0xD0 + number % 8)), cell)
        return b"".join(parts)


@dataclass(frozen=True)
class Slot:
    """The place of a patch: its top row, its left interval, and its size in rows and intervals."""

    row: int
    left: int
    rows: int
    width: int


class Template:
    """A picture with slots that patches fill."""

    def __init__(self, jpeg: bytes, grid: Grid, slots: Sequence[Slot]) -> None:
        """Cut ``slots`` out of ``jpeg``. The slots must not overlap."""
        tables, start = _scan_start(jpeg)
        self.tables = jpeg[tables:start]
        marks = [match.span() for match in _RESTART.finditer(jpeg, start, len(jpeg) - 2)]
        begins = [start, *(end for _, end in marks)]
        ends = [*(begin for begin, _ in marks), len(jpeg) - 2]
        # A hole is one row of a slot: its first interval, its number of intervals, the index of the slot, and the row
        # in the slot.
        holes = sorted(
            ((slot.row + row) * grid.per_row + slot.left, slot.width, index, row)
            for index, slot in enumerate(slots)
            for row in range(slot.rows)
        )
        self._fixed: list[bytes] = []
        self._holes: list[tuple[int, int, int]] = []
        position = start
        for first, width, index, row in holes:
            self._fixed.append(jpeg[position : begins[first]])
            self._holes.append((index, row, first % 8))
            position = ends[first + width - 1]
        self._tail = jpeg[position:]

    def fill(self, patches: Sequence[Patch]) -> list[bytes]:
        """The rest of the JPEG after the tables. ``patches`` has one patch for each slot."""
        out: list[bytes] = []
        for fixed, (index, row, phase) in zip(self._fixed, self._holes, strict=True):
            out += (fixed, patches[index].row(row, phase))
        out.append(self._tail)
        return out
