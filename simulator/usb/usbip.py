"""The USB/IP server, which offers devices to the hosts that attach them.

All numbers are big-endian. Source: Documentation/usb/usbip_protocol.rst of Linux.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Sequence

from ..faults import AT_INIT, Kind
from ..listener import Listener
from . import descriptors
from .device import UsbDevice
from .pipes import Urb

log = logging.getLogger(__name__)

DEFAULT_PORT = 3240

_VERSION = 0x0111
_REQUEST_LIST, _REPLY_LIST = 0x8005, 0x0005
_REQUEST_IMPORT, _REPLY_IMPORT = 0x8003, 0x0003
_OK, _FAILED, _BUSY, _NO_DEVICE = 0, 1, 2, 4
_SUBMIT, _UNLINK, _RET_SUBMIT, _RET_UNLINK = 1, 2, 3, 4

_HIGH_SPEED = 3
_LARGEST = 64 * 2**20
"""The largest transfer in bytes; a greater length is an error."""

_OPERATION = struct.Struct(">HHI")
_HEADER = struct.Struct(">5I28s")
_SUBMITTED = struct.Struct(">IiIII8s")
_DEVICE = struct.Struct(">256s32s3I3H6B")


class UsbIpError(Exception):
    """The host sent a packet that is not valid."""


class UsbIpServer:
    """Offers devices. Each connection lists the devices, or attaches one of them until it ends."""

    def __init__(self, devices: Sequence[UsbDevice]) -> None:
        """Offer ``devices`` while they are plugged."""
        self._devices = devices
        self._listener = Listener(self._serve, "usbip")

    async def start(self, host: str, port: int) -> int:
        """Listen; 0 chooses a free port. Returns the port.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Stop listening and close the connections."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, code, _ = _OPERATION.unpack(await reader.readexactly(_OPERATION.size))
            if code == _REQUEST_LIST:
                writer.write(self._list())
                await writer.drain()
            elif code == _REQUEST_IMPORT:
                busid = (await reader.readexactly(32)).rstrip(b"\0").decode("ascii", "replace")
                await self._import(busid, reader, writer)
            else:
                raise UsbIpError(f"a request of type 0x{code:04x}")
        except UsbIpError as error:
            log.warning("usbip: invalid packet: %s", error)

    def _list(self) -> bytes:
        plugged = [device for device in self._devices if device.on]
        interface = bytes([*descriptors.STILL_IMAGE, 0])
        head = _OPERATION.pack(_VERSION, _REPLY_LIST, _OK) + struct.pack(">I", len(plugged))
        return head + b"".join(_describe(device) + interface for device in plugged)

    async def _import(self, busid: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device = next((one for one in self._devices if one.on and one.port == busid), None)
        fault = device.session.faults.take(AT_INIT) if device else None
        if fault and fault.kind is Kind.INIT_SILENT:
            while await reader.read(65536):
                pass
            return
        status = _NO_DEVICE if not device else _FAILED if fault else _BUSY if device.sessions else _OK
        head = _OPERATION.pack(_VERSION, _REPLY_IMPORT, status)
        if not device or status:
            writer.write(head)
            return
        writer.write(head + _describe(device))
        connection = _Connection(device, reader, writer)
        await connection.serve()


def _describe(device: UsbDevice) -> bytes:
    identity = device.identity
    return _DEVICE.pack(
        f"/sys/devices/simulated/usb{device.bus.number}/{device.port}".encode(), device.port.encode(),
        device.bus.number, device.number, _HIGH_SPEED, identity.vendor, identity.product, descriptors.RELEASE,
        0, 0, 0, device.requests.configuration, 1, 1,
    )  # fmt: skip


class _Connection:
    """The connection of a host that has attached a device."""

    def __init__(self, device: UsbDevice, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._device = device
        self._reader = reader
        self._writer = writer
        self._pending: dict[int, Urb] = {}
        self._attached = False

    async def serve(self) -> None:
        """Serve the host until it or the device closes the connection."""
        self._attached = True
        self._device.attach(self._cut)
        try:
            while True:
                command, number, _, direction, endpoint, rest = _HEADER.unpack(
                    await self._reader.readexactly(_HEADER.size)
                )
                if command == _SUBMIT:
                    await self._submit(number, direction, endpoint, rest)
                elif command == _UNLINK:
                    self._unlink(number, int.from_bytes(rest[:4], "big"))
                else:
                    raise UsbIpError(f"a command of type {command}")
                await self._writer.drain()
        finally:
            if self._attached:
                self._device.detach()

    def _cut(self) -> None:
        """Close the connection at once, because the device was unplugged."""
        self._attached = False
        self._writer.transport.abort()

    async def _submit(self, number: int, direction: int, endpoint: int, rest: bytes) -> None:
        _, length, _, _, _, setup = _SUBMITTED.unpack(rest)
        if direction > 1 or endpoint > 15 or not 0 <= length <= _LARGEST:
            raise UsbIpError(f"a transfer of {length} bytes to endpoint {endpoint}")
        data = b"" if direction else await self._reader.readexactly(length)
        address = endpoint | 0x80 * direction if endpoint else 0
        urb = self._pending[number] = Urb(number, address, length, setup, data, self._complete)
        if self._attached:
            self._device.submit(urb)

    def _complete(self, urb: Urb, status: int) -> None:
        self._pending.pop(urb.number, None)
        taken = 0 if status else len(urb.data)
        length = taken if urb.data else len(urb.received)
        head = struct.pack(">5IiI", _RET_SUBMIT, urb.number, 0, 0, 0, status, length)
        self._writer.write(head + bytes(20) + urb.received)

    def _unlink(self, number: int, unlinked: int) -> None:
        urb = self._pending.pop(unlinked, None)
        if urb:
            self._device.withdraw(urb)
        status = -errno.ECONNRESET if urb else 0
        self._writer.write(struct.pack(">5Ii", _RET_UNLINK, number, 0, 0, 0, status) + bytes(24))
