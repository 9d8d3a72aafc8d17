"""The newest frame on one websocket: at most one on its way and one waiting. The only file that knows websockets' inside.

What it relies on, beside the documented API: `Connection.transport`, `send_in_progress`, `connection_made` and
`resume_writing` (websockets/asyncio/connection.py). A message from the server is not masked, so a frame is one run
of bytes, the same for every viewer, written to the transport without passing the library's own encoder.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from camera.model import Frame
from camera.turn import Turn
from protocol.frames import StreamFormat, encoded

# What the kernel may hold unsent for one client: without it 40 frames wait there and the picture is seconds old.
_UNSENT_BYTES = 64 * 1024
_TEXT, _BINARY, _FINAL = 0x1, 0x2, 0x80


def wire_message(payload: bytes, text: bool) -> bytes:
    """A whole WebSocket message, as it goes from server to client (RFC 6455, section 5.2)."""
    first, size = _FINAL | (_TEXT if text else _BINARY), len(payload)
    if size < 126:
        head = struct.pack(">BB", first, size)
    elif size < 65536:
        head = struct.pack(">BBH", first, 126, size)
    else:
        head = struct.pack(">BBQ", first, 127, size)
    return head + payload


class FrameConnection(ServerConnection):
    """A connection that takes frames when it has nothing else to send."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the client has connected."""
        super().connection_made(transport)
        self._waiting: dict[FrameSlot, None] = {}
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)

    def resume_writing(self) -> None:
        """Called by asyncio when everything written has gone to the kernel (write_limit is 0)."""
        super().resume_writing()
        while self._waiting and self.takes_frame():
            slot = next(iter(self._waiting))
            del self._waiting[slot]
            slot.write()

    def takes_frame(self) -> bool:
        """Whether a frame written now leaves at once."""
        return (
            self.state is State.OPEN
            and self.send_in_progress is None
            and self.transport.get_write_buffer_size() == 0
            and not self.transport.is_closing()
        )

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
        message = encoded(frame, self.form, self.stream, self._skipped, wire_message)
        self._connection.transport.write(message)
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
