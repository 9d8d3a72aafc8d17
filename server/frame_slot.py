"""One live-view stream of one client: keeps the newest frame and sends it when the client is ready."""

from __future__ import annotations

from collections.abc import Callable

from camera.model import Frame
from protocol.frames import StreamFormat
from server.frame_connection import FrameConnection
from service.caller import Stream


class FrameSlot:
    """The viewer of a stream for one client.

    Args:
        connection: the connection of the client.
        stream: the requested stream.
        on_end: called with the reason when the stream ends because of the camera.

    Attributes:
        fps: the highest frame rate, in frames per second.
        orientation: the orientation of the frames.
        sent: number of frames written to the socket.
        dropped: number of frames that were skipped because the client was not ready.
    """

    def __init__(self, connection: FrameConnection, stream: Stream, on_end: Callable[[str], None]) -> None:
        self.fps = stream.fps
        self.orientation = stream.orientation
        self.sent = 0
        self.dropped = 0
        self._connection = connection
        self._number = stream.number
        self._format: StreamFormat = stream.format
        self._credit = stream.max_in_flight
        self._in_flight: list[int] = []
        self._newest: Frame | None = None
        self._skipped = False
        self._on_end = on_end

    def offer(self, frame: Frame) -> None:
        """Send the frame now, or store it until the client is ready. A newer frame replaces a stored frame."""
        if self._newest is not None:
            self.dropped += 1
            self._skipped = True
        self._newest = frame
        if self._has_credit():
            if self._connection.takes_frame():
                self.write()
            else:
                self._connection.wait_for_room(self.write)

    def acknowledge(self, seq: int) -> None:
        """Called when the client has received frame `seq` and all earlier frames."""
        self._in_flight = [sent for sent in self._in_flight if sent > seq]
        if self._newest is not None and self._has_credit():
            if self._connection.takes_frame():
                self.write()
            else:
                self._connection.wait_for_room(self.write)

    def write(self) -> None:
        """Write the newest frame to the socket."""
        frame, self._newest = self._newest, None
        if frame is None:
            return
        self._connection.write_frame(frame, self._format, self._number, self._skipped)
        self._skipped = False
        self.sent += 1
        if self._credit is not None:
            self._in_flight.append(frame.seq)

    def ended(self, reason: str) -> None:
        """Called when the stream has ended because of the camera."""
        self._on_end(reason)

    def close(self) -> None:
        """Stop sending."""
        self._newest = None
        self._connection.forget(self.write)

    def _has_credit(self) -> bool:
        return self._credit is None or len(self._in_flight) < self._credit
