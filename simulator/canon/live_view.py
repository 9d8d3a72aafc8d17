"""The reply to a Canon EOS live-view request (0x9153): blobs of u32 length, u32 type, bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_JPEG = 1


def live_view_reply(frame: Sequence[bytes], variety: str | None) -> bytes:
    """The blob with ``frame`` in it, or a malformed blob of the kind ``variety``.

    What libgphoto2 2.5.34 does with malformed blobs (library.c, camera_capture_preview):

    - ``zero_length`` (the length of the blob is 0) and ``too_long`` (the length exceeds the reply): libgphoto2
      reads the blob again and again, in an endless loop with 100 % CPU.
    - ``truncated`` (only the first half of a picture) and ``short`` (only the first 56 bytes of a picture): libgphoto2
      delivers these bytes unchanged.
    - ``no_picture`` (the type of the blob is not a picture): libgphoto2 returns -1.
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
