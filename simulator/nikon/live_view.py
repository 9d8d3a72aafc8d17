"""The reply to a Nikon live-view request (0x9203): a header, then the JPEG."""

from __future__ import annotations

import struct
from collections.abc import Sequence

HEADER_SIZE = 384
"""The size of a D7100's header in bytes. libgphoto2 does not use it, but searches for the start of the JPEG."""


def live_view_reply(frame: Sequence[bytes], sizes: tuple[int, int, int, int], variety: str | None) -> bytes:
    """A header and ``frame``, or a malformed reply of the kind ``variety``. ``sizes``: width and height of
    the frame, then those of the whole scene, in pixels.

    The header begins with the size of the picture and the size of the whole scene, both in pixels and big-endian. The
    rest of the header (focus areas, level) is zero here. libgphoto2 2.5.34 (library.c, camera_capture_preview) does not
    use a length: it searches for the start and the end of a picture. Therefore ``too_long`` has no effect. The other
    varieties make libgphoto2 return -1: ``zero_length`` (an empty reply), ``no_picture`` (zeros instead of a picture),
    ``truncated`` (only the first half of a picture) and ``short`` (only the first 56 bytes of a picture).
    """
    picture = b"".join(frame)
    width, height, *scene = sizes
    if variety == "zero_length":
        return b""
    if variety == "too_long":
        width, height = 2 * width, 2 * height
    if variety == "truncated":
        picture = picture[: len(picture) // 2]
    if variety == "short":
        picture = picture[:56]
    if variety == "no_picture":
        picture = bytes(len(picture))
    return struct.pack(">4H", width, height, *scene).ljust(HEADER_SIZE, b"\0") + picture
