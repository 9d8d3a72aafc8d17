"""The server's end of the channel to a camera process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from camera.channel import ChannelBroken, ChannelClosed, Decoder, Message, encode, receive


class AsyncChannel:
    """The server's end of the channel.

    Calls `on_message` for each message, in the order of arrival. Calls `on_lost` once, when the camera process has
    closed the channel or has sent invalid data.
    """

    def __init__(self, sock: socket.socket, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._socket = sock
        self._decoder = Decoder()
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._loop.add_reader(sock, self._readable)

    def _readable(self) -> None:
        try:
            data, ancillary = receive(self._socket)
            if not data:
                raise ConnectionResetError
            self._decoder.feed(data, ancillary)
            while not self._closed and (message := self._decoder.next()) is not None:
                self._on_message(message)
        except BlockingIOError:
            return
        except (OSError, ChannelBroken):
            self.close()
            self._on_lost()

    async def send(self, header: dict[str, Any]) -> None:
        """Send one message, which has no raw bytes.

        Raises:
            ChannelClosed: the camera process has closed the channel.
        """
        if self._closed:
            raise ChannelClosed
        message = encode(header, b"")
        try:
            with suppress(BlockingIOError):
                message = message[self._socket.send(message) :]  # usually sends the whole message
            if message:
                await self._loop.sock_sendall(self._socket, message)
        except OSError as error:
            raise ChannelClosed from error

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._closed

    def close(self) -> None:
        """Close this end, and the received descriptors of messages that are not complete. Does not call `on_lost`."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._decoder.close()
