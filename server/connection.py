"""One client: login, command loop, replies in order, a bounded queue of events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from auth import Gate, TooManyFailures
from camera.errors import CameraError
from camera.session import Session
from protocol import closing
from protocol.commands import EventName, LoginReply, Payload, find
from protocol.envelope import (
    PROTOCOL_VERSION,
    Ack,
    BadRequest,
    Login,
    Request,
    RequestId,
    encode_error,
    encode_event,
    encode_in_dialect,
    encode_reply,
    parse,
)
from protocol.errors import RequestError
from server import limits
from server.frame_slot import FrameSlot
from server.streaming import Placeholder
from server.viewer import FrameConnection

_log = logging.getLogger("server.connection")

# Events wait here for a client that is slow; one that is slower than that is gone.
_EVENTS = 256
_FLOOD = 200
# Bytes; the answers to a burst of mistakes are half of it.
_UNSENT_REFUSALS = 512 * 1024

Outgoing = bytes | AsyncIterator[bytes]
Handler = Callable[["Call", Any], Awaitable[BaseModel | None]]


class House(Protocol):
    """What a client needs of the server it is connected to."""

    gate: Gate
    handlers: dict[str, Handler]
    version: str

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that outlives the connection."""

    def full(self) -> bool:
        """Whether as many clients are logged in as may be."""


class Closing(Exception):
    """The connection has to end, with this close code."""

    def __init__(self, code: int, reason: str, error: RequestError | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.error = code, reason, error


class Call:
    """One command under way: who asked, and how to answer."""

    def __init__(self, client: Client, request: Request) -> None:
        self.client = client
        self.request = request
        self._answered = False

    async def reply(self, reply: BaseModel) -> None:
        """Answer now; returns when the answer was handed to the socket."""
        message = encode_reply(reply, self.request)
        self._answered = True
        await self.client.send(message)

    async def reply_with(self, reply: BaseModel, picture: Placeholder) -> None:
        """Answer with one text message in which the placeholder's text gives way to its picture."""
        message = encode_reply(reply, self.request)
        self._answered = True
        await self.client.send(picture.fill(message))

    def begin_reply_with(self, reply: BaseModel, picture: Placeholder) -> BegunReply:
        """The same for a picture that is here before the rest is known: it goes on its way at once."""
        whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answered = True
        sending = self.client.send(picture.fill(encode_reply(reply, self.request), whole))
        return BegunReply(self.request, picture, whole, self.client.keep(_quietly(sending)))

    async def run(self, handler: Handler, payload: Payload) -> None:
        """Carry out the command and answer it exactly once."""
        try:
            reply = await handler(self, payload)
            if reply is not None:
                await self.reply(reply)
        except RequestError as error:
            await self._fail(error)
        except CameraError as error:
            await self._fail(RequestError.from_camera(error))
        except ConnectionClosed:
            raise
        except Exception:
            _log.exception("%s: %s failed", self.client.name, self.request.command)
            await self._fail(RequestError("internal_error", "The server made a mistake; its log says which."))

    async def _fail(self, error: RequestError) -> None:
        _log.info("%s: %s: %s: %s", self.client.name, self.request.command, error.code, error.message[:200])
        if not self._answered:
            await self.client.send(encode_error_to(self.request, error))


class Abandoned(Exception):
    """A reply that was begun has no end."""


class BegunReply:
    """A reply whose picture is on its way."""

    def __init__(
        self, request: Request, picture: Placeholder, whole: asyncio.Future[bytes], sending: asyncio.Task[None]
    ) -> None:
        self.picture = picture
        self._request, self._whole, self._sending = request, whole, sending

    async def finish(self, reply: BaseModel) -> None:
        """Say the rest; returns when the socket has taken it or the client is gone."""
        self._whole.set_result(encode_reply(reply, self._request))
        await asyncio.wait((self._sending,))

    def abandon(self) -> None:
        """There is no rest: the connection ends in the middle of the message, so that nobody takes it for whole."""
        self._whole.set_exception(Abandoned())


def encode_error_to(request: Request, error: RequestError) -> bytes:
    """An error in the language of the request."""
    return encode_error(error, request.id, request.command, dialect=request.dialect is not None)


class Client:
    """A connected client.

    Attributes:
        selected: the camera that its commands are for.
        subscribed: events it asked for.
        streams: its live-view streams, by number, with the camera each shows.
        logged_in: whether it sent the right token.
        since: when it connected, by the loop's clock, in seconds.
        leaving: whether its connection is over or being closed; it can no longer be turned away.
    """

    def __init__(self, socket: FrameConnection, house: House, number: int) -> None:
        self.socket = socket
        self.selected: Session | None = None
        self.subscribed: set[EventName] = set()
        self.streams: dict[int, tuple[Session, FrameSlot]] = {}
        self.logged_in = False
        self.leaving = False
        self.since = asyncio.get_running_loop().time()
        self._house = house
        self.address = socket.address
        self.name = f"client {number} ({self.address})"
        self._events: asyncio.Queue[bytes] = asyncio.Queue(_EVENTS)
        self._ordered: asyncio.Queue[Coroutine[Any, Any, None] | None] = asyncio.Queue()
        self._working = False
        self._pending = 0
        self._bucket = limits.TokenBucket(limits.COMMANDS_A_SECOND, limits.COMMANDS_BURST)
        self._acks = limits.TokenBucket(limits.ACKS_A_SECOND, limits.ACKS_A_SECOND / 2)
        self._refused = 0
        self._transfers = 0
        self._unsent_refusals = 0
        self._stay = asyncio.timeout(None)  # ends early for those that are turned away

    # -- life

    async def serve(self, bearer: str | None) -> None:
        """Speak with the client until it leaves; `bearer` is the token of its handshake, if it sent one."""
        events = asyncio.create_task(self._write_events(), name=f"{self.name} events")
        self._house.keep(self._work_in_order())
        try:
            await self._enter(bearer)
            _log.info("%s: logged in", self.name)
            async for text in self.socket:
                await self._take(text)
        except Closing as end:
            self.leaving = True
            _log.info("%s: closed with %d, %s", self.name, end.code, end.reason)
            if end.error is not None:
                with suppress(ConnectionClosed, TimeoutError):
                    async with asyncio.timeout(2):
                        await self.send(encode_error(end.error))
            await self.socket.close(end.code, end.reason)
        except ConnectionClosed:
            pass
        finally:
            self.leaving = True
            self.logged_in = False
            for _, slot in self.streams.values():
                slot.close()
            for session, slot in self.streams.values():
                session.live.remove(slot)
            self.streams.clear()
            events.cancel()
            await asyncio.wait((events,))
            self._drop_what_has_not_begun()
            _log.info("%s: gone", self.name)

    def turn_away(self) -> None:
        """Have a client leave that has not logged in; others need its place."""
        self._stay.reschedule(asyncio.get_running_loop().time())
        self.leaving = True

    async def _enter(self, bearer: str | None) -> None:
        try:
            async with self._stay:
                if bearer is not None:
                    await self._check(bearer)
                    self._join()
                else:
                    await self._login()
        except TimeoutError:
            raise Closing(closing.NO_ROOM, "too many connections that have not logged in") from None

    async def _login(self) -> None:
        try:
            async with asyncio.timeout(limits.LOGIN_SECONDS):
                text = await self.socket.recv()
        except TimeoutError:
            raise Closing(
                closing.LOGIN_TIMEOUT, "no login in time", _unauthorized("Send the token within 30 s.")
            ) from None
        try:
            message = parse(text)
        except BadRequest as error:
            raise Closing(closing.NO_LOGIN, "not a login", _unauthorized(error.message)) from None
        if not isinstance(message, Login):
            raise Closing(
                closing.NO_LOGIN, "not a login", _unauthorized('The first message has to be {"token": "..."}.')
            )
        await self._accept(message)

    async def _accept(self, login: Login) -> None:
        await self._check(login.token)
        if login.protocol is not None and login.protocol != PROTOCOL_VERSION:
            raise Closing(
                closing.UNSUPPORTED_PROTOCOL,
                "unsupported protocol",
                RequestError(
                    "unsupported_protocol",
                    f"This server speaks protocol {PROTOCOL_VERSION}.",
                    supported=[PROTOCOL_VERSION],
                ),
            )
        self._join()
        if login.protocol is not None:
            reply = LoginReply(
                protocol=PROTOCOL_VERSION,
                server="gphoto-ws-server",
                version=self._house.version,
                limits=limits.ALL,
            )
            await self.send(encode_reply(reply, Request("", {})))

    def _join(self) -> None:
        if not self.logged_in and self._house.full():
            raise Closing(closing.NO_ROOM, "too many connections")
        self.logged_in = True

    async def _check(self, token: str) -> None:
        try:
            right = await self._house.gate.opens(token, self.address)
        except TooManyFailures:
            error = RequestError("rate_limited", "Too many wrong tokens from this address. Wait a minute.")
            raise Closing(closing.FLOOD, "too many wrong tokens", error) from None
        if not right:
            raise Closing(closing.WRONG_TOKEN, "wrong token", _unauthorized(None))

    # -- in

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
                elif stream in self.streams:
                    self.streams[stream][1].acknowledge(seq)
            case Login():
                await self._accept(message)
            case Request():
                self._dispatch(message)

    def _refuse(self, problem: BadRequest, request_id: RequestId | None, command: str | None) -> None:
        error: RequestError = problem
        try:
            self._count()
        except RequestError as limited:
            error = limited
        self._queue_refusal(request_id, encode_error(error, request_id, command, dialect=problem.photonic))

    def _count(self) -> None:
        """Count one message against the rate.

        Raises:
            RequestError: too many a second.
            Closing: and no end of it.
        """
        if not self._bucket.take():
            self._note_refusal()
            rate = limits.COMMANDS_A_SECOND
            raise RequestError("rate_limited", f"More than {rate} commands a second. Send fewer.", per_second=rate)

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
                    "too_many_pending", f"{most} commands are under way. Wait for replies first.", limit=most
                )
            command = find(request.command)
            payload = command.validate(request.payload)
        except RequestError as error:
            self._queue_refusal(_order(request), encode_error_to(request, error))
            return
        # One step back for each that is carried out: a flood does not hide behind those that still pass.
        self._refused = max(0, self._refused - 1)
        self._pending += 1
        self._queue(_order(request), self._carry_out(request, payload))

    def _queue(self, request_id: RequestId | None, work: Coroutine[Any, Any, None]) -> None:
        """With an id at once, without one in the order of asking. Begun work outlives the connection."""
        if request_id is None:
            self._ordered.put_nowait(work)
        else:
            self._house.keep(_quietly(work))

    def _queue_refusal(self, request_id: RequestId | None, message: bytes) -> None:
        # They cost memory as long as they are not taken, and nothing else holds back who makes mistakes only.
        self._unsent_refusals += len(message)
        if self._unsent_refusals > _UNSENT_REFUSALS:
            raise Closing(closing.FLOOD, "flood", None)
        self._queue(request_id, self._send_refusal(message))

    async def _send_refusal(self, message: bytes) -> None:
        try:
            await self.send(message)
        finally:
            self._unsent_refusals -= len(message)

    async def _work_in_order(self) -> None:
        while (work := await self._ordered.get()) is not None:
            self._working = True
            await _quietly(work)
            self._working = False

    def _drop_what_has_not_begun(self) -> None:
        """End the worker after the command under way.

        A command that had nothing before it counts as begun, even where the client was gone before the worker's
        turn: whether a shot is taken must not hang on that.
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
            await Call(self, request).run(self._house.handlers[request.command], payload)
        finally:
            self._pending -= 1

    # -- out

    async def send(self, message: Outgoing, *, text: bool = True) -> None:
        """Send one message; returns when the socket has taken it. Pieces of one message are never mixed with others.

        Raises:
            ConnectionClosed: the client is gone.
        """
        await self.socket.send(message, text=text)

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that outlives the connection."""
        return self._house.keep(work)

    def tell(self, name: str, values: dict[str, Any]) -> None:
        """Send an event, without waiting. A client that lets 256 of them pile up is dropped."""
        self._tell(encode_event(name, values))

    def tell_in_dialect(self, kind: str, values: dict[str, Any]) -> None:
        """The same for a frontend that speaks the Photonic dialect."""
        self._tell(encode_in_dialect(kind, values))

    def _tell(self, message: bytes) -> None:
        try:
            self._events.put_nowait(message)
        except asyncio.QueueFull:
            if not self.leaving:
                self.drop()

    def drop(self) -> None:
        """Close with 4413 a client that does not read, and abort when even that cannot be sent."""
        self._house.keep(self._drop())

    async def _drop(self) -> None:
        _log.warning("%s: does not read; dropped", self.name)
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(2):
                await self.socket.close(closing.DOES_NOT_READ, "does not read")
        self.socket.transport.abort()

    async def _write_events(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self.send(await self._events.get())

    # -- what handlers ask of it

    def new_stream(self) -> int:
        """A free stream number.

        Raises:
            RequestError: this connection has as many streams as it may.
        """
        for number in range(1, limits.STREAMS + 1):
            if number not in self.streams:
                return number
        raise RequestError(
            "too_many_pending", f"This connection has {limits.STREAMS} streams. Stop one first.", limit=limits.STREAMS
        )

    def new_transfer(self) -> int:
        """The number of the next binary transfer on this connection."""
        self._transfers = self._transfers % 65535 + 1
        return self._transfers


def _order(request: Request) -> RequestId | None:
    """What decides whether a command may overtake: the Photonic seed answers in order, whatever the requestId."""
    return request.id if request.dialect is None else None


def _unauthorized(reason: str | None) -> RequestError:
    return RequestError("unauthorized", "Unauthorized", reason=reason)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(ConnectionClosed, Abandoned):
        await work
