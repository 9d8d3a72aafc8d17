"""The descriptors of a camera on USB. Source: USB 2.0, chapter 9.6."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .pipes import BULK_IN, BULK_OUT, INTERRUPT

DEVICE, CONFIGURATION, STRING, QUALIFIER = 1, 2, 3, 6

BULK_PACKET, INTERRUPT_PACKET = 512, 64
"""The size of a full packet in bytes. USB 2.0 requires 512 for bulk endpoints at high speed."""

VERSION = 0x0200
RELEASE = 0x0100
STILL_IMAGE = (6, 1, 1)
"""Class, subclass and protocol of the interface of a PTP camera."""

_CONTROL_PACKET = 64
_ENGLISH = 0x0409
_MANUFACTURER, _PRODUCT, _SERIAL = 1, 2, 3
_BULK, _INTERRUPT = 2, 3
_SELF_POWERED = 0xC0


@dataclass(frozen=True)
class UsbIdentity:
    """How a model appears on USB: vendor and product id, and the strings."""

    vendor: int
    product: int
    manufacturer: str
    name: str


def device(identity: UsbIdentity, serial: str) -> bytes:
    """The device descriptor. With an empty ``serial`` there is no serial string."""
    strings = (_MANUFACTURER, _PRODUCT, _SERIAL if serial else 0)
    ids = (identity.vendor, identity.product, RELEASE)
    return struct.pack("<BBHBBBBHHHBBBB", 18, DEVICE, VERSION, 0, 0, 0, _CONTROL_PACKET, *ids, *strings, 1)


def qualifier() -> bytes:
    """The device qualifier: what the device would be at full speed."""
    return struct.pack("<BBHBBBBBB", 10, QUALIFIER, VERSION, 0, 0, 0, _CONTROL_PACKET, 1, 0)


def configuration() -> bytes:
    """The configuration descriptor with its interface and its endpoints."""
    interface = struct.pack("<9B", 9, 4, 0, 0, 3, *STILL_IMAGE, 0)
    endpoints = b"".join(
        struct.pack("<BBBBHB", 7, 5, address, kind, packet, interval)
        for address, kind, packet, interval in (
            (BULK_IN, _BULK, BULK_PACKET, 0),
            (BULK_OUT, _BULK, BULK_PACKET, 0),
            # The host asks every 2^(7-1) microframes, which is 8 ms.
            (INTERRUPT, _INTERRUPT, INTERRUPT_PACKET, 7),
        )
    )
    size = 9 + len(interface) + len(endpoints)
    return struct.pack("<BBHBBBBB", 9, CONFIGURATION, size, 1, 1, 0, _SELF_POWERED, 1) + interface + endpoints


def string(index: int, identity: UsbIdentity, serial: str) -> bytes | None:
    """A string descriptor; None if there is no such string."""
    if index == 0:
        return struct.pack("<BBH", 4, STRING, _ENGLISH)
    text = {_MANUFACTURER: identity.manufacturer, _PRODUCT: identity.name, _SERIAL: serial}.get(index)
    if not text:
        return None
    units = text.encode("utf-16-le")
    return struct.pack("<BB", 2 + len(units), STRING) + units
