"""The client: commands, live view, events and downloads over one connection that comes back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, cast

from gphoto_ws_client.commands import Commands
from gphoto_ws_client.connection import Connection
from gphoto_ws_client.download import PIECE_BYTES, SavedFile, download
from gphoto_ws_client.errors import ConnectionFailed, GphotoWsError
from gphoto_ws_client.events import EVENT_NAMES, RECONNECTED, EventName, Events, parse_event
from gphoto_ws_client.link import Json
from gphoto_ws_client.login import Address
from gphoto_ws_client.tls import Tls, make_context

DEFAULT_URL = "ws://localhost:8765"
# A picture of 96 MB as base64. The server's limit for what it takes itself.
MAX_MESSAGE, LEAST_MAX_MESSAGE = 128 * 2**20, 64 * 2**10


class Client(Commands):
    """A client of gphoto-ws-server: `async with Client("ws://localhost:8765", token) as client: ...`.

    Args:
        url: ws:// or wss:// address of the server.
        token: the server's API_TOKEN.
        reconnect_for: seconds to try for after a loss of the connection; 0 never tries, math.inf never gives up.
            A wrong token and another protocol are never tried again.
        reply_timeout: seconds until a command without an answer is given up. A shot with a long exposure, or one
            that waits behind others, takes its time.
        open_timeout: seconds for one try to connect and to log in.
        max_message: the largest message taken, bytes, 65536 or more; a larger one ends the connection.
            capture_image with download="full" needs four thirds of the file; live view and downloads come in small
            messages.
        tls: whom to trust at a wss:// address. None: the authorities that this machine trusts. A path: the
            authorities in that PEM file, and no others; it may be the server's own self-signed certificate. An
            ssl.SSLContext: as it says. False: anybody; what is sent, the token too, can then be read by who sits
            in between.

    Raises:
        ValueError: max_message is too small. `tls` goes not with the address, or its file holds no certificate.
        OSError: its file cannot be read.

    Raises (at `async with`):
        CertificateRefused: the server's certificate is not trusted.
        Unauthorized: the token is wrong.
        ConnectionFailed: nobody answers there, or not as this server does.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str = "",
        *,
        reconnect_for: float = 60.0,
        reply_timeout: float = 120.0,
        open_timeout: float = 10.0,
        max_message: int = MAX_MESSAGE,
        tls: Tls = None,
    ) -> None:
        if not isinstance(max_message, int) or max_message < LEAST_MAX_MESSAGE:
            raise ValueError(
                f"max_message must be a number of bytes of at least {LEAST_MAX_MESSAGE}, not {max_message!r}"
            )
        address = Address(url, token, make_context(url, tls), open_timeout, max_message)
        super().__init__(Connection(address, reconnect_for, reply_timeout, self._on_event, self._on_over))
        self._listeners: list[Events] = []

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._connection.connected

    def events(self, *names: EventName | Literal["reconnected", "*"]) -> Events:
        """What happens to the cameras, from `async with` on until its end.

        Args:
            *names: which events; none or "*" for all. `reconnected` is told by this client after a loss of the
                connection: what happened in between is not known.
        """
        everything = not names or "*" in names
        wanted = {*EVENT_NAMES, RECONNECTED} if everything else set(names)
        return Events(frozenset(wanted), self._listen, self._leave)

    async def download(
        self,
        target: str | os.PathLike[str],
        camera_filepath: str | None = None,
        *,
        port: str | None = None,
        overwrite: bool = False,
        piece_bytes: int = PIECE_BYTES,
        progress: Callable[[int, int], None] | None = None,
    ) -> SavedFile:
        """Download a file of the camera into a file here.

        It comes in pieces, each checked against the server's SHA-256, and goes on after a loss of the connection.
        The target appears when it is whole; after a failure nothing is left.

        Args:
            target: the file to write.
            camera_filepath: left out: the last image captured.
            port: the camera.
            overwrite: whether the target may exist.
            piece_bytes: bytes asked for at once, at most 8 MiB.
            progress: called with the bytes that are here and the size of the file, often.

        Raises:
            FileExistsError: the target exists.
            OSError: it cannot be written.
            GphotoWsError: the file does not come.
        """
        payload = {"camera_filepath": camera_filepath, "port": port}
        given = {name: value for name, value in payload.items() if value is not None}
        return await download(
            self._connection, given, Path(target), overwrite=overwrite, piece_bytes=piece_bytes, progress=progress
        )

    # -- events

    async def _listen(self, events: Events) -> None:
        self._listeners.append(events)
        try:
            new = sorted(events.names - {RECONNECTED} - self._connection.subscribed)
            if new:
                await self.subscribe(cast(list[EventName | Literal["*"]], new))
        except BaseException:
            self._listeners.remove(events)
            raise

    async def _leave(self, events: Events) -> None:
        self._listeners.remove(events)
        wanted = {name for other in self._listeners for name in other.names}
        unwanted = sorted(events.names - wanted - {RECONNECTED})
        if unwanted and self.connected:
            try:
                await self.unsubscribe(cast(list[EventName | Literal["*"]], unwanted))
            except ConnectionFailed:
                self._connection.subscribed -= set(unwanted)
        else:
            self._connection.subscribed -= set(unwanted)

    def _on_event(self, message: Json) -> None:
        event = parse_event(message)
        for listener in self._listeners:
            listener.take(event)

    def _on_over(self, error: GphotoWsError) -> None:
        for listener in self._listeners:
            listener.over(error)
