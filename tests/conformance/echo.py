"""An echo server with the server's WebSocket code, for conformance suites: `python -m tests.conformance.echo PORT`.

The sockets are those of `App`, with the same size limits and the same connection class. Only the handling of messages
differs, because conformance suites expect that the server sends each message back.
"""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from camera.options import SessionOptions
from gphoto_ws_server import build
from server.admission import Access
from server.app import App


class Echo(App):
    """Send back each message unchanged."""

    async def _serve(self, connection: ServerConnection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass


async def main(port: int) -> None:
    """Serve until the process ends."""
    server_parts = build(Access("unused"), (), SessionOptions())
    app = Echo(server_parts.service, server_parts.admission)
    print(await app.start("127.0.0.1", port), flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await app.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
