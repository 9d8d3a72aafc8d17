"""The events of a Nikon, which the host reads with operation 0x90C7.

Layout: u16 count, then a u16 code and a u32 parameter for each event.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..ptp import Event

OBJECT_ADDED, OBJECT_REMOVED, PROPERTY_CHANGED = 0x4002, 0x4003, 0x4006
STORAGE_CHANGED, CAPTURE_COMPLETE = 0x400C, 0x400D
FIRST_COMPLETE = 0xC106
ADDED_IN_RAM, COMPLETE_IN_RAM = 0xC101, 0xC102
MOVIE_INTERRUPTED, MOVIE_COMPLETE, MOVIE_STARTED = 0xC105, 0xC108, 0xC10A


def record(code: int, parameter: int) -> bytes:
    """The record of one event."""
    return struct.pack("<HI", code, parameter)


def read(record: bytes) -> Event:
    """The event in a record."""
    code, parameter = struct.unpack("<HI", record)
    return Event(code, (parameter,))


def pack(records: Sequence[bytes]) -> bytes:
    """The reply to a host that reads events."""
    return struct.pack("<H", len(records)) + b"".join(records)
