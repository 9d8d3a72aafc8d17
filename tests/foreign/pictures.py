"""The content of a memory card: a picture with a thumbnail, one without, a raw file and a video, as far as tests need it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

FOLDER = "DCIM/100TEST"
WITH_THUMBNAIL, WITHOUT_THUMBNAIL, RAW, VIDEO = "IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.CR2", "MVI_0004.MOV"
# TIFF 6.0: the size of an entry of a directory, and the types of values.
_ENTRY, _SHORT, _LONG = 12, 3, 4
_TIFF_HEADER = b"II*\0\x08\0\0\0"


def write_card(card: Path) -> bytes:
    """Write the files into a new folder `card`; returns the thumbnail of the first one."""
    folder = card / FOLDER
    folder.mkdir(parents=True)
    picture, small = Image.effect_noise((640, 480), 60), io.BytesIO()
    picture.resize((160, 120)).save(small, "JPEG")
    picture.save(folder / WITH_THUMBNAIL, exif=_exif(small.getvalue()))
    picture.save(folder / WITHOUT_THUMBNAIL)
    (folder / RAW).write_bytes(_TIFF_HEADER + bytes(range(256)) * 64)
    (folder / VIDEO).write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"qt  ", 0) + bytes(4096))
    return small.getvalue()


def _exif(thumbnail: bytes) -> bytes:
    """EXIF data with an orientation (upright) and a thumbnail. Pillow cannot write thumbnails."""
    first = _directory((0x112, _SHORT, 1))
    second_at = len(_TIFF_HEADER) + len(first)
    thumbnail_at = second_at + 2 + 3 * _ENTRY + 4
    second = _directory((0x103, _SHORT, 6), (0x201, _LONG, thumbnail_at), (0x202, _LONG, len(thumbnail)))
    next_directory = struct.pack("<I", second_at)
    return b"Exif\0\0" + _TIFF_HEADER + first[:-4] + next_directory + second + thumbnail


def _directory(*entries: tuple[int, int, int]) -> bytes:
    """A TIFF directory, the last one of its file. An entry is a tag, a type and one value."""
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", 0)
