"""PTP data structures as bytes: strings, arrays, device info, storage info, object info, property descriptions.

All numbers are little-endian. Source: ISO 15740 (PTP), clauses 5 and 13.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INT8, UINT8, INT16, UINT16, INT32, UINT32, STRING = 0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0xFFFF
_INTEGERS = {INT8: "<b", UINT8: "<B", INT16: "<h", UINT16: "<H", INT32: "<i", UINT32: "<I"}


def integer(type_: int, value: int) -> bytes:
    """The bytes of an integer of a PTP data type."""
    return struct.pack(_INTEGERS[type_], value)


def read_integer(type_: int, data: bytes) -> int | None:
    """The integer of a PTP data type at the start of ``data``; None if there are too few bytes."""
    layout = _INTEGERS[type_]
    return int(struct.unpack_from(layout, data)[0]) if len(data) >= struct.calcsize(layout) else None


def limits(type_: int) -> tuple[int, int]:
    """The lowest and the highest integer of a PTP data type."""
    bits = 8 * struct.calcsize(_INTEGERS[type_])
    signed = _INTEGERS[type_].islower()
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def plain_bytes(text: str) -> bytes:
    """Text as bytes in UTF-8, not in UCS-2. U+DC80 to U+DCFF stand for bytes that are not valid UTF-8 (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def string(text: str) -> bytes:
    """A PTP string: u8 count of UCS-2 units (NUL included), then the units. An empty string is one zero byte.

    A byte that is not UTF-8 (see `plain_bytes`) becomes the UCS-2 unit with the same number.
    """
    text = "".join(chr(ord(one) - 0xDC00) if "\udc80" <= one <= "\udcff" else one for one in text)
    if not text:
        return b"\0"
    units = text[:254].encode("utf-16-le") + b"\0\0"
    return bytes([len(units) // 2]) + units


def read_string(data: bytes) -> str:
    """The text of a PTP string at the start of ``data``."""
    count = data[0] if data else 0
    return data[1 : 1 + 2 * count].decode("utf-16-le", "replace").rstrip("\0")


def array16(values: Iterable[int]) -> bytes:
    """A u32 count and u16 values."""
    items = tuple(values)
    return struct.pack(f"<I{len(items)}H", len(items), *items)


def array32(values: Iterable[int]) -> bytes:
    """A u32 count and u32 values."""
    items = tuple(values)
    return struct.pack(f"<I{len(items)}I", len(items), *items)


def timestamp(seconds: float) -> str:
    """``YYYYMMDDThhmmss`` in local time, from seconds since 1970."""
    return time.strftime("%Y%m%dT%H%M%S", time.localtime(seconds))


@dataclass(frozen=True)
class DeviceInfo:
    """The identity and the abilities of a camera (GetDeviceInfo, 0x1001)."""

    vendor_id: int
    vendor_version: int
    vendor_description: str
    operations: Sequence[int]
    events: Sequence[int]
    properties: Sequence[int]
    capture_formats: Sequence[int]
    image_formats: Sequence[int]
    manufacturer: str
    model: str
    version: str
    serial: str

    def pack(self) -> bytes:
        """The dataset as bytes."""
        return b"".join(
            (
                struct.pack("<HIH", 100, self.vendor_id, self.vendor_version),
                string(self.vendor_description),
                struct.pack("<H", 0),
                *map(array16, (self.operations, self.events, self.properties)),
                *map(array16, (self.capture_formats, self.image_formats)),
                *map(string, (self.manufacturer, self.model, self.version, self.serial)),
            )
        )


def storage_info(capacity: int, free: int, read_only: bool, description: str) -> bytes:
    """StorageInfo of a removable card (type 4) with a DCIM file system (3); sizes in bytes."""
    head = struct.pack("<HHHQQI", 4, 3, 1 if read_only else 0, capacity, free, 0xFFFFFFFF)
    return head + string(description) + string("")


@dataclass(frozen=True)
class ObjectInfo:
    """The details of one file or folder (GetObjectInfo, 0x1008). ``taken``: seconds since 1970."""

    storage: int
    format: int
    protected: bool
    size: int
    thumbnail_size: int
    thumbnail: tuple[int, int]
    pixels: tuple[int, int]
    parent: int
    name: str
    taken: float

    def pack(self) -> bytes:
        """The dataset as bytes."""
        folder = self.format == 0x3001
        numbers = struct.pack(
            "<IHHIHIIIIIIIHII",
            self.storage, self.format, int(self.protected), min(self.size, 0xFFFFFFFF),
            0x3808 if self.thumbnail_size else 0, self.thumbnail_size, *self.thumbnail,
            *self.pixels, 0 if folder else 24, self.parent, int(folder), 0, 0,
        )  # fmt: skip
        date = timestamp(self.taken)
        return numbers + string(self.name) + string(date) + string(date) + string("")


@dataclass(frozen=True)
class Property:
    """A standard device property: its description and its value."""

    code: int
    type: int
    value: int | str
    writable: bool = False
    choices: tuple[int | str, ...] = ()
    bounds: tuple[int, int, int] | None = None

    def pack_value(self, value: int | str | None = None) -> bytes:
        """``value`` (default: the current value) as GetDevicePropValue sends it."""
        value = self.value if value is None else value
        if isinstance(value, str):
            return string(value)
        return integer(self.type, value)

    def read_value(self, data: bytes) -> int | str | None:
        """The value in ``data``; None if there are too few bytes or the value is not allowed."""
        if self.type == STRING:
            text = read_string(data)
            return None if self.choices and text not in self.choices else text
        value = read_integer(self.type, data)
        if value is None or (self.bounds and not self.bounds[0] <= value <= self.bounds[1]):
            return None
        return None if self.choices and value not in self.choices else value

    def pack_description(self) -> bytes:
        """The DevicePropDesc dataset as bytes."""
        head = struct.pack("<HHB", self.code, self.type, int(self.writable))
        head += self.pack_value() * 2
        if self.bounds:
            return head + b"\x01" + b"".join(map(self.pack_value, self.bounds))
        if self.choices:
            return head + b"\x02" + struct.pack("<H", len(self.choices)) + b"".join(map(self.pack_value, self.choices))
        return head + b"\0"
