"""The PTP/IP side of one camera: listens, and serves one session."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from typing import NoReturn

from . import ptpip
from .faults import AT_INIT, Kind
from .listener import Listener
from .ptp import Reply
from .ptpip import PacketStream, PacketType, PtpIpError
from .session import Session

log = logging.getLogger(__name__)

REJECTED_BUSY = 2
"""The reason in an INIT_FAIL packet."""


class Responder:
    """Serves one session. A new session ends the old one, so that a killed driver does not block the next driver."""

    def __init__(self, session: Session, host: str, port: int) -> None:
        """Serve ``session`` on ``host``. Port 0: the first `switch_on` chooses a free port, which is then kept."""
        self._session = session
        self._host = host
        self._port = port
        self._serial = session.body.identity.serial
        self._listener = Listener(self._accept, self._serial)
        self._command: PacketStream | None = None
        self._event: PacketStream | None = None
        self._connections = 0

    @property
    def address(self) -> str:
        """The address for libgphoto2. Commands and events use the same port."""
        return f"ptpip:{self._host}:{self._port}:{self._port}"

    @property
    def on(self) -> bool:
        """Whether the camera listens."""
        return self._listener.listening

    @property
    def sessions(self) -> int:
        """The number of connected hosts: 0 or 1."""
        return int(self._command is not None)

    async def switch_on(self) -> None:
        """Listen, always on the same port.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        self._port = await self._listener.start(self._host, self._port)

    async def switch_off(self) -> None:
        """Close every connection and stop listening."""
        await self._listener.stop()
        self._end_session()

    def drop(self, stream: PacketStream) -> None:
        """Close the session of ``stream``, unless a newer session has replaced it."""
        if stream is not self._command:
            return
        for one in (self._command, self._event):
            if one:
                one.close()
        self._end_session()

    def _end_session(self) -> None:
        if self._command:
            log.info("%s: session closed", self._serial)
            self._session.end()
        self._command = self._event = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = PacketStream(reader, writer)
        try:
            await self._serve(stream)
        except PtpIpError as error:
            log.warning("%s: invalid packet from %s: %s", self._serial, stream.peer, error)
        finally:
            self.drop(stream)

    async def _serve(self, stream: PacketStream) -> None:
        first = await stream.read()
        if first.type == PacketType.INIT_COMMAND_REQUEST:
            await self._serve_commands(stream)
        elif first.type == PacketType.INIT_EVENT_REQUEST:
            self._event = stream
            await stream.write(ptpip.packet(PacketType.INIT_EVENT_ACK))
            # No events are sent over this connection. A Canon sends its events in replies to 0x9116, and a Nikon sends
            # them in replies to 0x90C7.
            await stream.wait_closed_by_peer()
        else:
            raise PtpIpError(f"a first packet of type {first.type}")

    async def _serve_commands(self, stream: PacketStream) -> None:
        fault = self._session.faults.take(AT_INIT)
        if fault and fault.kind is Kind.INIT_FAIL:
            await stream.write(ptpip.packet(PacketType.INIT_FAIL, REJECTED_BUSY.to_bytes(4, "little")))
            return
        if fault:
            await stream.wait_closed_by_peer()
            return
        for old in (self._command, self._event):
            if old:
                old.abort()
        self._end_session()
        self._command = stream
        self._connections += 1
        body = self._session.body
        log.info("%s: session opened by %s", self._serial, stream.peer)
        guid = hashlib.md5(self._serial.encode(), usedforsecurity=False).digest()
        await stream.write(ptpip.init_command_ack(self._connections, guid, body.identity.model))
        body.studio.warm()
        transport = _Packets(stream, self)
        while True:
            await self._session.answer(await stream.read_request(), transport)


class _Packets:
    """Sends the replies of a session as PTP/IP packets."""

    def __init__(self, stream: PacketStream, responder: Responder) -> None:
        self.framing = ptpip.Framing()
        self._stream = stream
        self._responder = responder

    async def send(self, transaction: int, reply: Reply) -> None:
        end = ptpip.response(transaction, reply.code, reply.parameters)
        if reply.data is None:
            await self._stream.write(end)
        else:
            await self._stream.write(ptpip.data_head(transaction, len(reply.data)), reply.data, end)

    async def send_half(self, transaction: int, data: bytes, then: Kind) -> NoReturn:
        await self._stream.write(ptpip.data_head(transaction, len(data)), data[: len(data) // 2])
        if then is Kind.STALL_MID_DATA:
            await self._stream.wait_closed_by_peer()
        self.drop()
        raise ConnectionResetError

    async def send_raw(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            await self._stream.write(piece)

    def drop(self) -> None:
        self._responder.drop(self._stream)
