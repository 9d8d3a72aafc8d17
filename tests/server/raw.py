"""A client that can violate the WebSocket protocol. It builds frames itself and reads replies with wsproto."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Self
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from tests.support.rig import REPLY_S, Json, Server
from tests.support.wire import fresh_address

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_MASK = b"\x37\xfa\x21\x3d"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A valid or invalid frame, encoded as a client sends it."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = struct.pack(">BB", first, bit | size)
    elif size < 65536:
        head = struct.pack(">BBH", first, bit | 126, size)
    else:
        head = struct.pack(">BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


class RawClient:
    """A connection to the server: only TCP if it is made with `connect`, a WebSocket connection if made with `open`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._wire = WSConnection(ConnectionType.CLIENT)
        self.pongs: list[bytes] = []
        self.close_code: int | None = None

    @classmethod
    async def connect(cls, server: Server) -> Self:
        """Connect from a new address, without a handshake."""
        host, _, port = urlsplit(server.uri).netloc.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), local_addr=fresh_address()))

    @classmethod
    async def open(cls, server: Server, *, login: bool = True) -> Self:
        """Connect, do the handshake, and log in if `login` is true."""
        client = await cls.connect(server)
        client.writer.write(client.handshake())
        assert isinstance(await client._event(), AcceptConnection)
        if login:
            client.send(frame(TEXT, json.dumps({"token": server.token}).encode()))
        return client

    def handshake(self) -> bytes:
        """The handshake request for a WebSocket."""
        return self._wire.send(Request(host="localhost", target="/"))

    def send(self, *data: bytes) -> None:
        """Send bytes unchanged."""
        for piece in data:
            self.writer.write(piece)

    async def reply(self) -> Json:
        """The next complete text message. Pongs that arrive earlier are stored in `pongs`."""
        text = ""
        while True:
            event = await self._event()
            match event:
                case TextMessage():
                    text += event.data
                    if event.message_finished:
                        value = json.loads(text)
                        assert isinstance(value, dict)
                        return value
                case Pong():
                    self.pongs.append(bytes(event.payload))
                case CloseConnection():
                    self.close_code = event.code
                    raise ConnectionResetError
                case BytesMessage() | Ping() | None:
                    continue

    async def until_pong(self, payload: bytes) -> None:
        """Read until the pong with this payload arrives. Then the server has read all data sent before the ping."""
        while payload not in self.pongs:
            match event := await self._event():
                case Pong():
                    self.pongs.append(bytes(event.payload))
                case CloseConnection():
                    self.close_code = event.code
                    raise ConnectionResetError

    async def until_closed(self) -> int | None:
        """Read until the connection ends. Returns the close code, or None if the server sent no close code."""
        try:
            while True:
                await self.reply()
        except (ConnectionError, asyncio.IncompleteReadError):
            return self.close_code

    async def close(self) -> None:
        """Abort the connection."""
        self.writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _event(self) -> Event | None:
        for event in self._wire.events():
            return event
        async with asyncio.timeout(REPLY_S):
            data = await self._reader.read(65536)
        if not data:
            raise ConnectionResetError
        self._wire.receive_data(data)
        return None if not (events := self._wire.events()) else next(iter(events), None)
