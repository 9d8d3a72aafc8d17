"""One client: sends messages to it and closes its connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from protocol import closing
from protocol.envelope import encode_error, encode_event, encode_in_dialect
from protocol.errors import RequestError
from server import limits
from server.frame_connection import FrameConnection
from server.outbox import Outbox
from server.visits import Visits
from service.caller import Caller, Notice

_log = logging.getLogger("server.client")

_CLOSE_TIMEOUT_S = 2.0

Outgoing = bytes | AsyncIterator[bytes]
Keep = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Closing(Exception):
    """The connection must be closed with this code."""

    def __init__(self, code: int, reason: str, error: RequestError | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.error = code, reason, error


class Client:
    """A connected client.

    Attributes:
        keep: runs a task that may continue after the connection has ended.
        caller: represents the client in the service.
        logged_in: whether the client has sent the correct token.
        since: when the client connected, in seconds of the loop's clock.
        login_timeout: cancels the login when the client is evicted. It has no deadline before that.
        leaving: whether the connection is closed or will be closed soon. The client is then not evicted any more.
    """

    def __init__(self, socket: FrameConnection, keep: Keep, number: int, visits: Visits) -> None:
        self.socket = socket
        self.keep = keep
        self.caller = Caller(self._forward)
        self.logged_in = False
        self.leaving = False
        self.since = asyncio.get_running_loop().time()
        self.login_timeout = asyncio.timeout(None)
        self.address = socket.address
        self.name = f"client {number} ({self.address})"
        self._visits = visits
        self._events = Outbox(limits.EVENT_BYTES)
        self._transfers = 0

    # -- sending

    async def send(self, message: Outgoing) -> None:
        """Send one text message; returns when the socket has accepted it. Fragments of messages are never interleaved.

        Raises:
            ConnectionClosed: the client has disconnected.
        """
        await self.socket.send(message, text=True)

    def notify(self, name: str, values: dict[str, Any]) -> None:
        """Queue an event."""
        self._put(encode_event(name, values))

    def notify_in_dialect(self, kind: str, values: dict[str, Any]) -> None:
        """Queue an event for a frontend that uses the Photonic dialect."""
        self._put(encode_in_dialect(kind, values))

    def _forward(self, notice: Notice) -> None:
        self._put(notice.message, notice.about)

    def _put(self, message: bytes, about: Hashable | None = None) -> None:
        """Queue an event. Drops the client if too many bytes are waiting."""
        if not self.leaving and not self._events.put(message, about):
            self.drop(f"more than {limits.EVENT_BYTES} bytes of events are waiting")

    async def write_events(self) -> None:
        """Send the queued events until the client disconnects."""
        with suppress(ConnectionClosed):
            while True:
                await self.send(await self._events.get())

    # -- numbers

    def new_transfer(self) -> int:
        """The number of the next binary transfer on this connection, 1 to 65535."""
        self._transfers = self._transfers % 65535 + 1
        return self._transfers

    # -- closing

    def log(self, words: str) -> None:
        """Log a message about the client. The rate of messages about clients without a login is limited."""
        if self.logged_in:
            _log.info("%s: %s", self.name, words)
        else:
            self._visits.note(self.address, words)

    def evict(self) -> None:
        """Close the connection of a client without a login, because other clients need its place."""
        self.login_timeout.reschedule(asyncio.get_running_loop().time())
        self.leaving = True

    async def close(self, end: Closing) -> None:
        """Close the connection, and send the reason to the client."""
        self.leaving = True
        self.log(f"closed with {end.code}, {end.reason}")
        if end.error is not None:
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self.send(encode_error(end.error))
        await self.socket.close(end.code, end.reason)

    def drop(self, why: str) -> None:
        """Close the connection with 4413, because the client does not read. Abort it after 2 s at the latest.

        Does nothing if the connection is already being closed.
        """
        if not self.leaving:
            self.leaving = True
            _log.warning("%s: dropped because it does not read (%s)", self.name, why)
            self.keep(self._drop())

    async def _drop(self) -> None:
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.socket.close(closing.DOES_NOT_READ, "does not read")
        self.socket.transport.abort()

    def left(self) -> None:
        """Called after the connection has ended.

        The client no longer counts as logged in, and its streams end.
        """
        self.leaving = True
        self.logged_in = False
        self.caller.leave()
