"""Sends a file for each request, either as one JSON message or with sendfile (the kernel copies the bytes).

`python -m benchmarks.peers.whole_file MEGABYTES json|sendfile`. "json" uses a WebSocket of the library `websockets`,
which the server also uses; each message from the client is a request. "sendfile" uses a plain socket; any bytes from
the client are a request.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from benchmarks import samples


async def _json(descriptor: int, size: int) -> None:
    async def answer(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                picture = base64.b64encode(os.pread(descriptor, size, 0)).decode()
                await connection.send(json.dumps({"status": "ok", "filename": "IMG_0001.JPG", "image_b64": picture}))

    async with serve(answer, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Event().wait()


def _sendfile(descriptor: int, size: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            with sock:
                while sock.recv(65536):
                    offset = 0
                    while offset < size:
                        offset += os.sendfile(sock.fileno(), descriptor, offset, size - offset)


def main(megabytes: int, how: str) -> None:
    """Serve until the process is ended."""
    size = megabytes * 1_000_000
    descriptor = samples.file(size)
    if how == "json":
        asyncio.run(_json(descriptor, size))
    else:
        _sendfile(descriptor, size)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
