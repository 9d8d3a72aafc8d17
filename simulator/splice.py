"""Replaces parts of a JPEG without encoding the whole picture again.

The entropy-coded data between two restart markers does not depend on the rest of the picture: the DC prediction
starts again and the bits are padded to a byte. So the blocks between two markers can come from another picture with the
same quality, subsampling and (standard) Huffman tables. Only the numbers of the markers, which count modulo 8, depend
on the place. Source: ITU-T T.81, E.1.4 and F.1.1.
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
    """The coding units of a picture: ``columns`` x ``rows`` of 16 pixels, with a restart after each ``interval`` units.

    ``interval`` divides ``columns``, so each row of units begins with a restart.
    """

    columns: int
    rows: int
    interval: int

    @classmethod
    def of(cls, width: int, height: int) -> Grid:
        """The grid of a picture of ``width`` x ``height`` pixels. The interval is at most a tenth of the width."""
        columns = -(-width // MCU)
        widest = max(1, columns // 11)
        interval = max(step for step in range(1, widest + 1) if columns % step == 0)
        return cls(columns, -(-height // MCU), interval)

    @property
    def per_row(self) -> int:
        """The number of restart intervals in one row of units."""
        return self.columns // self.interval


def encode(image: Image.Image, interval: int, quality: int) -> bytes:
    """``image`` as a baseline JPEG with standard tables, 4:2:0, a restart marker after each ``interval`` units."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2, optimize=False, restart_marker_blocks=interval)
    return buffer.getvalue()


def _scan_start(jpeg: bytes) -> tuple[int, int]:
    """Where the tables begin (after SOI and JFIF) and where the entropy-coded data begins."""
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
    """JPEG restart intervals of a small picture, for insertion into a larger one. ``width``: intervals in a row."""

    intervals: tuple[bytes, ...]
    width: int

    @classmethod
    def of(cls, image: Image.Image, grid: Grid, quality: int) -> Patch:
        """Encode ``image``. Its width must be a multiple of the grid's interval, its height a multiple of a unit."""
        jpeg = encode(image, grid.interval, quality)
        scan = jpeg[_scan_start(jpeg)[1] : -2]
        return cls(tuple(_RESTART.split(scan)), image.width // MCU // grid.interval)

    def rows(self) -> int:
        """The number of rows of units."""
        return len(self.intervals) // self.width

    def row(self, index: int, phase: int) -> bytes:
        """The bytes of one row. Its markers are numbered for a row that begins at interval ``phase``."""
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
        # Each hole: first interval, number of intervals, slot, row in the slot.
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
        """The entropy-coded data up to the end of the picture, with one patch for each slot."""
        out: list[bytes] = []
        for fixed, (index, row, phase) in zip(self._fixed, self._holes, strict=True):
            out += (fixed, patches[index].row(row, phase))
        out.append(self._tail)
        return out
