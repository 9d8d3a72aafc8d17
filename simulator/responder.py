"""The PTP/IP side of one camera: listens, serves one session, runs operations and applies faults."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter

from . import ptpip
from .body import Body
from .dialect import Dialect
from .faults import AT_INIT, BEFORE_OPERATION, IN_DATA, ON_REPLY, Fault, Faults, Kind
from .listener import Listener
from .ptpip import PacketStream, PacketType, PtpIpError, Reply, Request, ResponseCode

log = logging.getLogger(__name__)

REJECTED_BUSY = 2
"""The reason in an INIT_FAIL packet."""

GARBAGE = b"\xde\xad\xbe\xef" * 16
"""In a packet header this is a negative length, so the driver always fails in the same way."""


class Responder:
    """Serves one session. A new session ends the old one, so that a killed driver does not block the next driver."""

    def __init__(self, body: Body, dialect: Dialect, faults: Faults) -> None:
        """Serve ``body`` in ``dialect``."""
        self._body = body
        self._dialect = dialect
        self._faults = faults
        self._listener = Listener(self._accept, body.identity.serial)
        self._command: PacketStream | None = None
        self._event: PacketStream | None = None
        self._connections = 0
        self.operations: Counter[int] = Counter()
        self.port = 0

    @property
    def listening(self) -> bool:
        """Whether the camera is on."""
        return self._listener.listening

    @property
    def sessions(self) -> int:
        """The number of connected hosts: 0 or 1."""
        return int(self._command is not None)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        self.port = await self._listener.start(host, port)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        await self._listener.stop()
        self._end_session()

    def _drop_session(self, stream: PacketStream) -> None:
        """Close the session of ``stream``, unless a newer session has replaced it."""
        if stream is not self._command:
            return
        for one in (self._command, self._event):
            if one:
                one.close()
        self._end_session()

    def _end_session(self) -> None:
        if self._command:
            log.info("%s: session closed", self._body.identity.serial)
            self._dialect.session_ended()
        self._command = self._event = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = PacketStream(reader, writer)
        try:
            await self._serve(stream)
        except PtpIpError as error:
            log.warning("%s: invalid packet from %s: %s", self._body.identity.serial, stream.peer, error)
        finally:
            self._drop_session(stream)

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
        fault = self._faults.take(AT_INIT)
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
        serial = self._body.identity.serial
        log.info("%s: session opened by %s", serial, stream.peer)
        guid = hashlib.md5(serial.encode(), usedforsecurity=False).digest()
        await stream.write(ptpip.init_command_ack(self._connections, guid, self._body.identity.model))
        self._body.studio.warm()
        while True:
            request = await stream.read_request()
            self.operations[request.operation] += 1
            await self._answer(stream, request)

    async def _answer(self, stream: PacketStream, request: Request) -> None:
        fault = self._faults.take(BEFORE_OPERATION, request.operation)
        if fault:
            log.info("%s: fault %s at operation 0x%04x", self._body.identity.serial, fault.kind, request.operation)
        match fault and fault.kind:
            case Kind.SILENT:
                if fault and fault.execute:
                    await self._run(request)
                return
            case Kind.DROP:
                self._drop_session(stream)
                raise ConnectionResetError
            case Kind.GARBAGE:
                await stream.write(GARBAGE)
                return
            case Kind.CODE | Kind.BUSY if fault:
                if fault.execute:
                    await self._run(request)
                await stream.write(ptpip.response(request.transaction, fault.code))
                return
            case Kind.LATE if fault:
                reply = await self._run(request)
                await asyncio.sleep(fault.seconds)
            case _:
                reply = await self._run(request)
        await self._send(stream, request, reply)

    async def _run(self, request: Request) -> Reply:
        handler = self._dialect.operations.get(request.operation)
        if not handler:
            log.info("%s: operation 0x%04x is not supported", self._body.identity.serial, request.operation)
            return Reply(ResponseCode.OPERATION_NOT_SUPPORTED)
        log.debug(
            "%s: 0x%04x %s %s",
            self._body.identity.serial,
            request.operation,
            self._dialect.names.get(request.operation, ""),
            " ".join(f"{value:x}" for value in request.parameters),
        )
        return await handler(request)

    async def _send(self, stream: PacketStream, request: Request, reply: Reply) -> None:
        mutation = self._faults.take(ON_REPLY, request.operation)
        if mutation and mutation.mutator:
            mutated = mutation.mutator.mutated(request.operation, request.transaction, reply)
            if mutated is not None:
                for piece in mutated:
                    await stream.write(piece)
                return
        end = ptpip.response(request.transaction, reply.code, reply.parameters)
        if reply.data is None:
            await stream.write(end)
            return
        head = ptpip.data_head(request.transaction, len(reply.data))
        fault = self._faults.take(IN_DATA, request.operation)
        if fault:
            await self._interrupt(stream, head, reply.data, fault)
        await stream.write(head, reply.data, end)

    async def _interrupt(self, stream: PacketStream, head: bytes, data: bytes, fault: Fault) -> None:
        """Send half of the data, then close the connection or send nothing more."""
        await stream.write(head, data[: len(data) // 2])
        if fault.kind is Kind.STALL_MID_DATA:
            await stream.wait_closed_by_peer()
        self._drop_session(stream)
        raise ConnectionResetError
