"""The PTP session of one camera: runs operations and applies faults. It is the same on every transport."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn, Protocol

from .body import Body
from .dialect import Dialect
from .faults import BEFORE_OPERATION, IN_DATA, ON_REPLY, Faults, Kind
from .mutation import Framing
from .ptp import Reply, Request, ResponseCode

log = logging.getLogger(__name__)

GARBAGE = b"\xde\xad\xbe\xef" * 16
"""In the header of a packet this is an invalid length, so the driver always fails in the same way."""

_GET_DEVICE_INFO, _OPEN_SESSION, _CLOSE_SESSION = 0x1001, 0x1002, 0x1003


class Transport(Protocol):
    """What carries the replies of a session to the host. `send` and `send_raw` return when the host can read it."""

    @property
    def framing(self) -> Framing:
        """How this transport frames replies."""

    async def send(self, transaction: int, reply: Reply) -> None:
        """Send a reply: its data, if it has data, and its response."""

    async def send_half(self, transaction: int, data: bytes, then: Kind) -> NoReturn:
        """Send half of ``data``, and then do what the fault ``then`` describes.

        Raises:
            ConnectionResetError: The connection was closed.
        """

    async def send_raw(self, pieces: Iterable[bytes]) -> None:
        """Send bytes that need not be a correct reply."""

    def drop(self) -> None:
        """Close the connection to the host."""


class Session:
    """Runs the operations of a camera. ``operations`` counts them by code."""

    def __init__(self, body: Body, dialect: Dialect, faults: Faults) -> None:
        """Run operations of ``dialect`` on ``body``. No session is open."""
        self.body = body
        self.dialect = dialect
        self.faults = faults
        self.operations: Counter[int] = Counter()
        self._open = False

    def end(self) -> None:
        """Drop what belongs to the session: events, live view, pictures in RAM. May be called more than once."""
        self._open = False
        self.dialect.session_ended()

    async def answer(self, request: Request, transport: Transport) -> None:
        """Run an operation and send its reply, or do what a fault describes.

        Raises:
            ConnectionResetError: A fault has closed the connection.
        """
        operation, transaction = request.operation, request.transaction
        self.operations[operation] += 1
        fault = self.faults.take(BEFORE_OPERATION, operation)
        if fault:
            log.info("%s: fault %s at operation 0x%04x", self.body.identity.serial, fault.kind, operation)
        match fault and fault.kind:
            case Kind.SILENT:
                if fault and fault.execute:
                    await self._run(request)
                return
            case Kind.DROP:
                transport.drop()
                raise ConnectionResetError
            case Kind.GARBAGE:
                await transport.send_raw([GARBAGE])
                return
            case Kind.CODE | Kind.BUSY if fault:
                if fault.execute:
                    await self._run(request)
                await transport.send(transaction, Reply(fault.code))
                return
            case Kind.LATE if fault:
                reply = await self._run(request)
                await asyncio.sleep(fault.seconds)
            case _:
                reply = await self._run(request)
        await self._send(request, reply, transport)

    async def _run(self, request: Request) -> Reply:
        operation, serial = request.operation, self.body.identity.serial
        handler = self.dialect.operations.get(operation)
        if not handler:
            log.info("%s: operation 0x%04x is not supported", serial, operation)
            return Reply(ResponseCode.OPERATION_NOT_SUPPORTED)
        name, parameters = self.dialect.names.get(operation, ""), " ".join(f"{one:x}" for one in request.parameters)
        log.debug("%s: 0x%04x %s %s", serial, operation, name, parameters)
        if operation == _OPEN_SESSION:
            if self._open:
                return Reply(ResponseCode.SESSION_ALREADY_OPEN)
            self._open = True
        elif not self._open and operation != _GET_DEVICE_INFO:
            return Reply(ResponseCode.SESSION_NOT_OPEN)
        reply = await handler(request)
        if operation == _CLOSE_SESSION:
            self.end()
        return reply

    async def _send(self, request: Request, reply: Reply, transport: Transport) -> None:
        mutation = self.faults.take(ON_REPLY, request.operation)
        if mutation and mutation.mutator:
            mutated = mutation.mutator.mutated(request.operation, request.transaction, reply, transport.framing)
            if mutated is not None:
                await transport.send_raw(mutated)
                return
        if reply.data is not None and (fault := self.faults.take(IN_DATA, request.operation)):
            await transport.send_half(request.transaction, reply.data, fault.kind)
        await transport.send(request.transaction, reply)
