"""PTP/IP packets, and a stream that reads and writes them.

Packet: u32 length (of the whole packet), u32 type, body; little-endian. Source: CIPA DC-X005 (PTP/IP).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from .ptp import Request

MAX_PACKET = 16 * 1024 * 1024
"""The largest length in bytes. libgphoto2 sends data in packets of 64 KiB, so a greater length is an error."""

PROTOCOL_VERSION = 0x00010000

_HEADER = struct.Struct("<II")
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class PacketType(IntEnum):
    """The packet types of PTP/IP."""

    INIT_COMMAND_REQUEST = 1
    INIT_COMMAND_ACK = 2
    INIT_EVENT_REQUEST = 3
    INIT_EVENT_ACK = 4
    INIT_FAIL = 5
    COMMAND_REQUEST = 6
    RESPONSE = 7
    EVENT = 8
    START_DATA = 9
    DATA = 10
    CANCEL = 11
    END_DATA = 12
    PING = 13
    PONG = 14


@dataclass(frozen=True)
class Packet:
    """A received packet. ``type`` may be a number that PTP/IP does not define."""

    type: int
    body: bytes


class PtpIpError(Exception):
    """The peer sent an invalid PTP/IP packet, or a packet that is not allowed at this time."""


def packet(type_: int, *parts: bytes) -> bytes:
    """Frame ``parts`` as one packet."""
    return b"".join((_HEADER.pack(_HEADER.size + sum(map(len, parts)), type_), *parts))


def init_command_ack(connection: int, guid: bytes, name: str) -> bytes:
    """The reply that opens the command connection. libgphoto2 requires the name."""
    text = name.encode("utf-16-le") + b"\0\0"
    return packet(
        PacketType.INIT_COMMAND_ACK,
        struct.pack("<I", connection), guid, text, struct.pack("<I", PROTOCOL_VERSION),
    )  # fmt: skip


def response(transaction: int, code: int, parameters: Sequence[int] = ()) -> bytes:
    """The packet that ends a transaction."""
    return packet(PacketType.RESPONSE, struct.pack(f"<HI{len(parameters)}I", code, transaction, *parameters))


def data_head(transaction: int, size: int) -> bytes:
    """The part of a data phase before its ``size`` bytes of payload."""
    return packet(PacketType.START_DATA, struct.pack("<IQ", transaction, size)) + struct.pack(
        "<III", _HEADER.size + 4 + size, PacketType.END_DATA, transaction
    )


class Framing:
    """How PTP/IP frames replies, for replies that are not correct; see ``mutation.Framing``."""

    types = tuple(PacketType)

    def packet(self, type_: int, body: bytes) -> bytes:
        """A packet of any type with any body."""
        return packet(type_, body)

    def data(
        self, transaction: int, data: bytes, announced: int | None = None, length: int | None = None
    ) -> Iterator[bytes]:
        """A data phase. ``announced``: the size that it announces; ``length``: the length in its packet header."""
        size = len(data) if announced is None else announced
        yield packet(PacketType.START_DATA, struct.pack("<IQ", transaction, size))
        length = _HEADER.size + 4 + len(data) if length is None else length
        yield struct.pack("<III", length, PacketType.END_DATA, transaction) + data

    def endless(self, transaction: int, piece: bytes, count: int) -> Iterator[bytes]:
        """A data phase that is never complete: ``count`` times ``piece``."""
        yield packet(PacketType.START_DATA, struct.pack("<IQ", transaction, 2**62))
        part = packet(PacketType.DATA, struct.pack("<I", transaction), piece)
        for _ in range(count):
            yield part

    def response(self, transaction: int, code: int, parameters: Sequence[int]) -> bytes:
        """The packet that ends a transaction."""
        return response(transaction, code, parameters)


def parse_request(body: bytes) -> tuple[Request, bool]:
    """The request in a COMMAND_REQUEST packet, and whether the initiator sends data after it."""
    if len(body) < 10 or (len(body) - 10) % 4:
        raise PtpIpError(f"a command request of {len(body)} bytes")
    phase, operation, transaction = struct.unpack_from("<IHI", body)
    parameters = struct.unpack_from(f"<{(len(body) - 10) // 4}I", body, 10)
    return Request(operation, transaction, parameters), phase == 2


class PacketStream:
    """Packets over one TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over ``reader`` and ``writer``."""
        self._reader = reader
        self._writer = writer
        self._socket = writer.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = str(writer.get_extra_info("peername"))

    async def read(self) -> Packet:
        """The next packet.

        Raises:
            asyncio.IncompleteReadError: The peer closed the connection.
            ConnectionResetError: This side closed the connection.
            PtpIpError: The length of the packet is not valid.
        """
        if self._writer.is_closing():
            raise ConnectionResetError
        # The driver sends the request, the start of the data, and the data in three small writes, without TCP_NODELAY.
        # Without TCP_QUICKACK on this side, its writes wait 40 ms for a delayed acknowledgement (measured). The kernel
        # resets TCP_QUICKACK, so it is set before each read.
        if _QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        length, type_ = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
        if not _HEADER.size <= length <= MAX_PACKET:
            raise PtpIpError(f"a packet of {length} bytes")
        return Packet(type_, await self._reader.readexactly(length - _HEADER.size))

    async def read_request(self) -> Request:
        """The next request, including its data. Answers pings and ignores cancels."""
        while True:
            incoming = await self.read()
            if incoming.type == PacketType.COMMAND_REQUEST:
                request, sends_data = parse_request(incoming.body)
                if not sends_data:
                    return request
                return Request(request.operation, request.transaction, request.parameters, await self._read_data())
            if incoming.type == PacketType.PING:
                await self.write(packet(PacketType.PONG))
            elif incoming.type != PacketType.CANCEL:
                raise PtpIpError(f"a packet of type {incoming.type} instead of a command request")

    async def _read_data(self) -> bytes:
        start = await self.read()
        if start.type != PacketType.START_DATA or len(start.body) < 12:
            raise PtpIpError(f"a packet of type {start.type} instead of the start of data")
        total = int.from_bytes(start.body[4:12], "little")
        parts: list[bytes] = []
        received = 0
        # libgphoto2 sends no END_DATA if there are no bytes to send.
        while received < total:
            part = await self.read()
            if part.type not in (PacketType.DATA, PacketType.END_DATA):
                raise PtpIpError(f"a packet of type {part.type} inside a data phase")
            parts.append(part.body[4:])
            received += len(part.body) - 4
        return b"".join(parts)

    async def write(self, *parts: bytes) -> None:
        """Send ``parts`` and wait until the kernel has taken most of them."""
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def wait_closed_by_peer(self) -> None:
        """Discard all received bytes until the peer closes the connection."""
        while await self._reader.read(65536):
            pass

    def close(self) -> None:
        """Close after everything that was written has been sent. May be called twice."""
        self._writer.close()

    def abort(self) -> None:
        """Close at once and discard what has not been sent."""
        self._writer.transport.abort()
