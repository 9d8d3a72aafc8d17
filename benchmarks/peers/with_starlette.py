"""Sends frames with Starlette on uvicorn, without compression: `python -m benchmarks.peers.with_starlette`."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks import samples


async def _websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    seq = 0
    try:
        while True:
            seq += 1
            await websocket.send_bytes(samples.message(seq))
            await asyncio.sleep(0)
    except WebSocketDisconnect:
        pass


def main() -> None:
    """Serve until the process is ended."""
    app = Starlette(routes=[WebSocketRoute("/", _websocket)])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    config = uvicorn.Config(app, loop="asyncio", ws_per_message_deflate=False, log_level="critical", lifespan="off")
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
