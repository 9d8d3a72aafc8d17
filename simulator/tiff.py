"""Exif and CR2 headers. Pillow is not used for them, because it cannot embed a thumbnail in Exif."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}
"""The size in bytes of a value of each TIFF type that is used here."""

MAX_SEGMENT = 65533
"""The largest payload of a JPEG segment in bytes."""


@dataclass(frozen=True)
class Entry:
    """One directory entry: a tag, a TIFF type and the packed value."""

    tag: int
    type: int
    data: bytes

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.data) // TYPE_SIZES[self.type]


def text(tag: int, value: str) -> Entry:
    """An ASCII entry."""
    return Entry(tag, 2, value.encode("ascii", "replace") + b"\0")


def short(tag: int, *values: int) -> Entry:
    """A 16-bit entry."""
    return Entry(tag, 3, struct.pack(f"<{len(values)}H", *values))


def long(tag: int, *values: int) -> Entry:
    """A 32-bit entry."""
    return Entry(tag, 4, struct.pack(f"<{len(values)}I", *values))


def rational(tag: int, *values: Fraction, signed: bool = False) -> Entry:
    """An entry of fractions."""
    numbers = [number for value in values for number in (value.numerator, value.denominator)]
    return Entry(tag, 10 if signed else 5, struct.pack(f"<{len(numbers)}{'i' if signed else 'I'}", *numbers))


def raw(tag: int, data: bytes) -> Entry:
    """An entry of bytes that TIFF does not interpret."""
    return Entry(tag, 7, data)


def directory_size(entries: Sequence[Entry]) -> int:
    """The size in bytes of a directory and of the values that do not fit into it."""
    return 6 + 12 * len(entries) + sum(len(e.data) + len(e.data) % 2 for e in entries if len(e.data) > 4)


def directory(entries: Sequence[Entry], offset: int, following: int = 0) -> bytes:
    """A directory at ``offset`` of the file. ``following`` is the offset of the next directory, or 0."""
    heap_start = offset + 6 + 12 * len(entries)
    table, heap = [struct.pack("<H", len(entries))], b""
    for entry in sorted(entries, key=lambda one: one.tag):
        if len(entry.data) <= 4:
            value = entry.data.ljust(4, b"\0")
        else:
            value = struct.pack("<I", heap_start + len(heap))
            heap += entry.data + b"\0" * (len(entry.data) % 2)
        table.append(struct.pack("<HHI", entry.tag, entry.type, entry.count) + value)
    return b"".join((*table, struct.pack("<I", following), heap))


def exif_segment(main: Sequence[Entry], exif: Sequence[Entry], thumbnail: bytes) -> bytes:
    """The APP1 segment of a JPEG, including its marker. The second directory contains ``thumbnail`` (a JPEG)."""
    body = exif_tiff(main, exif, thumbnail)
    if len(body) + 8 > MAX_SEGMENT:
        raise ValueError(f"an Exif block holds up to {MAX_SEGMENT} bytes, not {len(body) + 8}")
    return b"\xff\xe1" + struct.pack(">H", len(body) + 8) + b"Exif\0\0" + body


def exif_tiff(main: Sequence[Entry], exif: Sequence[Entry], thumbnail: bytes, header: bytes = b"") -> bytes:
    """A little-endian TIFF: main directory, Exif directory, thumbnail directory, thumbnail.

    ``header`` is put between the TIFF header and the first directory, where CR2 has its signature.
    """
    first = 8 + len(header)
    pointer = long(0x8769, 0)
    exif_at = first + directory_size([*main, pointer])
    second = exif_at + directory_size(exif)
    preview = [short(0x0103, 6), long(0x0201, 0), long(0x0202, len(thumbnail))]
    picture_at = second + directory_size(preview)
    preview[1] = long(0x0201, picture_at)
    return b"".join(
        (
            struct.pack("<2sHI", b"II", 42, first),
            header,
            directory([*main, long(0x8769, exif_at)], first, second),
            directory(exif, exif_at),
            directory(preview, second),
            thumbnail,
        )
    )


def comment_segment(words: str) -> bytes:
    """A COM segment of a JPEG, including its marker."""
    data = words.encode("ascii", "replace")
    return b"\xff\xfe" + struct.pack(">H", len(data) + 2) + data
