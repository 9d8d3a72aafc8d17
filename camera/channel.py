"""Messages between the server and a camera process, over a socketpair: a JSON header, raw bytes, and an open file.

A message starts with the length of the JSON and the length of the raw bytes (`>II`), both in bytes. Then the JSON and
the raw bytes follow. An open file is passed as a descriptor (SCM_RIGHTS). The camera process writes a picture into
anonymous memory, and the server reads the picture from there, so that its bytes are not copied through the socket.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import Any

_LENGTHS = struct.Struct(">II")
# The largest header is a complete configuration tree (about 300 KB for a Nikon). The largest raw bytes are a live-view
# frame or a thumbnail. A message above this limit means that the other end is broken.
_LARGEST = 64 * 2**20
_FDS_A_READ = 8
_READ_SIZE = 256 * 1024
_JSON = json.JSONEncoder(separators=(",", ":")).encode


class ChannelClosed(Exception):
    """The other end has closed the channel; jobs in progress are lost."""


class ChannelBroken(Exception):
    """The other end sent something that is not a valid message."""


@dataclass(slots=True)
class Message:
    """One message: header, raw bytes, and an open file descriptor or None. The receiver must close the descriptor."""

    header: dict[str, Any]
    data: bytes = b""
    fd: int | None = None


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a new channel: first the server's end (non-blocking), then the camera process's end."""
    server_end, process_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    server_end.setblocking(False)
    return server_end, process_end


def encode(header: dict[str, Any], data: bytes) -> bytes:
    """The first bytes of a message: the lengths and the header. The raw bytes must be sent after them."""
    text = _JSON(header).encode()
    return _LENGTHS.pack(len(text), len(data)) + text


class Decoder:
    """Converts the bytes and descriptors of a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fds: deque[int] = deque()

    def feed(self, data: bytes | memoryview, ancillary: list[tuple[int, int, bytes]]) -> None:
        """Add what `receive` returned."""
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
                self._fds.extend(fds)
        self._buffer += data

    def next(self) -> Message | None:
        """The next message, or None if not all of its bytes have arrived.

        Raises:
            ChannelBroken: the stream contains something that is not a message.
        """
        buffer = self._buffer
        if len(buffer) < _LENGTHS.size:
            return None
        text_size, data_size = _LENGTHS.unpack_from(buffer)
        if text_size + data_size > _LARGEST:
            raise ChannelBroken(f"a message of {text_size + data_size} bytes")
        start, end = _LENGTHS.size + text_size, _LENGTHS.size + text_size + data_size
        if len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            text, data = bytes(view[_LENGTHS.size : start]), bytes(view[start:end])
        del buffer[:end]
        try:
            header = json.loads(text)
        except ValueError as error:
            raise ChannelBroken("a header that is not JSON") from error
        if not isinstance(header, dict):
            raise ChannelBroken("a header that is not an object")
        fd = None
        if header.get("fd"):
            if not self._fds:
                raise ChannelBroken("a file descriptor was announced but not received")
            fd = self._fds.popleft()
        return Message(header, data, fd)

    def close(self) -> None:
        """Close the received descriptors that belong to no complete message."""
        while self._fds:
            os.close(self._fds.popleft())


def receive(sock: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """The next bytes and descriptors from a socket. Empty bytes: the other end has closed it. Raises OSError."""
    data, ancillary, _, _ = sock.recvmsg(_READ_SIZE, socket.CMSG_SPACE(_FDS_A_READ * 4), socket.MSG_CMSG_CLOEXEC)
    return data, ancillary


class BlockingChannel:
    """The camera process's end of the channel. It is not thread-safe: the worker has only one thread."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        self._decoder = Decoder()

    def receive(self, timeout: float) -> Message | None:
        """The next message, or None if no message arrives within `timeout` seconds.

        Raises:
            ChannelClosed: the server has closed the channel.
        """
        while (message := self._decoder.next()) is None:
            if not select.select([self._socket], [], [], timeout)[0]:
                return None
            try:
                data, ancillary = receive(self._socket)
            except OSError as error:
                raise ChannelClosed from error
            if not data:
                raise ChannelClosed
            self._decoder.feed(data, ancillary)
        return message

    @property
    def closed(self) -> bool:
        """Whether the server has closed the channel, also if messages wait."""
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def send(self, header: dict[str, Any], data: bytes = b"", fd: int | None = None) -> None:
        """Send one message; returns when the kernel has accepted all of it. The caller must still close `fd`.

        Raises:
            ChannelClosed: the server has closed the channel.
        """
        if fd is not None:
            header = {**header, "fd": True}
        head = encode(header, data)
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        try:
            sent = self._socket.sendmsg([head, data], rights)
            if sent < len(head):
                self._socket.sendall(head[sent:])
                sent = len(head)
            if sent < len(head) + len(data):
                self._socket.sendall(memoryview(data)[sent - len(head) :])
        except OSError as error:
            raise ChannelClosed from error
