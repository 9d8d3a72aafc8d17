"""One WebSocket to the server: login, replies matched by id, frames, pieces and events to whoever waits for them."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from gphoto_ws_client.binary import Frame, Piece, parse_binary
from gphoto_ws_client.errors import ConnectionLost, UnexpectedReply, from_reply
from gphoto_ws_client.login import Address, log_in, why_lost

_log = logging.getLogger("gphoto_ws_client")

Json = dict[str, Any]
Claim = Callable[["Link", Json], None]


class StreamSink(Protocol):
    """Takes the frames of one stream."""

    def frame(self, frame: Frame) -> None:
        """A frame came."""

    def ended(self, reason: str) -> None:
        """The server ended the stream; `reason` is an error code."""

    def lost(self) -> None:
        """The connection is gone."""


class TransferSink(Protocol):
    """Takes the pieces of one binary transfer."""

    def piece(self, piece: Piece) -> None:
        """A piece came."""

    def complete(self, size: int, sha256: str) -> None:
        """That was all, and this is its digest."""

    def lost(self, error: ConnectionLost) -> None:
        """The connection is gone."""


class NotSent(ConnectionLost):
    """The connection was gone before the command was sent: it is safe to send it on the next one."""


class Link:
    """A connection that is logged in. Everything that waits on it fails when it is lost.

    Attributes:
        lost: done, with the reason, once the connection has ended.
        selected: the port that was selected on this connection.
        streams: who takes the frames, by the server's number of the stream.
        transfers: who takes the pieces, by the server's number of the transfer.
    """

    def __init__(self, socket: ClientConnection, on_event: Callable[[Json], None]) -> None:
        self.lost: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        self.selected: str | None = None
        self.streams: dict[int, StreamSink] = {}
        self.transfers: dict[int, TransferSink] = {}
        self._socket = socket
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Json], Claim | None]] = {}
        self._last_words = ""
        self._reader = asyncio.create_task(self._read(), name="gphoto-ws reader")

    @classmethod
    async def open(cls, address: Address, on_event: Callable[[Json], None]) -> Link:
        """Connect and log in.

        Raises:
            Unauthorized: the token is wrong.
            RequestRefused: too many wrong tokens, or another protocol.
            ConnectionFailed: nobody answers there, or not as this server does.
        """
        return cls(await log_in(address), on_event)

    async def request(self, command: str, payload: Mapping[str, Any], claim: Claim | None = None) -> Json:
        """Send a command; its reply.

        Args:
            command: its name.
            payload: its arguments.
            claim: called with the reply before the next message is looked at, to take what follows it.

        Raises:
            ServerError: an error reply.
            NotSent: the connection was lost before.
            ConnectionLost: it was lost meanwhile.
        """
        if self.lost.done() or self._socket.state is not State.OPEN:
            raise NotSent("The connection to the server is lost.")
        number = next(self._ids)
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (waiting, claim)
        try:
            with suppress(ConnectionClosed):  # the reader tells why
                await self._socket.send(json.dumps({"command": command, "payload": payload, "id": number}))
            reply = await waiting
        finally:
            self._waiting.pop(number, None)
        if reply.get("status") != "ok":
            raise from_reply(reply)
        return reply

    async def close(self) -> None:
        """Leave; returns when the connection is closed."""
        await self._socket.close()
        await asyncio.wait((self._reader,))

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                try:
                    if isinstance(message, bytes):
                        await self._take_binary(parse_binary(message))
                    else:
                        await self._take(json.loads(message))
                except (ValueError, LookupError, AttributeError, TypeError, UnexpectedReply) as error:
                    _log.warning("a message of the server was passed over: %s", error)
        except ConnectionClosed:
            pass
        finally:
            self._end(why_lost(self._socket, self._last_words))

    async def _take_binary(self, message: Frame | Piece) -> None:
        if isinstance(message, Piece):
            if message.transfer in self.transfers:
                self.transfers[message.transfer].piece(message)
            return
        if message.stream in self.streams:
            self.streams[message.stream].frame(message)
        ack = {"ack": {"stream": message.stream, "seq": message.seq}}
        with suppress(ConnectionClosed):
            await self._socket.send(json.dumps(ack))

    async def _take(self, message: Json) -> None:
        if "event" in message:
            self._take_event(message)
            return
        waiting, claim = self._waiting.get(message.get("id", 0), (None, None))
        if waiting is None or waiting.done():
            if message.get("status") == "error":
                self._last_words = str(message.get("message", ""))
            elif message.get("command") == "start_live_view":  # who asked for it is gone
                stop = {"command": "stop_live_view", "payload": {"stream": message.get("stream")}, "id": 0}
                await self._socket.send(json.dumps(stop))
            return
        if claim is not None and message.get("status") == "ok":
            claim(self, message)
        waiting.set_result(message)

    def _take_event(self, message: Json) -> None:
        number = message.get("stream")
        if message["event"] == "live_view_stopped" and number in self.streams:
            self.streams.pop(number).ended(str(message.get("reason", "camera_error")))
        if message["event"] == "transfer_complete":
            transfer = self.transfers.pop(message["transfer"], None)
            if transfer is not None:
                transfer.complete(message["size"], message["sha256"])
            return
        self._on_event(message)

    def _end(self, reason: ConnectionLost) -> None:
        self.lost.set_result(reason)
        for waiting, _ in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(reason)
        for stream in self.streams.values():
            stream.lost()
        for transfer in self.transfers.values():
            transfer.lost(reason)
