"""One asker: the camera it selected, its subscriptions, its live-view streams."""

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
        number: of the stream, for this caller.
        camera: that it shows.
        fps: the highest rate wanted, frames per second.
        orientation: how the picture is wanted.
        format: how frames are written.
        max_in_flight: how many frames may wait for an acknowledgement; None: any number.
        viewer: gets the frames, once the transport has made it.
    """

    number: int
    camera: Session
    fps: float
    orientation: Orientation
    format: StreamFormat
    max_in_flight: int | None
    viewer: StreamViewer | None = None


class StreamViewer(Viewer, Protocol):
    """What a transport makes of a stream. `sent` and `dropped` count frames."""

    sent: int
    dropped: int

    def close(self) -> None:
        """Send nothing more."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event for a caller.

    Attributes:
        name, values: as in protocol/events.py.
        about: what it is the newest of; an older one about the same says nothing more.
        message: the same as JSON, which all callers share.
    """

    name: EventName
    values: dict[str, Any]
    about: Hashable | None
    message: bytes


@dataclass(eq=False, slots=True)
class Caller:
    """Somebody who sends commands.

    Attributes:
        notify: gets the events that it subscribed to, at once and without waiting.
        selected: the camera that its commands are for.
        subscribed: events it asked for.
        streams: its live-view streams, by number.
    """

    notify: Callable[[Notice], None]
    selected: Session | None = None
    subscribed: set[EventName] = field(default_factory=set)
    streams: dict[int, Stream] = field(default_factory=dict)

    def free_number(self, most: int) -> int:
        """A free stream number.

        Raises:
            RequestError: too_many_pending, it has `most` streams.
        """
        for number in range(1, most + 1):
            if number not in self.streams:
                return number
        raise RequestError("too_many_pending", f"This connection has {most} streams. Stop one first.", limit=most)

    def end(self, stream: Stream) -> tuple[int, int]:
        """End a stream; frames sent and dropped."""
        self.streams.pop(stream.number, None)
        viewer = stream.viewer
        if viewer is None:
            return 0, 0
        stream.camera.live.remove(viewer)
        viewer.close()
        return viewer.sent, viewer.dropped

    def leave(self) -> None:
        """It asks nothing more: its streams end."""
        for stream in tuple(self.streams.values()):
            if stream.viewer is not None:
                stream.viewer.close()
        for stream in tuple(self.streams.values()):
            self.end(stream)
