"""The control requests of a camera on USB: those of every device, and those of the Still Image class.

Sources: USB 2.0, chapter 9.4; USB Still Image Capture Device Definition 1.0, chapter 5.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from ..ptp import Event, ResponseCode
from . import descriptors
from .descriptors import UsbIdentity


class _Code:
    """bmRequestType and bRequest of each request."""

    DEVICE_STATUS, INTERFACE_STATUS, ENDPOINT_STATUS = (0x80, 0x00), (0x81, 0x00), (0x82, 0x00)
    CLEAR_HALT, SET_HALT = (0x02, 0x01), (0x02, 0x03)
    GET_DESCRIPTOR = (0x80, 0x06)
    GET_CONFIGURATION, SET_CONFIGURATION = (0x80, 0x08), (0x00, 0x09)
    GET_INTERFACE, SET_INTERFACE = (0x81, 0x0A), (0x01, 0x0B)
    CANCEL, GET_EXTENDED_EVENT = (0x21, 0x64), (0xA1, 0x65)
    RESET, GET_STATUS = (0x21, 0x66), (0xA1, 0x67)


class Function(Protocol):
    """What control requests act on."""

    identity: UsbIdentity
    usb_serial: str

    @property
    def busy(self) -> bool:
        """Whether an operation runs."""

    @property
    def halted(self) -> Sequence[int]:
        """The addresses of the halted endpoints."""

    @property
    def last_event(self) -> Event | None:
        """The last event that was sent in the session."""

    def start_over(self) -> None:
        """End the session, the operation and the halts, and drop what was not sent."""

    def cancel(self) -> None:
        """End the operation, and drop its reply."""

    def halt(self, endpoint: int) -> None:
        """Halt an endpoint."""

    def clear_halt(self, endpoint: int) -> None:
        """End the halt of an endpoint."""


class ControlRequests:
    """Answers the control requests.

    Attributes:
        configuration: the configuration that the host has chosen; 0: none.
        resets: how often a host has chosen a configuration (the kernel does so after each reset) or sent DeviceReset.
        clear_halts: how often a host has asked to end a halt, also of an endpoint that was not halted.
    """

    def __init__(self, function: Function) -> None:
        """Answer the requests to ``function``."""
        self._function = function
        self.configuration = 0
        self.clear_counters()

    def clear_counters(self) -> None:
        """Count from 0 again."""
        self.resets = 0
        self.clear_halts = 0

    def answer(self, setup: bytes) -> bytes | None:
        """Do what the 8 bytes ``setup`` request; returns the data for the host, or None if that is not supported."""
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        data = self._answer((kind, request), value, index)
        return None if data is None else data[:length]

    def _answer(self, code: tuple[int, int], value: int, index: int) -> bytes | None:
        function = self._function
        match code:
            case _Code.GET_DESCRIPTOR:
                return self._descriptor(value >> 8, value & 0xFF)
            case _Code.GET_CONFIGURATION:
                return bytes([self.configuration])
            case _Code.DEVICE_STATUS:
                return struct.pack("<H", 1)  # self-powered
            case _Code.INTERFACE_STATUS:
                return bytes(2)
            case _Code.ENDPOINT_STATUS:
                return struct.pack("<H", int(index in function.halted))
            case _Code.GET_INTERFACE:
                return bytes(1)
            case _Code.GET_EXTENDED_EVENT:
                return self._extended_event()
            case _Code.GET_STATUS:
                return self._status()
            case _Code.SET_CONFIGURATION if value in (0, 1):
                self.configuration = value
                self.resets += 1
                function.start_over()
            case _Code.SET_INTERFACE if value == 0:
                for endpoint in function.halted:
                    function.clear_halt(endpoint)
            case _Code.CLEAR_HALT if value == 0:
                self.clear_halts += 1
                function.clear_halt(index)
            case _Code.SET_HALT if value == 0:
                function.halt(index)
            case _Code.CANCEL:
                function.cancel()
            case _Code.RESET:
                self.resets += 1
                function.start_over()
            case _:
                return None
        return b""

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        identity, serial = self._function.identity, self._function.usb_serial
        match kind, index:
            case descriptors.DEVICE, 0:
                return descriptors.device(identity, serial)
            case descriptors.CONFIGURATION, 0:
                return descriptors.configuration()
            case descriptors.STRING, _:
                return descriptors.string(index, identity, serial)
            case descriptors.QUALIFIER, 0:
                return descriptors.qualifier()
        return None

    def _extended_event(self) -> bytes:
        """u16 event, u32 transaction, u16 number of parameters, and for each of them its u16 size and the parameter."""
        event = self._function.last_event or Event(0)
        parameters = b"".join(struct.pack("<HI", 4, one) for one in event.parameters)
        return struct.pack("<HIH", event.code, 0, len(event.parameters)) + parameters

    def _status(self) -> bytes:
        """u16 length, u16 response code, and the u32 address of each halted endpoint."""
        halted = self._function.halted
        code = ResponseCode.DEVICE_BUSY if self._function.busy else ResponseCode.OK
        return struct.pack(f"<HH{len(halted)}I", 4 + 4 * len(halted), code, *halted)
