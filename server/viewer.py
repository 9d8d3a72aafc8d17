"""The newest frame on one websocket: at most one on its way and one waiting. The only file that knows websockets' inside.

What it relies on, beside the documented API: `Connection.transport`, `send_in_progress`, `connection_made`,
`data_received`, `process_event` and `resume_writing` (websockets/asyncio/connection.py). A message from the server is
not masked, so a frame is one run of bytes, the same for every viewer, written to the transport without passing the
library's own encoder. Where a version of the library has that inside no more, frames go through its `send`: dearer, and
right all the same.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import Event, State

from camera.model import Frame
from camera.turn import Turn
from protocol.frames import Parts, StreamFormat, encoded, is_text
from server import limits
from server.limits import TokenBucket

# What the kernel may hold unsent for one client: without it 40 frames wait there and the picture is seconds old.
_UNSENT_BYTES = 64 * 1024
# What is read of one client at a time: asyncio would take 256 KiB, and the tiny messages in it hold everybody up.
_RECEIVE_BYTES = 16 * 1024
_SLICE_BYTES = 2048
_TEXT, _BINARY, _FINAL = 0x1, 0x2, 0x80
# What a connection has to have for frames to be written past the library.
_INSIDE = ("transport", "send_in_progress")

_log = logging.getLogger("server.viewer")


def wire_message(payload: Parts, text: bool) -> bytes:
    """A whole WebSocket message of these parts, as it goes from server to client (RFC 6455, section 5.2)."""
    first, size = _FINAL | (_TEXT if text else _BINARY), sum(map(len, payload))
    if size < 126:
        head = struct.pack(">BB", first, size)
    elif size < 65536:
        head = struct.pack(">BBH", first, 126, size)
    else:
        head = struct.pack(">BBQ", first, 127, size)
    return b"".join((head, *payload))


def payload_alone(payload: Parts, text: bool) -> bytes:
    """The parts joined, for the library to make a message of."""
    return b"".join(payload)


class FrameConnection(ServerConnection):
    """A connection that takes frames when it has nothing else to send.

    Attributes:
        direct: frames are written to the transport; otherwise they are sent as any other message.
    """

    direct: bool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the client has connected."""
        super().connection_made(transport)
        self._waiting: dict[FrameSlot, None] = {}
        self._frames = TokenBucket(limits.FRAMES_A_SECOND, limits.FRAMES_A_SECOND)
        self._control_frames = TokenBucket(limits.CONTROL_FRAMES_A_SECOND, 2 * limits.CONTROL_FRAMES_A_SECOND)
        self._sending: asyncio.Task[None] | None = None
        missing = [name for name in _INSIDE if not hasattr(self, name)]
        self.direct = not missing
        if missing:
            _log.warning("this version of websockets has no %s: live view costs more CPU", ", ".join(missing))
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

    def process_event(self, event: Event) -> None:
        """Called for the request and for each frame; hangs up on a flood of frames, which no command limit sees.

        Pings are answered by the library without waiting for anybody to read the answers.
        """
        if isinstance(event, WireFrame):
            control = event.opcode in (Opcode.PING, Opcode.PONG)
            if not self._frames.take() or (control and not self._control_frames.take()):
                self.transport.abort()
                return
        super().process_event(event)

    @property
    def opening(self) -> bool:
        """Whether the client has not finished its handshake yet, or asks for a page."""
        return self.state is State.CONNECTING and not self.transport.is_closing()

    @property
    def address(self) -> str:
        """Where the client comes from: "local" for a Unix socket."""
        address = self.remote_address
        return str(address[0]) if isinstance(address, tuple) else "local"

    def resume_writing(self) -> None:
        """Called by asyncio when everything written has gone to the kernel (write_limit is 0)."""
        super().resume_writing()
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self.takes_frame():
            slot = next(iter(self._waiting))
            del self._waiting[slot]
            slot.write()

    def takes_frame(self) -> bool:
        """Whether a frame written now leaves at once."""
        if not self.direct:
            return self.state is State.OPEN and self._sending is None
        return (
            self.state is State.OPEN
            and self.send_in_progress is None
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

    def wait_for_room(self, slot: FrameSlot) -> None:
        """Have `slot.write` called as soon as a frame can leave."""
        self._waiting[slot] = None

    def forget(self, slot: FrameSlot) -> None:
        """Call `slot.write` no more."""
        self._waiting.pop(slot, None)

    @property
    def unsent(self) -> int:
        """Bytes that wait here for the client."""
        return self.transport.get_write_buffer_size()


class FrameSlot:
    """One stream of one client.

    Attributes:
        fps: the highest rate wanted.
        turn: how the picture is wanted.
        form: how frames are written.
        sent: frames written to the socket.
        dropped: frames that came while the client was not ready.
    """

    def __init__(
        self,
        connection: FrameConnection,
        stream: int,
        fps: float,
        form: StreamFormat,
        turn: Turn,
        max_in_flight: int | None,
        on_end: Callable[[str], None],
    ) -> None:
        self.stream = stream
        self.fps = fps
        self.turn = turn
        self.sent = 0
        self.dropped = 0
        self._connection = connection
        self.form: StreamFormat = form
        self._credit = max_in_flight
        self._in_flight: list[int] = []
        self._newest: Frame | None = None
        self._skipped = False
        self._on_end = on_end

    def offer(self, frame: Frame) -> None:
        """Send the frame now, or keep it until the client is ready; a newer one takes its place."""
        if self._newest is not None:
            self.dropped += 1
            self._skipped = True
        self._newest = frame
        if self._has_credit():
            if self._connection.takes_frame():
                self.write()
            else:
                self._connection.wait_for_room(self)

    def acknowledge(self, seq: int) -> None:
        """The client has frame `seq` and all before it."""
        self._in_flight = [sent for sent in self._in_flight if sent > seq]
        if self._newest is not None and self._has_credit():
            if self._connection.takes_frame():
                self.write()
            else:
                self._connection.wait_for_room(self)

    def write(self) -> None:
        """Write the newest frame to the socket."""
        frame, self._newest = self._newest, None
        if frame is None:
            return
        self._connection.write_frame(frame, self.form, self.stream, self._skipped)
        self._skipped = False
        self.sent += 1
        if self._credit is not None:
            self._in_flight.append(frame.seq)

    def ended(self, reason: str) -> None:
        """The camera sends no more."""
        self._on_end(reason)

    def close(self) -> None:
        """Send nothing more."""
        self._newest = None
        self._connection.forget(self)

    def _has_credit(self) -> bool:
        return self._credit is None or len(self._in_flight) < self._credit
