"""Sends frames with the public API of `websockets`, the library that the server uses.

`python -m benchmarks.peers.with_websockets broadcast|json`. "broadcast" sends binary messages with broadcast(). "json"
sends JSON with base64, and encodes each frame again for each client.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from benchmarks import samples


async def _json(connection: ServerConnection) -> None:
    seq = 0
    try:
        while True:
            seq += 1
            picture = base64.b64encode(samples.frame(seq)).decode()
            event = {"event": "live_view_frame", "stream": 1, "seq": seq, "mimetype": "image/jpeg"}
            await connection.send(json.dumps({**event, "image_b64": picture}))
            await asyncio.sleep(0)  # as long as the socket accepts data, send does not let other tasks run
    except ConnectionClosed:
        pass


async def _broadcast_endlessly(connections: set[ServerConnection]) -> None:
    """Send only to clients that have received the previous message, so that no queue grows without limit."""
    seq = 0
    while True:
        ready = [connection for connection in connections if connection.transport.get_write_buffer_size() == 0]
        if ready:
            seq += 1
            broadcast(ready, samples.message(seq))
        await asyncio.sleep(0 if connections else 0.01)


async def _main(how: str) -> None:
    connections: set[ServerConnection] = set()

    async def wait(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    handler = _json if how == "json" else wait
    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        if how == "broadcast":
            await _broadcast_endlessly(connections)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
