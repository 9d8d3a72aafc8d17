"""Misbehaving servers: they close the connection at any time with any code, or send damaged files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

LOGGED_IN = {
    "status": "ok",
    "message": "Authenticated",
    "protocol": 1,
    "server": "strange",
    "version": "0",
    "limits": {},
}
BINARY_HEADER = struct.Struct(">BBHIQ")

Answer = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


class Strange:
    """The address of a misbehaving server, and what the server has received."""

    def __init__(self) -> None:
        self.uri = ""
        self.token = "x"
        self.logins = 0
        self.commands: list[str] = []
        self.acks: list[int] = []


@asynccontextmanager
async def strange(answer: Answer) -> AsyncIterator[Strange]:
    """A server that accepts every login and calls `answer` for every command."""
    seen = Strange()

    async def talk(socket: ServerConnection) -> None:
        try:
            await socket.recv()
            seen.logins += 1
            await socket.send(json.dumps(LOGGED_IN))
            async for text in socket:
                message = json.loads(text)
                if "ack" in message:
                    seen.acks.append(message["ack"]["seq"])
                    continue
                seen.commands.append(message["command"])
                await answer(socket, message)
        except ConnectionClosed:
            pass

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        seen.uri = f"ws://127.0.0.1:{port}"
        yield seen


async def pong(socket: ServerConnection, message: dict[str, Any]) -> None:
    """Reply to the command as if it was a ping."""
    head = {"status": "ok", "id": message["id"], "command": message["command"]}
    await socket.send(json.dumps({**head, "message": "pong"}))


async def transfer(
    socket: ServerConnection,
    message: dict[str, Any],
    data: bytes,
    sha256: str | None = None,
    sent: int | None = None,
    lie: dict[str, Any] | None = None,
) -> None:
    """Reply to download_last_image. Then send the complete file in one chunk, and finally the digest of the file.

    `sha256` replaces the correct digest, and `lie` replaces fields of the reply. With `sent`, the server sends only the
    first `sent` bytes of the file and then closes the connection.
    """
    await socket.send(
        json.dumps(
            {
                "status": "ok", "id": message["id"], "command": message["command"], "message": "", "filename": "a.jpg",
                "mimetype": "image/jpeg", "camera_filepath": "/a.jpg", "size": len(data), "offset": 0,
                "length": len(data), "eof": True, "transfer": 1, "chunk_bytes": 65536,
                **(lie or {}),
            }
        )
    )  # fmt: skip
    if sent is not None:
        await socket.send(BINARY_HEADER.pack(2, 0, 1, 0, 0) + data[:sent])
        await socket.close(1001)
        return
    await socket.send(BINARY_HEADER.pack(2, 1, 1, 0, 0) + data)
    digest = sha256 or hashlib.sha256(data).hexdigest()
    await socket.send(json.dumps({"event": "transfer_complete", "transfer": 1, "size": len(data), "sha256": digest}))


async def never(socket: ServerConnection, message: dict[str, Any]) -> None:
    """Send no reply."""
    await asyncio.sleep(0)
