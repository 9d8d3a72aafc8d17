"""Live view over HTTP: JPEGs one after the other in one response (multipart/x-mixed-replace), as for `<img src>`."""

from __future__ import annotations

import asyncio
import logging

from camera.model import Frame
from server.frame_connection import FrameConnection
from service.caller import Stream

_log = logging.getLogger("server.http_stream")

_BOUNDARY = b"frame"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"


class HttpViewer:
    """A viewer over HTTP. It gets the newest frame whenever its connection has sent everything.

    Args:
        socket: its connection.
        stream: the requested stream.

    Attributes:
        fps: the highest frame rate, in frames per second.
        orientation: the orientation of the frames.
        sent: number of frames written to the socket.
        dropped: number of frames that were skipped because the client was not ready.
        finished: set when the stream has ended because of the camera, or because the viewer was dropped.
    """

    def __init__(self, socket: FrameConnection, stream: Stream) -> None:
        self.socket = socket
        self.fps = stream.fps
        self.orientation = stream.orientation
        self.sent = 0
        self.dropped = 0
        self.finished = asyncio.Event()
        self._newest: Frame | None = None

    def offer(self, frame: Frame) -> None:
        """Send the frame now, or store it until the client is ready. A newer frame replaces a stored frame."""
        self.dropped += self._newest is not None
        self._newest = frame
        if self.socket.takes_frame():
            self._write()
        else:
            self.socket.wait_for_room(self._write)

    def _write(self) -> None:
        frame, self._newest = self._newest, None
        if frame is not None:
            self.socket.transport.write(_part(frame))
            self.sent += 1

    def ended(self, reason: str) -> None:
        """Called when the stream has ended because of the camera."""
        _log.info("%s: the HTTP stream has ended: %s", self.socket.address, reason)
        self.finished.set()

    def close(self) -> None:
        """Stop sending."""
        self._newest = None
        self.socket.forget(self._write)

    def drop(self, why: str) -> None:
        """End the connection."""
        _log.warning("%s: the HTTP stream was ended (%s)", self.socket.address, why)
        self.socket.transport.abort()
        self.finished.set()


def opening_boundary() -> bytes:
    """The start of the body of a stream."""
    return b"--" + _BOUNDARY + b"\r\n"


def _part(frame: Frame) -> bytes:
    """One frame as a part of the response. It is built once for all viewers.

    The boundary follows the frame at once: browsers show a frame only after the boundary.
    """
    part: bytes | None = frame.encodings.get(HttpViewer)
    if part is None:
        head = (
            f"Content-Type: image/jpeg\r\nContent-Length: {len(frame.data)}\r\n"
            f"X-Timestamp: {frame.time_us / 1e6:.6f}\r\n\r\n"
        )
        part = b"".join((head.encode(), frame.data, b"\r\n", opening_boundary()))
        frame.encodings[HttpViewer] = part
    return part
