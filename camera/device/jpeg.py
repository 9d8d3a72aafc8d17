"""Rotates and mirrors JPEGs, with libjpeg-turbo (without loss of quality) if it is installed, otherwise with Pillow.

libjpeg-turbo moves the blocks of a picture without decoding them. If width or height is not a multiple of the block
size, some orientations would move partial blocks to an edge where JPEG does not allow them. For these pictures, Pillow
is used.
"""

from __future__ import annotations

import ctypes
import io
import logging
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image

from camera.orientation import AS_IS, BY_EXIF, Orientation

_log = logging.getLogger("camera.device.jpeg")

# From turbojpeg.h, 2.x and 3.x: the value of enum TJXOP for each orientation. Option bit 0 (TJXOPT_PERFECT) rejects
# partial blocks.
_TJXOP = {
    Orientation(0, True): 1,
    Orientation(180, True): 2,
    Orientation(90, True): 3,
    Orientation(270, True): 4,
    Orientation(90): 5,
    Orientation(180): 6,
    Orientation(270): 7,
}
_TJXOPT_PERFECT = 1
_PILLOW = {
    Orientation(0, True): Image.Transpose.FLIP_LEFT_RIGHT,
    Orientation(180, True): Image.Transpose.FLIP_TOP_BOTTOM,
    Orientation(90, True): Image.Transpose.TRANSPOSE,
    Orientation(270, True): Image.Transpose.TRANSVERSE,
    Orientation(90): Image.Transpose.ROTATE_270,  # Pillow rotates counter-clockwise
    Orientation(180): Image.Transpose.ROTATE_180,
    Orientation(270): Image.Transpose.ROTATE_90,
}
_QUALITY = 92
# The largest number of pixels that a JPEG may declare; larger pictures are not decoded. The first limit is for stills
# (the largest sensors have 150 megapixels). The second limit is for live-view frames and thumbnails from the camera,
# which are not larger than a display. The third limit is for the thumbnail in the EXIF (160x120 in CIPA DC-008, 640x480
# from some makers). Decoding needs 7 bytes and 50 ns per pixel.
STILL_PIXELS, SMALL_PIXELS, EXIF_THUMBNAIL_PIXELS = 160_000_000, 16_000_000, 1_000_000
# Huffman coding needs at least one bit for each block of 64 pixels (ITU T.81, F.1.2 and G.1.2). So one byte contains at
# most 8 blocks, which are 512 pixels.
_PIXELS_A_BYTE = 512
# The marker "start of scan" (ITU T.81, B.1.1.3). Its two bytes do not occur in the data of a scan. Progressive pictures
# have about ten scans. For each scan, a decoder processes all pixels, even if the scan has only a few bytes.
_SCAN, _MOST_SCANS = b"\xff\xda", 100
_MOST_DIRECTORIES = 8
_EXIF_WITHIN = 256 * 1024  # the EXIF is in APP1, which comes before the picture and has at most 64 KB
_ORIENTATION, _THUMBNAIL_AT, _THUMBNAIL_SIZE, _EXIF_IFD, _WIDTH, _HEIGHT = (
    0x0112,
    0x0201,
    0x0202,
    0x8769,
    0xA002,
    0xA003,
)


class _Transform(ctypes.Structure):
    """The struct tjtransform of turbojpeg.h."""

    _fields_ = (
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("op", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("custom_filter", ctypes.c_void_p),
    )


class TurboJpeg:
    """The only function of libjpeg-turbo that is needed here. Releases the GIL while it works."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._transform = library.tjTransform
        self._transform.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int,
            ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_ulong), ctypes.POINTER(_Transform), ctypes.c_int,
        ]  # fmt: skip
        self._free = library.tjFree
        self._free.argtypes = [ctypes.c_void_p]
        self._free.restype = None
        library.tjInitTransform.restype = ctypes.c_void_p
        self._handle = library.tjInitTransform()

    def turned(self, data: bytes, orientation: Orientation) -> bytes | None:
        """The picture with rearranged blocks and all its metadata; None if its size or data does not allow this."""
        out, size = ctypes.c_void_p(), ctypes.c_ulong()
        transform = _Transform(0, 0, 0, 0, _TJXOP[orientation], _TJXOPT_PERFECT, None, None)
        failed = self._transform(
            self._handle, data, len(data), 1, ctypes.byref(out), ctypes.byref(size), ctypes.byref(transform), 0
        )
        try:
            return None if failed or not out else ctypes.string_at(out, size.value)
        finally:
            self._free(out)


@cache
def turbojpeg() -> TurboJpeg | None:
    """The installed libjpeg-turbo; None if it is not installed."""
    try:
        return TurboJpeg(ctypes.CDLL("libturbojpeg.so.0"))
    except (OSError, AttributeError):
        _log.info("libturbojpeg is not installed; Pillow rotates pictures (Debian: apt-get install libturbojpeg0)")
        return None


def turned(data: bytes, orientation: Orientation, most_pixels: int = SMALL_PIXELS) -> bytes:
    """The picture in another orientation, with its metadata unchanged.

    Args:
        data: a JPEG; returned unchanged if `orientation` changes nothing.
        orientation: how to rotate and mirror it.
        most_pixels: the largest allowed number of pixels.

    Raises:
        ValueError: `data` is not a JPEG, or it has too many pixels.
    """
    if not orientation:
        return data
    checked_size(data, most_pixels)
    turbo = turbojpeg()
    lossless = turbo.turned(data, orientation) if turbo else None
    return lossless if lossless is not None else by_pillow(data, orientation)


def by_pillow(data: bytes, orientation: Orientation) -> bytes:
    """Decode the picture, rotate and mirror it, and encode it again with its metadata.

    Raises:
        ValueError: `data` is not a JPEG.
    """
    out = io.BytesIO()
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # for warnings about damaged EXIF; opening can already cause them
            Image.open(io.BytesIO(data), formats=["JPEG"]) as image,
        ):
            kept = {key: image.info[key] for key in ("exif", "icc_profile", "comment", "dpi") if key in image.info}
            image.transpose(_PILLOW[orientation]).save(out, "JPEG", quality=_QUALITY, **kept)
    except (OSError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable JPEG: {error}") from error
    return out.getvalue()


def checked_size(data: bytes | bytearray, most_pixels: int) -> tuple[int, int]:
    """Width and height from the frame header (ITU T.81, B.2.2).

    Raises:
        ValueError: `data` is not a JPEG, it declares more pixels than `most_pixels` or more than its bytes can contain,
            or it has too many scans. Without this check, a few bytes could keep a decoder busy for minutes.
    """
    place = 2
    while data[:2] == b"\xff\xd8" and place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, place + 5)
            if not 0 < width * height <= min(most_pixels, len(data) * _PIXELS_A_BYTE):
                raise ValueError(f"not a JPEG of a camera: {width}x{height} pixels in {len(data)} bytes")
            if (scans := data.count(_SCAN)) > _MOST_SCANS:
                raise ValueError(f"not a JPEG of a camera: {scans} scans")
            return width, height
        if marker == 0xFF:  # any number of 0xFF bytes may precede a marker
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these markers have no content
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ValueError("not a JPEG: it has no frame header")


def upright(data: bytes, orientation: Orientation) -> bytes:
    """Rotate and mirror a still, first as its EXIF orientation requires, then by `orientation`.

    The EXIF orientation of the result is 1 (upright). Width, height and thumbnail in the EXIF are updated. All data in
    the EXIF stays at its position, because the maker's notes refer to positions.

    Raises:
        ValueError: `data` is not a JPEG.
    """
    exif = _exif(bytearray(data[:_EXIF_WITHIN]))
    value = exif.first(_ORIENTATION) if exif else None
    combined = BY_EXIF.get(value or 1, AS_IS).then(orientation)
    if not combined and value in (None, 1):
        return data
    picture = bytearray(turned(data, combined, STILL_PIXELS))
    exif = _exif(picture)
    if exif is not None:
        exif.put(_ORIENTATION, 1)
        width, height = checked_size(picture, STILL_PIXELS)
        exif.put(_WIDTH, width)  # libjpeg-turbo updates width and height, Pillow does not
        exif.put(_HEIGHT, height)
        _orient_thumbnail(exif, combined)
    return bytes(picture)


def _orient_thumbnail(exif: _Exif, orientation: Orientation) -> None:
    at, size = exif.first(_THUMBNAIL_AT), exif.first(_THUMBNAIL_SIZE)
    if at is None or size is None or exif.start + at + size > exif.end:
        return
    start = exif.start + at
    try:
        new = turned(bytes(exif.data[start : start + size]), orientation, EXIF_THUMBNAIL_PIXELS)
        quality = _QUALITY
        while len(new) > size and quality > 20:  # the new thumbnail must fit into the space of the old thumbnail
            quality -= 12
            out = io.BytesIO()
            with Image.open(io.BytesIO(new)) as image:
                image.save(out, "JPEG", quality=quality)
            new = out.getvalue()
    except (ValueError, OSError, SyntaxError):
        return  # the picture is used even if its thumbnail is damaged
    if len(new) <= size:
        exif.data[start : start + size] = new + bytes(size - len(new))
        exif.put(_THUMBNAIL_SIZE, len(new))


@dataclass(frozen=True, slots=True)
class _Exif:
    """The EXIF of a JPEG: the bytes of `data` from `start` (the TIFF header) to `end`. Changes are made in `data`.

    `order` is the byte order of its numbers, as in `struct`.
    """

    data: bytearray
    start: int
    end: int
    order: str

    def first(self, tag: int) -> int | None:
        """The first number of a SHORT or LONG tag, searched in all directories; None if there is no such tag."""
        for _, kind, place in self._entries(tag):
            return int(struct.unpack_from(self.order + kind, self.data, place)[0])
        return None

    def put(self, tag: int, value: int) -> None:
        """Overwrite the first number of a tag, if the tag exists."""
        for _, kind, place in self._entries(tag):
            if value < 1 << (16 if kind == "H" else 32):
                struct.pack_into(self.order + kind, self.data, place, value)
            return

    def _entries(self, wanted: int) -> Iterator[tuple[int, str, int]]:
        # Malicious EXIF may contain loops or a huge number of entries. Therefore only a few directories are read, and
        # only those that are completely within the EXIF.
        todo, seen = [self._u32(self.start + 4)], set[int]()
        while todo and len(seen) < _MOST_DIRECTORIES:
            directory = self.start + todo.pop(0)
            if directory in seen or not self.start < directory <= self.end - 2:
                continue
            seen.add(directory)
            count = struct.unpack_from(self.order + "H", self.data, directory)[0]
            end = directory + 2 + count * 12
            if end + 4 > self.end:
                continue
            for entry in range(directory + 2, end, 12):
                tag, kind = struct.unpack_from(self.order + "HH", self.data, entry)
                if tag == wanted and kind in (3, 4):
                    yield tag, "H" if kind == 3 else "I", entry + 8
                if tag == _EXIF_IFD:
                    todo.append(self._u32(entry + 8))
            todo.append(self._u32(end))

    def _u32(self, place: int) -> int:
        return int(struct.unpack_from(self.order + "I", self.data, place)[0])


def _exif(data: bytearray) -> _Exif | None:
    """The EXIF of a JPEG; None if the JPEG has no EXIF.

    ITU T.81 specifies the markers of JPEG. CIPA DC-008 specifies the EXIF in the segment APP1.
    """
    place = 2
    while place + 10 < len(data) and data[place] == 0xFF and data[place + 1] not in (0xDA, 0xD9):
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            start = place + 10
            order = {b"II": "<", b"MM": ">"}.get(bytes(data[start : start + 2]))
            end = min(place + 2 + size, len(data))
            return _Exif(data, start, end, order) if order and start + 8 <= end else None
        place += 2 + size
    return None
