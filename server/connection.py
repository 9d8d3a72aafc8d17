"""One connection: its login, its commands (in order or concurrently), and its rate limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

from protocol import closing
from protocol.catalogue import find
from protocol.commands import Payload
from protocol.envelope import Ack, BadRequest, Login, Request, RequestId, encode_error, parse
from protocol.errors import RequestError
from server import limits, login
from server.admission import Admission
from server.answer_writer import AnswerWriter, error_message, until_disconnected
from server.client import Client, Closing
from server.frame_slot import FrameSlot
from service.commands import Service

_log = logging.getLogger("server.connection")

_FLOOD = 200
# Limit in bytes for error replies that wait to be sent. The replies to a burst of COMMANDS_BURST invalid messages need
# half of this limit.
_UNSENT_REFUSALS = 512 * 1024


class Connection:
    """Reads the messages of one client and handles them."""

    def __init__(self, client: Client, admission: Admission, service: Service) -> None:
        self._client = client
        self._admission = admission
        self._service = service
        self._ordered: asyncio.Queue[Coroutine[Any, Any, None] | None] = asyncio.Queue()
        self._working = False
        self._pending = 0
        self._bucket = limits.TokenBucket(limits.COMMANDS_A_SECOND, limits.COMMANDS_BURST)
        self._acks = limits.TokenBucket(limits.ACKS_A_SECOND, limits.ACKS_A_SECOND / 2)
        self._refused = 0
        self._unsent_refusals = 0

    async def serve(self, bearer: str | None) -> None:
        """Serve the client until it disconnects; `bearer` is the token from its handshake, if any."""
        client = self._client
        events = asyncio.create_task(client.write_events(), name=f"{client.name} events")
        client.keep(self._work_in_order())
        try:
            await login.enter(client, self._admission, self._service, bearer)
            _log.info("%s: logged in", client.name)
            async for text in client.socket:
                await self._take(text)
        except Closing as end:
            await client.close(end)
        except ConnectionClosed:
            if not client.logged_in:
                client.log("disconnected before its login")
        finally:
            if client.logged_in:
                client.log("disconnected")
            client.left()
            events.cancel()
            await asyncio.wait((events,))
            self._discard_waiting()

    # -- incoming messages

    async def _take(self, text: str | bytes) -> None:
        try:
            message = parse(text)
        except BadRequest as error:
            self._refuse(error, error.id, error.command)
            return
        match message:
            case Ack(stream, seq):
                if not self._acks.take():
                    self._note_refusal()
                else:
                    self._acknowledge(stream, seq)
            case Login():
                await login.accept(self._client, self._admission, self._service, message)
            case Request():
                self._dispatch(message)

    def _acknowledge(self, number: int, seq: int) -> None:
        stream = self._client.caller.streams.get(number)
        if stream is not None and isinstance(stream.viewer, FrameSlot):
            stream.viewer.acknowledge(seq)

    def _refuse(self, problem: BadRequest, request_id: RequestId | None, command: str | None) -> None:
        error: RequestError = problem
        try:
            self._count()
        except RequestError as limited:
            error = limited
        self._queue_refusal(request_id, encode_error(error, request_id, command, dialect=problem.photonic))

    def _count(self) -> None:
        """Apply the rate limit to one message.

        Raises:
            RequestError: there were too many messages in a second.
            Closing: too many messages were rejected.
        """
        if not self._bucket.take():
            self._note_refusal()
            rate = limits.COMMANDS_A_SECOND
            raise RequestError("rate_limited", f"More than {rate} commands per second. Send fewer.", per_second=rate)

    def _note_refusal(self) -> None:
        self._refused += 1
        if self._refused > _FLOOD:
            raise Closing(closing.FLOOD, "flood", None)

    def _dispatch(self, request: Request) -> None:
        try:
            self._count()
            if self._pending >= limits.PENDING_COMMANDS:
                self._note_refusal()
                most = limits.PENDING_COMMANDS
                raise RequestError(
                    "too_many_pending", f"{most} commands are in progress. Wait for replies first.", limit=most
                )
            command = find(request.command)
            payload = command.validate(request.payload)
        except RequestError as error:
            self._queue_refusal(_order(request), error_message(request, error))
            return
        # Each accepted command reduces the count of rejected messages only by one, so that a flood is detected even if
        # some of its commands are accepted.
        self._refused = max(0, self._refused - 1)
        self._pending += 1
        self._queue(_order(request), self._carry_out(request, payload))

    # -- processing

    def _queue(self, request_id: RequestId | None, work: Coroutine[Any, Any, None]) -> None:
        """Run a request. A request with an id starts at once. Requests without an id run one after the other.

        Work that has started continues after the client has disconnected.
        """
        if request_id is None:
            self._ordered.put_nowait(work)
        else:
            self._client.keep(until_disconnected(work))

    def _queue_refusal(self, request_id: RequestId | None, message: bytes) -> None:
        # If a client sends only invalid messages below the rate limit and reads no replies, no other limit applies to
        # the memory of its waiting error replies.
        self._unsent_refusals += len(message)
        if self._unsent_refusals > _UNSENT_REFUSALS:
            raise Closing(closing.FLOOD, "flood", None)
        self._queue(request_id, self._send_refusal(message))

    async def _send_refusal(self, message: bytes) -> None:
        try:
            await self._client.send(message)
        finally:
            self._unsent_refusals -= len(message)

    async def _work_in_order(self) -> None:
        while (work := await self._ordered.get()) is not None:
            self._working = True
            await until_disconnected(work)
            self._working = False

    def _discard_waiting(self) -> None:
        """Discard the waiting commands, and end the worker after the command in progress.

        The first waiting command is still run, even if the client disconnected before the worker could start it.
        Otherwise, the timing of the disconnection would decide whether a shot is taken.
        """
        waiting = [self._ordered.get_nowait() for _ in range(self._ordered.qsize())]
        if waiting and not self._working:
            self._ordered.put_nowait(waiting.pop(0))
        for work in waiting:
            if work is not None:
                work.close()
        self._ordered.put_nowait(None)

    async def _carry_out(self, request: Request, payload: Payload) -> None:
        try:
            await AnswerWriter(self._client, self._service, request).run(payload)
        finally:
            self._pending -= 1


def _order(request: Request) -> RequestId | None:
    """The id of a request that may run at the same time as others; None if it must run in order.

    Requests of the Photonic protocol always run in order, even if they have a requestId.
    """
    return request.id if request.dialect is None else None
