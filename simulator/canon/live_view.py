"""The answer to a Canon EOS live-view request (0x9153): blobs of u32 length, u32 type, bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_JPEG = 1


def live_view_reply(frame: Sequence[bytes], variety: str | None) -> bytes:
    """The blob with ``frame`` in it, or a malformed one of that ``variety``.

    What libgphoto2 2.5.34 does with them (library.c, camera_capture_preview): ``zero_length`` is a blob of no
    length that it never gets past, ``too_long`` a picture longer than the answer that it reads again and
    again (both loop for ever at 100 % CPU); ``truncated`` is a picture whose second half is missing and
    ``short`` one of 56 bytes (both are delivered as they are); ``no_picture`` is a blob of a type without a
    picture (-1).
    """
    picture = b"".join(frame)
    size = len(picture) + 8
    if variety == "zero_length":
        return struct.pack("<II", 0, 0) + picture
    if variety == "too_long":
        return struct.pack("<II", 2 * size, _JPEG) + picture
    if variety == "truncated":
        half = picture[: len(picture) // 2]
        return struct.pack("<II", len(half) + 8, _JPEG) + half
    if variety == "short":
        return struct.pack("<II", 64, _JPEG) + picture[:56]
    if variety == "no_picture":
        return struct.pack("<II", size, 7) + picture
    return struct.pack("<II", size, _JPEG) + picture
