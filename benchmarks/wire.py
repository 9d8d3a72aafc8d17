"""A minimal WebSocket client on a blocking socket, so that the time of a client library is not measured."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

TOKEN = "benchmark"
HELLO = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_MASK_OF_ZEROS = b"\0\0\0\0"  # leaves the payload unchanged; RFC 6455 requires a mask, but the client chooses its value
_TEXT, _CLOSE, _PING = 1, 8, 9


def masked(text: str) -> bytes:
    """The bytes of a text message from a client to the server."""
    payload = text.encode()
    size = len(payload)
    head = struct.pack(">BB", 0x80 | _TEXT, 0x80 | size) if size < 126 else struct.pack(">BBH", 0x81, 0xFE, size)
    return head + _MASK_OF_ZEROS + payload


def pong(payload: bytes) -> bytes:
    """The bytes of the answer to a ping. The server disconnects a client that does not answer for 40 s."""
    return struct.pack(">BB", 0x8A, 0x80 | len(payload)) + _MASK_OF_ZEROS + payload


def login() -> str:
    """The text of the first message of a client."""
    return json.dumps({"token": TOKEN})


def request(command: str, /, **payload: object) -> str:
    """The text of a command."""
    return json.dumps({"command": command, "payload": payload})


def connected(port: int, hello: str, receive_buffer: int | None = None) -> socket.socket:
    """Connect, send `hello` and read the HTTP response; returns the socket. Without `hello`, it only connects."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hello:
        sock.sendall(hello.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            if not byte:
                raise ConnectionResetError(f"port {port} hung up: {head!r}")
            head += byte
        if b" 101 " not in head[:16] and b" 200 " not in head[:16]:
            raise ConnectionRefusedError(head.decode())
    return sock


class Client:
    """A logged-in client that sends a command and waits for its reply."""

    def __init__(self, port: int) -> None:
        self._socket = connected(port, HELLO.format(path="/"))
        self._file = self._socket.makefile("rb", 256 * 1024)
        self.send(login())

    def send(self, text: str) -> None:
        """Send a text message."""
        self._socket.sendall(masked(text))

    def receive(self) -> bytes:
        """The payload of the next text or binary message."""
        parts = []
        while True:
            first, second = self._file.read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._file.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._file.read(8))
            payload = self._file.read(size)
            if first & 0x0F == _CLOSE:
                raise ConnectionResetError(f"closed by the server: {payload!r}")
            if first & 0x0F == _PING:
                self._socket.sendall(pong(payload))
                continue
            parts.append(payload)
            if first & 0x80:
                return b"".join(parts)

    def command(self, name: str, /, **payload: object) -> dict[str, Any]:
        """Send a command and return its reply.

        Raises:
            RuntimeError: the reply is an error.
        """
        self.send(request(name, **payload))
        reply = json.loads(self.receive())
        if reply.get("status") != "ok":
            raise RuntimeError(f"{name}: {reply}")
        return dict(reply)

    def seconds(self, name: str, /, **payload: object) -> float:
        """Send a command; returns the seconds from the start of sending to the end of the reply."""
        text = request(name, **payload)
        started = time.perf_counter()
        self.send(text)
        reply = self.receive()
        took = time.perf_counter() - started
        if b'"ok"' not in reply[:40]:
            raise RuntimeError(f"{name}: {reply[:300]!r}")
        return took

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()
