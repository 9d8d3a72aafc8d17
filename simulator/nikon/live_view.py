"""The answer to a Nikon live-view request (0x9203): a header, then the JPEG."""

from __future__ import annotations

import struct
from collections.abc import Sequence

HEADER_SIZE = 384
"""Bytes; what a D7100 sends. libgphoto2 looks for the start of the JPEG instead of counting."""


def live_view_reply(frame: Sequence[bytes], size: tuple[int, int], variety: str | None) -> bytes:
    """A header and ``frame`` of ``size`` pixels, or a malformed answer of that ``variety``.

    The header begins with the pixels of the picture and of the whole scene, big-endian; the rest (focus areas,
    level) is zero here. What libgphoto2 2.5.34 does with malformed ones (library.c, camera_capture_preview): it
    reads no length but looks for the start and the end of a picture, so ``too_long`` harms nothing, and the
    others are -1: ``zero_length`` (not a byte), ``no_picture``, ``truncated`` (a picture whose second half is
    missing) and ``short`` (56 bytes of one).
    """
    picture = b"".join(frame)
    width, height = size
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
    return struct.pack(">4H", width, height, width, height).ljust(HEADER_SIZE, b"\0") + picture
