"""Collects the bytes of a file from binary messages, and checks their order and the server's SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gphoto_ws_client.binary import Piece
from gphoto_ws_client.connection import Connection
from gphoto_ws_client.decode import decode, number_in
from gphoto_ws_client.errors import ConnectionLost, UnexpectedReply
from gphoto_ws_client.link import Json, Link
from gphoto_ws_client.replies import Downloaded

_TRIES = 3
# The longest wait for a message. The server waits at most 15 s for data from the camera, and then sends an error.
_SILENCE_S = 30.0

Progress = Callable[[int, int], None]


class _Transfer:
    """Receives the pieces that follow a reply of download_last_image."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Piece | str | ConnectionLost] = asyncio.Queue()
        self._link: Link | None = None
        self._number = 0

    def claim(self, link: Link, reply: Json) -> None:
        self._link, self._number = link, number_in(reply, "transfer")
        link.transfers[self._number] = self

    def piece(self, piece: Piece) -> None:
        self._queue.put_nowait(piece)

    def complete(self, sha256: str) -> None:
        self._queue.put_nowait(sha256)

    def lost(self, error: ConnectionLost) -> None:
        self._queue.put_nowait(error)

    def release(self) -> None:
        """Ignore further pieces."""
        if self._link is not None and self._link.transfers.get(self._number) is self:
            del self._link.transfers[self._number]

    async def collect(self, start: int, length: int, progress: Callable[[int], None]) -> bytes:
        """Receive `length` bytes, beginning at offset `start` of the file.

        Calls `progress` with the number of bytes received so far.

        Raises:
            ConnectionLost: the connection was lost during the transfer.
            UnexpectedReply: bytes are missing or damaged, there are too many bytes, or the transfer stopped.
        """
        data = bytearray()
        while True:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    item = await self._queue.get()
            except TimeoutError:
                raise UnexpectedReply("The transfer stopped before the file was complete.", retryable=True) from None
            if isinstance(item, ConnectionLost):
                raise item
            if isinstance(item, str):
                if len(data) != length or hashlib.sha256(data).hexdigest() != item:
                    raise UnexpectedReply("The file arrived damaged.", retryable=True)
                return bytes(data)
            if item.offset != start + len(data):
                raise UnexpectedReply("A piece of the file is missing.", retryable=True)
            if len(data) + len(item.data) > length:
                raise UnexpectedReply("The server sent more bytes than it announced.", retryable=True)
            data += item.data
            progress(len(data))


async def fetch(connection: Connection, payload: dict[str, Any], progress: Progress | None = None) -> Downloaded:
    """Fetch a file, or the piece that the payload names. The result is complete and checked.

    If the data were damaged, or the connection was lost, the data are fetched again.

    Raises:
        ServerError: the server rejected the request.
        GphotoWsError: three attempts failed, or the connection is lost permanently.
    """
    tries = 0
    while True:
        transfer = _Transfer()
        try:
            reply = decode(
                Downloaded,
                await connection.call(
                    "download_last_image", {**payload, "transfer": "binary"}, again=True, claim=transfer.claim
                ),
            )
            start, length = _extent(reply, payload)
            image = await transfer.collect(start, length, _relative(progress, start, reply.size))
            return replace(reply, image=image)
        except (ConnectionLost, UnexpectedReply) as error:
            tries += 1
            if tries >= _TRIES or not error.retryable:
                raise
        finally:
            transfer.release()


def _extent(reply: Downloaded, payload: dict[str, Any]) -> tuple[int, int]:
    """The offset of the first byte that follows a reply, and the number of bytes.

    Raises:
        UnexpectedReply: these bytes are not the requested bytes.
    """
    start = reply.offset or 0
    length = reply.size - start if reply.length is None else reply.length
    asked, most = payload.get("offset") or 0, payload.get("length")
    if start != asked or not 0 <= length <= reply.size - start or (most is not None and length > most):
        raise UnexpectedReply(
            f"The server gives {length} bytes from {start} on, of {reply.size}: not what was asked for."
        )
    return start, length


def _relative(progress: Progress | None, start: int, size: int) -> Callable[[int], None]:
    def report(count: int) -> None:
        if progress is not None:
            progress(start + count, size)

    return report
