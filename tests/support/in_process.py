"""The server in the test's process, for tests that change deadlines of the server or inspect its objects."""

from __future__ import annotations

import json
from typing import Any, Self

from websockets.asyncio.client import connect

from camera.options import SessionOptions
from camera.photos.shots import PhotoOptions
from gphoto_ws_server import build
from server.admission import Access
from server.app import App
from tests.support.rig import TOKEN, Client


class InProcess:
    """A running App with a real socket and real camera processes."""

    def __init__(self, app: App, uri: str) -> None:
        self.app = app
        self.uri = uri

    @classmethod
    async def start(cls, *addresses: str, drives: bool = False, **options: Any) -> Self:
        """Start a server for the cameras at these addresses. Without an address, it uses the cameras that it detects.

        Args:
            options: fields of SessionOptions.
        """
        usual = {"restart_delay": 0.3, "photos": PhotoOptions(write_time_s=2.0), **options}
        app = build(Access(TOKEN), addresses, SessionOptions(**usual), drives=drives)
        return cls(app, f"ws://127.0.0.1:{await app.start('127.0.0.1', 0)}")

    async def connect(self) -> Client:
        """Connect a client and log in."""
        socket = await connect(self.uri, max_size=None, close_timeout=0.5)
        await socket.send(json.dumps({"token": TOKEN}))
        return Client(socket)
