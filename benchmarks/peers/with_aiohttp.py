"""Sends frames with aiohttp: over a WebSocket at /ws, and as MJPEG (multipart/x-mixed-replace over HTTP) at /mjpeg.

`python -m benchmarks.peers.with_aiohttp`.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from benchmarks import samples

_PART = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    seq = 0
    try:
        while not socket.closed:
            seq += 1
            await socket.send_bytes(samples.message(seq))
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    return socket


async def _mjpeg(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
    await response.prepare(request)
    seq = 0
    try:
        while True:
            seq += 1
            picture = samples.frame(seq)
            await response.write(_PART % len(picture) + picture + b"\r\n")
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    return response


async def _main() -> None:
    app = web.Application()
    app.router.add_get("/ws", _websocket)
    app.router.add_get("/mjpeg", _mjpeg)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
