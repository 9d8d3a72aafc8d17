"""Events of the cameras: frozen dataclasses, and an asynchronous iterator."""

from __future__ import annotations

from asyncio import Event as Flag
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, get_args

from gphoto_ws_client.decode import decode
from gphoto_ws_client.errors import GphotoWsError, UnexpectedReply
from gphoto_ws_client.link import Json
from gphoto_ws_client.replies import ImageFile, JobState, State

EventName = Literal[
    "camera_connected", "camera_disconnected", "camera_state", "file_added", "config_changed", "capture_saved",
    "capture_checked", "camera_warning", "live_view_stopped", "exposure_started", "exposure_ended", "job_state", "job_shot",
    "movie_started", "movie_ended",
]  # fmt: skip
EVENT_NAMES: tuple[EventName, ...] = get_args(EventName)
RECONNECTED = "reconnected"

# Limit for waiting events. If more events wait, the oldest events are dropped and counted in `missed`.
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """An event.

    Attributes:
        event: the name of the event.
        time: when the server sent the event, ISO 8601 in UTC; None for `reconnected`, which comes from the client.
        port: the port of the camera.
        seq: the number of the event in the server's log; None for events of this connection only.
    """

    event: str
    time: str | None = None
    port: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class CameraConnected(Event):
    name: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class CameraDisconnected(Event):
    pass


@dataclass(frozen=True, slots=True)
class CameraState(Event):
    state: State | None = None


@dataclass(frozen=True, slots=True)
class FileAdded(Event):
    """A new picture, taken by the server or with the camera's own button."""

    camera_filepath: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChanged(Event):
    """A setting changed, by a command or on the camera. `value` is None if the camera did not report it."""

    config_name: str = ""
    value: str | int | float | None = None


@dataclass(frozen=True, slots=True)
class CaptureSaved(Event):
    """A picture was saved on the server. `shot` is the number of the shot, `job` the name of the job."""

    camera_filepath: str = ""
    saved_path: str = ""
    shot: int | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class CaptureChecked(Event):
    """The result of the check after a shot with an unknown outcome. `files` is None if the new files are unknown."""

    at: str = ""
    files: tuple[str, ...] | None = None
    message: str = ""
    shot: int | None = None


@dataclass(frozen=True, slots=True)
class ExposureStarted(Event):
    """The shutter has opened for a bulb exposure of `bulb_s` seconds; it closes at `ends_at`."""

    bulb_s: float = 0.0
    ends_at: str = ""


@dataclass(frozen=True, slots=True)
class ExposureEnded(Event):
    """The shutter has closed after `exposed_s` seconds; `aborted`: earlier than planned, or after a loss."""

    exposed_s: float = 0.0
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class MovieStarted(Event):
    """The camera has started to record a movie, which ends at `ends_at` at the latest, after `max_s` seconds."""

    max_s: float = 0.0
    started_at: str = ""
    ends_at: str = ""


@dataclass(frozen=True, slots=True)
class MovieEnded(Event):
    """The camera no longer records.

    `recorded_s` is the length of the movie in seconds, and `reason` is stopped, max_s, card_full, camera or interrupted.
    """

    recorded_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CameraWarning(Event):
    """Problems that will soon stop the camera, one sentence each. `warnings` is empty if no problem is left."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobStateChanged(Event):
    """A job has started or ended, or waits for something."""

    job: int = 0
    state: JobState | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobShot(Event):
    """Slot `n` of a job has passed; if several slots were skipped together, `last` is the last of them.

    `late_ms`: how much later than `due` the release was commanded.
    """

    job: int = 0
    n: int = 0
    last: int | None = None
    due: str = ""
    late_ms: float | None = None
    status: Literal["ok", "error", "skipped"] = "ok"
    code: str | None = None
    message: str | None = None
    files: tuple[ImageFile, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveViewEnded(Event):
    """The server ended a stream of this connection; `reason` is an error code."""

    stream: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reconnected(Event):
    """The connection was lost and is restored.

    `recovered`: whether the events that were missed meanwhile follow. If not, they are lost, so read the state anew.
    """

    recovered: bool = False


_KINDS: Mapping[str, type[Event]] = {
    "camera_connected": CameraConnected,
    "camera_disconnected": CameraDisconnected,
    "camera_state": CameraState,
    "file_added": FileAdded,
    "config_changed": ConfigChanged,
    "capture_saved": CaptureSaved,
    "capture_checked": CaptureChecked,
    "camera_warning": CameraWarning,
    "exposure_started": ExposureStarted,
    "exposure_ended": ExposureEnded,
    "job_state": JobStateChanged,
    "job_shot": JobShot,
    "movie_started": MovieStarted,
    "movie_ended": MovieEnded,
    "live_view_stopped": LiveViewEnded,
    RECONNECTED: Reconnected,
}


def parse_event(message: Json) -> Event:
    """The event in a message. An event that this version does not know, or cannot decode, becomes a plain Event.

    Raises:
        UnexpectedReply: the name or the time of the event is not valid.
    """
    plain = decode(Event, {"event": message["event"], "time": message.get("time")})
    try:
        return decode(_KINDS.get(plain.event, Event), message)
    except UnexpectedReply:
        return plain


class Events:
    """Events with the given names: `async with client.events("file_added") as events: async for event in events: ...`.

    Attributes:
        missed: number of events that were dropped because this program did not read them in time.
    """

    def __init__(
        self,
        names: frozenset[str],
        enter: Callable[[Events], Awaitable[None]],
        leave: Callable[[Events], Awaitable[None]],
    ) -> None:
        self.names = names
        self.missed = 0
        self._enter, self._leave = enter, leave
        self._waiting: deque[Event] = deque()
        self._end: GphotoWsError | None = None
        self._news = Flag()

    async def __aenter__(self) -> Self:
        await self._enter(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            GphotoWsError: the connection is lost permanently.
        """
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def take(self, event: Event) -> None:
        """Receive an event."""
        if event.event in self.names:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self.missed += 1
            self._waiting.append(event)
            self._news.set()

    def over(self, error: GphotoWsError) -> None:
        """End the iteration with this error."""
        self._end = error
        self._news.set()
