"""One client's websocket, which takes frames and files past the library. The only file that knows websockets' inside.

What it relies on, beside the documented API: `Connection.transport`, `send_in_progress`, `send_context`, `send_data`,
`drain`, `connection_made`, `data_received`, `process_event`, `keepalive` and `resume_writing`
(websockets/asyncio/connection.py). A message from the server is not masked, so a frame is one run of bytes, the same
for every viewer, written to the transport without passing the library's own encoder, and a piece of a file goes from
its memory to the socket inside the kernel. Where a version of the library has that inside no more, both go through its
`send`: dearer, and right all the same.
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
from websockets.protocol import Event, State

from camera.model import Frame
from camera.photos.downloads import FetchedFile
from protocol import closing
from protocol.frames import Parts, StreamFormat, encoded, is_text
from server import limits
from server.limits import TokenBucket

# What the kernel may hold unsent for one client: without it 40 frames wait there and the picture is seconds old.
_UNSENT_BYTES = 64 * 1024
# What is read of one client at a time: asyncio would take 256 KiB, and the tiny messages in it hold everybody up.
_RECEIVE_BYTES = 16 * 1024
_SLICE_BYTES = 2048
# What a client may send ahead of the answer to its request: the largest body, and messages.
_BEFORE_ANSWER_BYTES = 128 * 1024
_TEXT, _BINARY, _FINAL = 0x1, 0x2, 0x80
# What a connection has to have for frames and files to be written past the library.
_NEEDED_INTERNALS = ("transport", "send_in_progress", "send_context", "send_data", "drain")
# What is copied of a file each time the socket is full: the transport then tells when there is room again.
_NUDGE_BYTES = 4096

_log = logging.getLogger("server.frame_connection")


def wire_message(payload: Parts, text: bool) -> bytes:
    """A whole WebSocket message of these parts, as it goes from server to client (RFC 6455, section 5.2)."""
    return b"".join((_wire_head(sum(map(len, payload)), text), *payload))


def _wire_head(size: int, text: bool) -> bytes:
    first = _FINAL | (_TEXT if text else _BINARY)
    if size < 126:
        return struct.pack(">BB", first, size)
    if size < 65536:
        return struct.pack(">BBH", first, 126, size)
    return struct.pack(">BBQ", first, 127, size)


def payload_alone(payload: Parts, text: bool) -> bytes:
    """The parts joined, for the library to make a message of."""
    return b"".join(payload)


class FrameConnection(ServerConnection):
    """A connection that takes frames when it has nothing else to send.

    Attributes:
        direct: frames are written to the transport; otherwise they are sent as any other message.
        address: where the client comes from: "local" for a Unix socket. Behind a proxy it is the proxy's until the request
            is there.
        emptied: how often everything that was to be sent had left; with `unsent`, it tells who does not read.
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
        """Called by asyncio when the client has connected."""
        super().connection_made(transport)
        peer = self.remote_address
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._waiting: dict[Callable[[], None], None] = {}
        self._frames = TokenBucket(limits.FRAMES_A_SECOND, limits.FRAMES_A_SECOND)
        self._control_frames = TokenBucket(limits.CONTROL_FRAMES_A_SECOND, 2 * limits.CONTROL_FRAMES_A_SECOND)
        self._sending: asyncio.Task[None] | None = None
        self._discarding = False
        missing = [name for name in _NEEDED_INTERNALS if not hasattr(self, name)]
        self.direct = not missing
        if missing:
            _log.warning("This version of websockets has no %s: sending pictures needs more CPU", ", ".join(missing))
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio; gives the library a little at a time, so that a flood ends where it is too much."""
        for start in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE_BYTES])
        if self.opening and len(self.protocol.reader.buffer) > _BEFORE_ANSWER_BYTES:
            self.transport.pause_reading()  # until the request is answered

    def process_event(self, event: Event) -> None:
        """Called for the request and for each frame; closes on a flood of frames, which no command limit sees.

        Pings are answered by the library without waiting for anybody to read the answers.
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
        """Close as the library does, and with this code also between the fragments of a message.

        There the library would say 1011. What the client still sends is read and dropped.
        """
        self._discard_input()
        if self.send_in_progress is None:
            await super().close(code, reason)
            return
        with suppress(ConnectionClosed):
            async with self.send_context():
                self.protocol.fail(code, reason)

    def _discard_input(self) -> None:
        # With nobody to take messages the library would stop reading: the client's part of the closing handshake would
        # not be seen, and a socket that is closed with unread data resets the connection before the client has read
        # why it was closed.
        self._discarding = True
        self.transport.resume_reading()

    async def keepalive(self) -> None:
        """Called by the library in a task of its own: pings, and ends a connection where neither pongs come nor data go.

        On a slow line a ping waits behind what was sent before it; who takes that is alive.
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

    @property
    def opening(self) -> bool:
        """Whether the client has not finished its handshake yet, or asks for a page."""
        return self.state is State.CONNECTING and not self.transport.is_closing()

    def resume_writing(self) -> None:
        """Called by asyncio when everything written has gone to the kernel (write_limit is 0)."""
        super().resume_writing()
        self.emptied += 1
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.takes_frame():
            write = next(iter(self._waiting))
            del self._waiting[write]
            write()

    def takes_frame(self) -> bool:
        """Whether a frame written now leaves at once."""
        if not self.direct:
            return self.state is State.OPEN and self._sending is None
        return (
            self.state is State.OPEN
            and self.send_in_progress is None
            and self._between_pieces.is_set()
            and self.transport.get_write_buffer_size() == 0
            and not self.transport.is_closing()
        )

    def write_frame(self, frame: Frame, form: StreamFormat, stream: int, skipped: bool) -> None:
        """Write a frame; `takes_frame` was true just now."""
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
        """Send a message as the library does, in the order of asking: also between the pieces of a file."""
        async with self._send_lock:
            await super().send(message, text=text)

    async def send_piece(self, head: bytes, file: FetchedFile, offset: int, size: int) -> None:
        """Send a binary message of a head and a part of a file, which is in no heap on its way.

        Raises:
            ConnectionClosed: the client is gone.
        """
        if not self.direct or self.transport.get_extra_info("sslcontext") is not None:  # TLS has to see the bytes
            await self.send(head + file.read(offset, size))
            return
        async with self._send_lock:
            if self.state is not State.OPEN:
                async with self.send_context():  # waits for the end, and raises
                    return
            self._between_pieces.clear()
            try:
                await self._write_piece(_wire_head(len(head) + size, text=False) + head, file, offset, size)
            except OSError:
                self.transport.abort()  # the client is gone: so says the next that is sent
            except BaseException:
                self.transport.abort()  # nothing can follow half a message
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
        """Called by the library to write what it has to say, pings and closes too: not in the middle of a piece."""
        if self._between_pieces.is_set():
            super().send_data()

    async def drain(self) -> None:
        """Called by the library to wait until what it said has left: the time for a pong is counted from then on."""
        await self._between_pieces.wait()
        await super().drain()

    def wait_for_room(self, write: Callable[[], None]) -> None:
        """Have `write` called as soon as a frame can leave."""
        self._waiting[write] = None

    def forget(self, write: Callable[[], None]) -> None:
        """Call `write` no more."""
        self._waiting.pop(write, None)

    @property
    def unsent(self) -> int:
        """Bytes that wait here for the client."""
        return self.transport.get_write_buffer_size()
