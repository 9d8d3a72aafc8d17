"""A logged-in connection that sends commands with ids, and checks that each command gets exactly one reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.soak.world import World
from tests.support.rig import TOKEN

Json = dict[str, Any]
_RECONNECT_S = 0.3
_CLOSE_S = 2.0


class ErrorReply(Exception):
    """An error reply."""

    def __init__(self, reply: Json) -> None:
        super().__init__(f"{reply.get('code')}: {reply.get('message')}")
        self.code = str(reply.get("code"))


class ConnectionCut(Exception):
    """The connection ended before the reply arrived."""


class Connection:
    """One connection. `on_event` and `on_binary` receive the messages that are not replies."""

    def __init__(self, socket: ClientConnection, world: World, name: str) -> None:
        self.name = name
        self.on_event: Callable[[Json], None] = lambda event: None
        self.on_binary: Callable[[bytes], None] = lambda message: None
        self.ended = asyncio.Event()
        self._socket = socket
        self._world = world
        self._restarts = world.server.restarts
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._number = 0
        self._leaving = False
        self._reading = asyncio.create_task(self._read(), name=f"soak {name}")

    @classmethod
    async def connect(cls, world: World, name: str) -> Self | None:
        """Connect and log in. Retries while the server is down. Returns None if the run is stopping."""
        while not world.stopping:
            restarts, listened = world.server.restarts, world.server.listening
            try:
                socket = await connect(world.server.uri, max_size=None, close_timeout=_CLOSE_S, ping_timeout=None)
                await socket.send(json.dumps({"token": TOKEN}))
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError) as error:
                if restarts == world.server.restarts and listened:
                    world.journal.violation(f"{name} could not connect: {error!r}")
                await asyncio.sleep(_RECONNECT_S)
                continue
            world.journal.count("connections")
            return cls(socket, world, name)
        return None

    async def ask(self, command: str, within: float, **payload: Any) -> Json:
        """Send a command and return its reply.

        Raises:
            ErrorReply: the reply is an error.
            ConnectionCut: the connection ended before the reply arrived.
            TimeoutError: no reply arrived within `within` seconds.
        """
        reply = await self.send(command, **payload)
        async with asyncio.timeout(within):
            answer = await reply
        if answer["status"] == "error":
            raise ErrorReply(answer)
        return answer

    async def send(self, command: str, **payload: Any) -> asyncio.Future[Json]:
        """Send a command, and return a future for its reply."""
        self._number += 1
        reply = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        with suppress(ConnectionClosed):
            await self.send_message({"command": command, "payload": payload, "id": self._number})
        if self.ended.is_set() and not reply.done():
            reply.set_exception(ConnectionCut())
            reply.exception()  # prevents a warning of asyncio if the caller is cancelled and does not await the future
        return reply

    async def send_message(self, message: Json) -> None:
        """Send a message that gets no reply. Raises ConnectionClosed if the connection has ended."""
        await self._socket.send(json.dumps(message))

    async def close(self) -> None:
        """Close the connection with the closing handshake."""
        self._leaving = True
        await self._socket.close()
        await asyncio.wait((self._reading,))

    async def drop_connection(self) -> None:
        """End the connection without a close frame, as when a cable is cut."""
        self._leaving = True
        self._socket.transport.abort()
        await asyncio.wait((self._reading,))

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if isinstance(message, bytes):
                    self.on_binary(message)
                else:
                    self._handle(json.loads(message))
        except ConnectionClosed as closed:
            self._report_end(repr(closed))
        else:
            self._report_end("closed in good order")
        finally:
            self.ended.set()
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(ConnectionCut())
                    reply.exception()  # prevents a warning of asyncio, as in send()

    def _handle(self, message: Json) -> None:
        if "event" in message:
            self.on_event(message)
            return
        reply = self._waiting.pop(message.get("id", -1), None)
        if reply is None:
            self._world.journal.violation(f"{self.name} got a reply without a request: {str(message)[:200]}")
        elif not reply.done():
            reply.set_result(message)

    def _report_end(self, how: str) -> None:
        if not self._leaving and self._restarts == self._world.server.restarts:
            self._world.journal.violation(f"the server dropped {self.name}: {how}")
