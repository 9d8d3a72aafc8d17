"""The event records of a Canon EOS (operation 0x9116): u32 size, u32 code, payload.

Source of the layouts: the offsets that libgphoto2 reads (ptp-pack.c, ptp_unpack_EOS_events).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..card import StoredFile
from .properties import FOCUS_INFO, LAYOUT, text

OBJECT_ADDED, OBJECT_REMOVED, TRANSFER_REQUEST = 0xC181, 0xC182, 0xC186
VALUE_CHANGED, CHOICES_CHANGED, STATUS_CHANGED = 0xC189, 0xC18A, 0xC18B
CODES = (OBJECT_ADDED, OBJECT_REMOVED, TRANSFER_REQUEST, VALUE_CHANGED, CHOICES_CHANGED, STATUS_CHANGED)

REQUEST_GET_EVENT = 0xC101
"""What a camera on USB sends without a request, so that the host reads its events. Source: ptp.h of libgphoto2."""

END = struct.pack("<II", 8, 0)
"""The record at the end of every reply."""

_FOCUS_POINTS = 9


def _record(code: int, payload: bytes) -> bytes:
    return struct.pack("<II", 8 + len(payload), code) + payload


def value_changed(code: int, packed: bytes) -> bytes:
    """The record for a new value of a property."""
    return _record(VALUE_CHANGED, struct.pack("<I", code) + packed)


def choices_changed(code: int, packed: Sequence[bytes]) -> bytes:
    """The record for new choices of a property. Send `value_changed` first, so that the driver knows the property."""
    return _record(CHOICES_CHANGED, struct.pack("<III", code, 3, len(packed)) + b"".join(packed))


def status_changed(busy: bool) -> bytes:
    """The record for the start (``busy`` is true) or the end of a shot."""
    return _record(STATUS_CHANGED, struct.pack("<I", int(busy)))


def object_added(stored: StoredFile) -> bytes:
    """The record for a new file on the card."""
    numbers = (stored.handle, LAYOUT.storage, stored.format, 0, 0, len(stored.content), stored.parent, 0)
    return _record(OBJECT_ADDED, struct.pack("<8I", *numbers) + text(stored.name))


def object_removed(handle: int) -> bytes:
    """The record for a file that was deleted from the card."""
    return _record(OBJECT_REMOVED, struct.pack("<I", handle))


def transfer_request(stored: StoredFile) -> bytes:
    """The record for a file in RAM that the host can fetch."""
    numbers = (stored.handle, stored.format, 0, len(stored.content), 0)
    return _record(TRANSFER_REQUEST, struct.pack("<5I", *numbers) + text(stored.name))


def focus_info(selected: Sequence[int]) -> bytes:
    """The record that says which of the 9 focus points are in focus. ``selected`` is empty if the autofocus failed.

    Layout: u32 size, u16 size - 4, u16 version, u16 points, u16 points in use, u16 width and height of the picture
    (twice). Then there are four arrays with one 16-bit number per point: heights, widths, offsets x, offsets y. Then
    there is one bit per point, which is 1 if the point is in focus.
    """
    points = _FOCUS_POINTS
    offsets = [300 * (index - points // 2) for index in range(points)]
    arrays = struct.pack(f"<{4 * points}h", *[120] * (2 * points), *offsets, *[0] * points)
    bits = sum(1 << index for index in selected).to_bytes(2, "little")
    tail = arrays + bits + b"\xff\xff"
    size = 20 + len(tail)
    head = struct.pack("<I8H", size, size - 4, 1, points, points, 5184, 3456, 5184, 3456)
    return value_changed(FOCUS_INFO, head + tail)
