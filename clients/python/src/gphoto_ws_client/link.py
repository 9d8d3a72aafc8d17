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
from gphoto_ws_client.decode import number_in, parse_message
from gphoto_ws_client.errors import ConnectionLost, UnexpectedReply, from_reply
from gphoto_ws_client.login import Address, log_in, why_lost

_log = logging.getLogger("gphoto_ws_client")

# Messages that nobody understands, on one connection.
_MOST_LOGGED = 10

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

    def complete(self, sha256: str) -> None:
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

    def __init__(self, socket: ClientConnection, on_event: Callable[[Json], None], max_size: int) -> None:
        self.lost: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        self.selected: str | None = None
        self.streams: dict[int, StreamSink] = {}
        self.transfers: dict[int, TransferSink] = {}
        self._socket = socket
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Json], Claim | None]] = {}
        self._last_words = ""
        self._skipped = 0
        self._max_size = max_size
        self._reader = asyncio.create_task(self._read(), name="gphoto-ws reader")

    @classmethod
    async def open(cls, address: Address, on_event: Callable[[Json], None]) -> Link:
        """Connect and log in.

        Raises:
            Unauthorized: the token is wrong.
            RequestRefused: too many wrong tokens, or another protocol.
            ConnectionFailed: nobody answers there, or not as this server does.
        """
        return cls(await log_in(address), on_event, address.max_size)

    async def request(self, command: str, payload: Mapping[str, Any], claim: Claim | None = None) -> Json:
        """Send a command; its reply.

        Args:
            command: its name.
            payload: its arguments.
            claim: called with the reply before the next message is looked at, to take what follows it; raises
                UnexpectedReply where the reply does not say what.

        Raises:
            ServerError: an error reply.
            UnexpectedReply: a reply that is neither good nor an error, or that was not to be claimed.
            NotSent: the connection was lost before.
            ConnectionLost: it was lost meanwhile.
        """
        if self.lost.done() or self._socket.state is not State.OPEN:
            raise NotSent("The connection to the server was lost.")
        number = next(self._ids)
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (waiting, claim)
        try:
            with suppress(ConnectionClosed):  # the reader tells why
                await self._socket.send(json.dumps({"command": command, "payload": payload, "id": number}))
            reply = await waiting
        finally:
            self._waiting.pop(number, None)
        if reply.get("status") == "ok":
            return reply
        if reply.get("status") == "error":
            raise from_reply(reply)
        raise UnexpectedReply(f"The server's answer to {command} has no status.")

    async def close(self) -> None:
        """Leave; returns when the connection is closed."""
        await self._socket.close()
        await asyncio.wait((self._reader,))

    async def _read(self) -> None:
        lost = ConnectionLost("The connection to the server was lost.")
        try:
            while True:
                message = await self._socket.recv()
                try:
                    if isinstance(message, bytes):
                        await self._take_binary(parse_binary(message))
                    else:
                        await self._take(parse_message(message))
                except UnexpectedReply as error:
                    self._skip(error)
        except ConnectionClosed as closed:
            lost = why_lost(closed, self._last_words, self._max_size)
        finally:
            self._end(lost)

    def _skip(self, error: UnexpectedReply) -> None:
        self._skipped += 1
        if self._skipped <= _MOST_LOGGED:
            rest = "; more of them are not logged" if self._skipped == _MOST_LOGGED else ""
            _log.warning("Skipped a message of the server%s: %s", rest, error)

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
        number = message.get("id")
        # A reply without an id is to what was no command: to a flood, to an ack.
        waiting, claim = self._waiting.get(number if type(number) is int else 0, (None, None))
        if waiting is None or waiting.done():
            if message.get("status") == "error":
                self._last_words = from_reply(message).message
            elif message.get("command") == "start_live_view":  # who asked for it is gone
                stop = {"command": "stop_live_view", "payload": {"stream": message.get("stream")}, "id": 0}
                await self._socket.send(json.dumps(stop))
            return
        try:
            if claim is not None and message.get("status") == "ok":
                claim(self, message)
        except UnexpectedReply as error:
            waiting.set_exception(error)
        else:
            waiting.set_result(message)

    def _take_event(self, message: Json) -> None:
        if message["event"] == "live_view_stopped":
            stream = self.streams.pop(number_in(message, "stream"), None)
            if stream is not None:
                reason = message.get("reason")
                stream.ended(reason if isinstance(reason, str) else "camera_error")
        if message["event"] == "transfer_complete":
            transfer = self.transfers.pop(number_in(message, "transfer"), None)
            if transfer is not None:
                transfer.complete(str(message.get("sha256")))
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
