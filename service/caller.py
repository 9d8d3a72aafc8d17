"""A caller of the service: its selected camera, its subscriptions, and its live-view streams."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from camera.live_view import Viewer
from camera.orientation import Orientation
from camera.session import Session
from protocol.commands import EventName
from protocol.errors import RequestError
from protocol.frames import StreamFormat


@dataclass(eq=False, slots=True)
class Stream:
    """One live-view stream of one caller.

    Attributes:
        number: the number of the stream, unique for the caller.
        camera: the camera of the stream.
        fps: the highest frame rate, in frames per second.
        orientation: the orientation of the frames.
        format: the format of the frames.
        max_in_flight: the highest number of unacknowledged frames; None for no limit.
        viewer: receives the frames; set by the transport.
    """

    number: int
    camera: Session
    fps: float
    orientation: Orientation
    format: StreamFormat
    max_in_flight: int | None
    viewer: StreamViewer | None = None


class StreamViewer(Viewer, Protocol):
    """A transport's viewer of a stream.

    Attributes:
        sent: number of frames that were sent.
        dropped: number of frames that were skipped because the client was not ready.
    """

    sent: int
    dropped: int

    def close(self) -> None:
        """Stop sending."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event for a caller.

    Attributes:
        name, values: see protocol/events.py.
        about: identifies the subject of the event. An event that still waits is replaced by a newer event about the
            same subject. None: no event is replaced.
        message: the event as JSON, shared by all callers.
    """

    name: EventName
    values: dict[str, Any]
    about: Hashable | None
    message: bytes


@dataclass(eq=False, slots=True)
class Caller:
    """A sender of commands, with its selection, subscriptions and streams.

    Attributes:
        notify: receives the subscribed events; must not block.
        selected: the selected camera.
        subscribed: the subscribed events.
        streams: the live-view streams by number.
        held: subscribed events that wait until missed events were sent; None if events are passed on at once.
        left: whether the caller has disconnected. Nobody then waits for the replies to its commands.
    """

    notify: Callable[[Notice], None]
    selected: Session | None = None
    subscribed: set[EventName] = field(default_factory=set)
    streams: dict[int, Stream] = field(default_factory=dict)
    held: list[Notice] | None = None
    left: bool = False

    def take(self, notice: Notice) -> None:
        """Receive a subscribed event."""
        if self.held is None:
            self.notify(notice)
        else:
            self.held.append(notice)

    def taken_meanwhile(self) -> list[Notice]:
        """Remove and return the events that were held back."""
        held, self.held = self.held or [], []
        return held

    def go_on(self) -> None:
        """Pass the events that were held back on, and further events at once."""
        held, self.held = self.held, None
        for notice in held or ():
            self.notify(notice)

    def free_number(self, most: int) -> int:
        """An unused stream number.

        Raises:
            RequestError: too_many_pending, there are already `most` streams.
        """
        for number in range(1, most + 1):
            if number not in self.streams:
                return number
        raise RequestError("too_many_pending", f"This connection has {most} streams. Stop one first.", limit=most)

    def end(self, stream: Stream) -> tuple[int, int]:
        """End a stream. Returns the number of sent frames and the number of dropped frames."""
        self.streams.pop(stream.number, None)
        viewer = stream.viewer
        if viewer is None:
            return 0, 0
        stream.camera.live.remove(viewer)
        viewer.close()
        return viewer.sent, viewer.dropped

    def leave(self) -> None:
        """Called when the caller has disconnected. Ends its streams.

        Its captures that have not started are then dropped, except captures with a `key`.
        """
        self.left = True
        for stream in tuple(self.streams.values()):
            if stream.viewer is not None:
                stream.viewer.close()
        for stream in tuple(self.streams.values()):
            self.end(stream)
