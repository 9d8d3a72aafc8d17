"""The server's WebSocket side as an echo, for conformance suites: `python -m tests.conformance.echo PORT`.

Everything that `App` sets on its sockets stays, its limits of size and its own connection class included; only what
is said on them is another thing, since such suites want their own words back.
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
    """Sends back each message as it came."""

    async def _serve(self, connection: ServerConnection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass


async def main(port: int) -> None:
    """Serve until the process is ended."""
    parts = build(Access("unused"), (), SessionOptions())
    app = Echo(parts.service, parts.admission)
    print(await app.start("127.0.0.1", port), flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await app.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
