"""One WebSocket connection: login, replies by id, and delivery of frames, pieces and events."""

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

# How many invalid messages are logged for one connection.
_MOST_LOGGED = 10

Json = dict[str, Any]
Claim = Callable[["Link", Json], None]


class StreamSink(Protocol):
    """Receives the frames of a stream."""

    def frame(self, frame: Frame) -> None:
        """Receive a frame."""

    def ended(self, reason: str) -> None:
        """Called when the server has ended the stream. `reason` is an error code."""

    def lost(self) -> None:
        """Called when the connection was lost."""


class TransferSink(Protocol):
    """Receives the pieces of a binary transfer."""

    def piece(self, piece: Piece) -> None:
        """Receive a piece."""

    def complete(self, sha256: str) -> None:
        """Called when the transfer is complete. `sha256` is the digest of all bytes."""

    def lost(self, error: ConnectionLost) -> None:
        """Called when the connection was lost."""


class NotSent(ConnectionLost):
    """The connection was lost before the command was sent. So it is safe to send the command on a new connection."""


class Link:
    """A connection after login. If it is lost, waiting requests fail, and streams and transfers are notified.

    Attributes:
        lost: completes with the reason when the connection has ended.
        selected: the port that was selected on this connection.
        streams: the receivers of frames, by stream number.
        transfers: the receivers of pieces, by transfer number.
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
            RequestRefused: too many wrong tokens, or an unsupported protocol.
            ConnectionFailed: no server answers at this address, or the server is not a gphoto-ws-server.
        """
        return cls(await log_in(address), on_event, address.max_size)

    async def request(self, command: str, payload: Mapping[str, Any], claim: Claim | None = None) -> Json:
        """Send a command and return its reply.

        Args:
            command: the name of the command.
            payload: the arguments.
            claim: called with the reply before the next message is read. It registers the receiver of the frames or
                pieces that follow, and raises UnexpectedReply for an invalid reply.

        Raises:
            ServerError: the server sent an error reply.
            UnexpectedReply: the reply is invalid.
            NotSent: the connection was lost before the command was sent.
            ConnectionLost: the connection was lost after the command was sent.
        """
        if self.lost.done() or self._socket.state is not State.OPEN:
            raise NotSent("The connection to the server was lost.")
        number = next(self._ids)
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (waiting, claim)
        try:
            with suppress(ConnectionClosed):  # `_read` passes the reason to `waiting`
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
        """Close the connection; returns when it is closed."""
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
        # An error without an id refers to a message that is not a command, for example an ack.
        waiting, claim = self._waiting.get(number if type(number) is int else 0, (None, None))
        if waiting is None or waiting.done():
            if message.get("status") == "error":
                self._last_words = from_reply(message).message
            elif message.get("command") == "start_live_view":
                # The caller no longer waits for this reply, so nobody would use the stream.
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
