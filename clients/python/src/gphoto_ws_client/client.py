"""The client: commands, live view, events and downloads over one connection that reconnects automatically."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, Unpack, cast

from gphoto_ws_client.commands import Commands
from gphoto_ws_client.connection import Connection
from gphoto_ws_client.download import PIECE_BYTES, SavedFile, download
from gphoto_ws_client.errors import ConnectionFailed, GphotoWsError
from gphoto_ws_client.events import EVENT_NAMES, RECONNECTED, EventName, Events, parse_event
from gphoto_ws_client.link import Json
from gphoto_ws_client.login import Address
from gphoto_ws_client.options import ClientOptions, check_names
from gphoto_ws_client.replies import Since
from gphoto_ws_client.tls import make_context

DEFAULT_URL = "ws://localhost:8765"
RECONNECT_FOR_S, REPLY_TIMEOUT_S, OPEN_TIMEOUT_S = 60.0, 120.0, 10.0
# The default is enough for a picture of 96 MiB, which is 128 MiB as base64. The smallest allowed value equals the
# server's limit for messages from clients.
MAX_MESSAGE, LEAST_MAX_MESSAGE = 128 * 2**20, 64 * 2**10


class Client(Commands):
    """A client of gphoto-ws-server: `async with Client("ws://localhost:8765", token) as client: ...`.

    Args:
        url: ws:// or wss:// address of the server.
        token: the server's API_TOKEN.
        **options: see `ClientOptions`.

    Raises:
        ValueError: `max_message` is too small, `tls` does not match the address, or the file of `tls` contains no
            certificate.
        OSError: the file of `tls` cannot be read.

    Raises (at `async with`):
        CertificateRefused: the server's certificate is not trusted.
        Unauthorized: the token is wrong.
        ConnectionFailed: no server answers at this address, or the server is not a gphoto-ws-server.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str = "", **options: Unpack[ClientOptions]) -> None:
        check_names("Client", options, ClientOptions.__optional_keys__)
        max_message = options.get("max_message", MAX_MESSAGE)
        if not isinstance(max_message, int) or max_message < LEAST_MAX_MESSAGE:
            raise ValueError(
                f"max_message must be a number of bytes of at least {LEAST_MAX_MESSAGE}, not {max_message!r}"
            )
        tls = make_context(url, options.get("tls"))
        address = Address(url, token, tls, options.get("open_timeout", OPEN_TIMEOUT_S), max_message)
        reconnect_for = options.get("reconnect_for", RECONNECT_FOR_S)
        reply_timeout = options.get("reply_timeout", REPLY_TIMEOUT_S)
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
        """Whether there is a connection now."""
        return self._connection.connected

    @property
    def place(self) -> Since | None:
        """The place after the last received event, from which another client can go on; None before a subscription."""
        return self._connection.position.since

    def events(self, *names: EventName | Literal["reconnected", "*"], since: Since | None = None) -> Events:
        """Events of the cameras, received within an `async with` block.

        Args:
            since: a place of an earlier client. The events that happened after it come first.
            *names: names of events. No name, or "*", means all events. When a lost connection is restored, the client
                itself emits `reconnected`. Events that happen while there is no connection follow it, if its
                `recovered` is true.
        """
        everything = not names or "*" in names
        wanted = {*EVENT_NAMES, RECONNECTED} if everything else set(names)
        return Events(frozenset(wanted), partial(self._listen, since=since), self._leave)

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
        """Download a file from the camera to a local file.

        The file is transferred in pieces. Each piece is checked with the server's SHA-256. After a loss of the
        connection the download continues. The target file appears only when it is complete. After a failure, no partial
        file remains.

        Args:
            target: the file to write.
            camera_filepath: path on the camera; None for the last picture.
            port: the port of the camera; None for the selected camera.
            overwrite: whether an existing target is replaced.
            piece_bytes: size of the pieces, at most 8 MiB.
            progress: called with the number of bytes received so far and the size of the file.

        Raises:
            FileExistsError: the target exists.
            OSError: the target cannot be written.
            GphotoWsError: the download failed.
        """
        payload = {"camera_filepath": camera_filepath, "port": port}
        given = {name: value for name, value in payload.items() if value is not None}
        return await download(
            self._connection, given, Path(target), overwrite=overwrite, piece_bytes=piece_bytes, progress=progress
        )

    # -- events

    async def _listen(self, events: Events, since: Since | None) -> None:
        self._listeners.append(events)
        try:
            new = sorted(events.names - {RECONNECTED} - self._connection.subscribed)
            if new:
                await self.subscribe(cast(list[EventName | Literal["*"]], new), since=since)
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
