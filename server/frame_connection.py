"""A client's WebSocket connection that sends frames and files without the library's encoder.

This file uses internals of websockets. In addition to the documented API, it needs `Connection.transport`,
`send_in_progress`, `send_context`, `send_data`, `drain`, `connection_made`, `data_received`, `process_event`,
`keepalive` and `resume_writing` (websockets/asyncio/connection.py).

WebSocket messages from a server are not masked. The bytes of a live-view frame are therefore the same for every viewer
and can be written directly to the transport. For files, the kernel copies each piece directly from the file in memory
to the socket. If a version of the library does not have these internals, frames and files are sent with the library's
`send`. The client receives the same data, but the server needs more CPU.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WireFrame
from websockets.http11 import Response
from websockets.protocol import Event, State

from camera.model import Frame
from camera.photos.downloads import FetchedFile
from protocol import closing
from protocol.frames import Parts, StreamFormat, encoded, is_text
from server import limits
from server.http_protocol import HttpProtocol
from server.limits import TokenBucket

# Limit for unsent bytes in the kernel. Without this limit, 40 frames would wait in the kernel, and viewers would see
# pictures that are seconds old.
_UNSENT_BYTES = 64 * 1024
# Limit for the bytes that are read from a client at a time. asyncio would read 256 KiB, which may contain very many
# small messages.
_RECEIVE_BYTES = 16 * 1024
_SLICE_BYTES = 2048
# Limit for bytes that a client sends before its request is answered: room for the largest body and some messages.
_BEFORE_ANSWER_BYTES = 128 * 1024
# How long the last bytes of a page may need.
_CLOSE_PAGE_S = 2.0
_TEXT, _BINARY, _FINAL = 0x1, 0x2, 0x80
# The attributes that are needed to send frames and files without the library's encoder.
_NEEDED_INTERNALS = ("transport", "send_in_progress", "send_context", "send_data", "drain")
# If the socket is full, the kernel cannot copy from the file. Then this many bytes of the file are written to the
# transport, and `drain` waits until the socket has accepted them.
_NUDGE_BYTES = 4096

_log = logging.getLogger("server.frame_connection")


def wire_message(payload: Parts, text: bool) -> bytes:
    """A complete WebSocket message from server to client (RFC 6455, section 5.2)."""
    return b"".join((_wire_head(sum(map(len, payload)), text), *payload))


def _wire_head(size: int, text: bool) -> bytes:
    first = _FINAL | (_TEXT if text else _BINARY)
    if size < 126:
        return struct.pack(">BB", first, size)
    if size < 65536:
        return struct.pack(">BBH", first, 126, size)
    return struct.pack(">BBQ", first, 127, size)


def payload_alone(payload: Parts, text: bool) -> bytes:
    """The joined parts, without the header of a WebSocket message. The library adds the header when it sends."""
    return b"".join(payload)


class FrameConnection(ServerConnection):
    """A connection that sends frames only when nothing else is being sent.

    Attributes:
        direct: whether frames are written directly to the transport. If not, the library sends them.
        address: the address of the client, "local" for a Unix socket. Behind a proxy it is the proxy's address until
            the request has been read.
        page_started: whether a response is being sent in pieces.
        emptied: how often the send buffer became empty. This number and `unsent` show whether the client reads.
    """

    address: str
    direct: bool
    emptied = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._send_lock = asyncio.Lock()
        self._between_pieces = asyncio.Event()
        self._between_pieces.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio after the client has connected."""
        super().connection_made(transport)
        peer = self.remote_address
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._waiting: dict[Callable[[], None], None] = {}
        self._frames = TokenBucket(limits.FRAMES_A_SECOND, limits.FRAMES_A_SECOND)
        self._control_frames = TokenBucket(limits.CONTROL_FRAMES_A_SECOND, 2 * limits.CONTROL_FRAMES_A_SECOND)
        self._sending: asyncio.Task[None] | None = None
        self._discarding = False
        self._answering = False
        self.page_started = False
        missing = [name for name in _NEEDED_INTERNALS if not hasattr(self, name)]
        self.direct = not missing
        if missing:
            _log.warning("This version of websockets has no %s: sending pictures needs more CPU", ", ".join(missing))
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio.

        Passes small slices to the library, so that reading stops as soon as a flood is detected.
        """
        for start in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE_BYTES])
        if self.opening and len(self.protocol.reader.buffer) > _BEFORE_ANSWER_BYTES:
            self.transport.pause_reading()  # reading resumes after the request is answered

    def process_event(self, event: Event) -> None:
        """Called by the library for the request and for each WebSocket frame.

        Closes the connection if the client sends too many frames. Pings need a limit here, because the limits for
        commands do not count them, and the library answers each ping even if the client does not read the pongs.
        """
        if isinstance(event, WireFrame):
            if self._discarding:
                return
            control = event.opcode in (Opcode.PING, Opcode.PONG)
            if not self._frames.take() or (control and not self._control_frames.take()):
                self._discard_input()
                self.protocol.fail(closing.FLOOD, "flood")
                self.send_data()
                return
        super().process_event(event)

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection with the given code.

        While a message is being sent in fragments, the library's own `close` would send 1011 instead of the given code.
        Further data from the client is read and dropped.
        """
        self._discard_input()
        if self.send_in_progress is None:
            await super().close(code, reason)
            return
        with suppress(ConnectionClosed):
            async with self.send_context():
                self.protocol.fail(code, reason)

    def _discard_input(self) -> None:
        # If messages are not dropped and no task receives them, the library stops reading from the socket. The client's
        # closing handshake would then not be noticed. Closing a socket with unread data would also reset the
        # connection, possibly before the client has read the close reason.
        self._discarding = True
        self.transport.resume_reading()

    async def keepalive(self) -> None:
        """Called by the library in its own task. Sends pings, and closes the connection if the client does not respond.

        On a slow line, a ping waits behind earlier data. A client that still reads this data counts as responding.
        """
        assert self.ping_interval is not None, "given by the server"
        latency = 0.0
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self.ping_interval - latency)
                pong = asyncio.ensure_future(await self.ping())
                while not pong.done():
                    unsent, emptied = self.unsent, self.emptied
                    await asyncio.wait((pong,), timeout=self.ping_timeout)
                    if not pong.done() and self.unsent >= unsent and self.emptied == emptied:
                        async with self.send_context():
                            self.protocol.fail(closing.UNFINISHED, "no answer to a ping")
                latency = await pong

    async def handshake(self, *arguments: Any, **options: Any) -> None:
        """Called by the library. Answers the request; the library's own time limit would also end long answers."""
        async with asyncio.timeout(limits.OPENING_SECONDS) as self._opening_deadline:
            await super().handshake(*arguments, **options)

    def take_your_time(self) -> None:
        """From now on, the answer to the HTTP request has no time limit. The connection does not count as opening."""
        self._opening_deadline.reschedule(None)
        self._answering = True

    def start_page(self, response: Response) -> None:
        """Write a response whose body goes on: `write` it to the transport, then `end_page`."""
        assert isinstance(self.protocol, HttpProtocol), "made by create_connection"
        self.transport.write(self.protocol.head_of_page(response))
        self.page_started = True

    async def end_page(self) -> None:
        """Close the connection after everything was sent."""
        self.transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_PAGE_S):
                await self.gone()

    async def gone(self) -> None:
        """Wait until the client has disconnected."""
        await asyncio.shield(self.connection_lost_waiter)

    @property
    def opening(self) -> bool:
        """Whether the WebSocket handshake is still in progress. Also true while a page is requested that is soon answered."""
        return self.state is State.CONNECTING and not self._answering and not self.transport.is_closing()

    def resume_writing(self) -> None:
        """Called by asyncio when the kernel has accepted all data. The `write_limit` in app.py has this effect."""
        super().resume_writing()
        self.emptied += 1
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.takes_frame():
            write = next(iter(self._waiting))
            del self._waiting[write]
            write()

    def takes_frame(self) -> bool:
        """Whether a frame that is written now is sent at once."""
        if not self.direct and not self.page_started:
            return self.state is State.OPEN and self._sending is None
        return (
            (self.state is State.OPEN or self.page_started)
            and self.send_in_progress is None
            and self._between_pieces.is_set()
            and self.transport.get_write_buffer_size() == 0
            and not self.transport.is_closing()
        )

    def write_frame(self, frame: Frame, form: StreamFormat, stream: int, skipped: bool) -> None:
        """Write a frame. Call this only if `takes_frame` is true."""
        message = encoded(frame, form, stream, skipped, wire_message if self.direct else payload_alone)
        if self.direct:
            self.transport.write(message)
        else:
            self._sending = asyncio.create_task(self._send(message, is_text(form)))

    async def _send(self, message: bytes, text: bool) -> None:
        with suppress(ConnectionClosed):
            await self.send(message, text=text)
        self._sending = None
        self._fill()

    async def send(self, message: Any, *, text: bool | None = None) -> None:
        """Send a message with the library. Messages and pieces of files are sent in the order of the calls."""
        async with self._send_lock:
            await super().send(message, text=text)

    async def send_piece(self, head: bytes, file: FetchedFile, offset: int, size: int) -> None:
        """Send a binary message: a header and a part of a file.

        Without TLS, the kernel copies the part from the file to the socket. Python reads only small pieces of it.

        Raises:
            ConnectionClosed: the client has disconnected.
        """
        # With TLS, Python must encrypt the bytes, so it must read them first.
        if not self.direct or self.transport.get_extra_info("sslcontext") is not None:
            await self.send(head + file.read(offset, size))
            return
        async with self._send_lock:
            if self.state is not State.OPEN:
                async with self.send_context():  # waits until the connection is closed, then raises ConnectionClosed
                    return
            self._between_pieces.clear()
            try:
                await self._write_piece(_wire_head(len(head) + size, text=False) + head, file, offset, size)
            except OSError:
                self.transport.abort()  # the client has disconnected; the next `send` raises ConnectionClosed
            except BaseException:
                self.transport.abort()  # nothing can follow an incomplete message
                raise
            finally:
                self._between_pieces.set()
            if not self.transport.is_closing():
                self.send_data()
            await self.drain()
        self._fill()

    async def _write_piece(self, head: bytes, file: FetchedFile, offset: int, size: int) -> None:
        self.transport.write(head)
        socket_number: int = self.transport.get_extra_info("socket").fileno()
        while size and not self.transport.is_closing():
            if not self.unsent:
                with suppress(BlockingIOError):
                    sent = file.send(socket_number, offset, size)
                    offset, size = offset + sent, size - sent
            if size:
                data = file.read(offset, min(size, _NUDGE_BYTES))
                if not data:
                    raise OSError("the file is shorter than it was")
                self.transport.write(data)
                offset, size = offset + len(data), size - len(data)
                await super().drain()

    def send_data(self) -> None:
        """Called by the library to write its own data, such as pings and close messages.

        While a piece of a file is being written, does nothing; `send_piece` writes the data afterwards.
        """
        if self._between_pieces.is_set():
            super().send_data()

    async def drain(self) -> None:
        """Called by the library to wait until its data has been sent. The timeout of a pong starts after this call."""
        await self._between_pieces.wait()
        await super().drain()

    def wait_for_room(self, write: Callable[[], None]) -> None:
        """Call `write` as soon as a frame can be sent."""
        self._waiting[write] = None

    def forget(self, write: Callable[[], None]) -> None:
        """Do not call `write` any more."""
        self._waiting.pop(write, None)

    @property
    def unsent(self) -> int:
        """Number of bytes that wait in the transport."""
        return self.transport.get_write_buffer_size()
