"""Events of a camera, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from camera.errors import CameraError
from camera.model import ConfigValue, MovieEnd, State

# -- events for clients


@dataclass(frozen=True, slots=True)
class CameraConnected:
    """The camera was found or connected again; `model` is None if it was never opened."""

    name: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class CameraGone:
    """The camera was unplugged or no longer answers."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state of the camera changed.

    `attempts` (the number of failed attempts to open the camera) and `error` are set only while the camera is not open.
    """

    state: State
    attempts: int | None = None
    error: CameraError | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Problems that will soon make the camera unusable, one sentence each; empty when all are solved."""

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileAdded:
    """The camera has a new file."""

    camera_filepath: str


@dataclass(frozen=True, slots=True)
class CaptureSaved:
    """A picture was saved on the server.

    `shot` is the number of the shot, None if it could not be recorded; `job` is the name of the job, None if there is none.
    """

    camera_filepath: str
    saved_path: str
    shot: int | None
    job: str | None


@dataclass(frozen=True, slots=True)
class CaptureChecked:
    """The card was checked after a shot with an unknown outcome.

    `files` contains the new files on the card, and the files that were saved before the interruption. It is None if the
    files could not be determined.
    """

    at: str
    files: tuple[str, ...] | None
    message: str
    shot: int | None


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """The value of a setting changed; `value` is None if the camera did not report it."""

    config_name: str
    value: ConfigValue


@dataclass(frozen=True, slots=True)
class ExposureStarted:
    """The shutter has opened for a bulb exposure of `bulb_s` seconds; it closes at `ends_at` (ISO 8601, UTC)."""

    bulb_s: float
    ends_at: str


@dataclass(frozen=True, slots=True)
class ExposureEnded:
    """The shutter has closed after a bulb exposure of `exposed_s` seconds; `aborted`: stopped or interrupted."""

    exposed_s: float
    aborted: bool


@dataclass(frozen=True, slots=True)
class MovieStarted:
    """The camera has started to record a movie of `max_s` seconds at most; times are ISO 8601 in UTC."""

    max_s: float
    started_at: str
    ends_at: str


@dataclass(frozen=True, slots=True)
class MovieEnded:
    """The camera no longer records a movie; `recorded_s` is its length in seconds, `reason` why it has ended."""

    recorded_s: float
    reason: MovieEnd


@dataclass(frozen=True, slots=True)
class OtherCamera:
    """The opened camera is not the expected camera, and was closed again; `serial` is its serial number."""

    serial: str


# Clients get all of these except OtherCamera, which is for the registry.
Happening = (
    CameraConnected
    | CameraGone
    | StateChanged
    | Warned
    | FileAdded
    | CaptureSaved
    | CaptureChecked
    | ConfigChanged
    | ExposureStarted
    | ExposureEnded
    | MovieStarted
    | MovieEnded
    | OtherCamera
)


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """An event of the camera on a port."""

    port: str
    what: Happening


# -- events from the parts of one camera to its session


@dataclass(frozen=True, slots=True)
class Learned:
    """Capabilities that were tried (their names in `Capabilities`), and whether cameras of this model have them."""

    model: str
    can: dict[str, bool]


@dataclass(frozen=True, slots=True)
class LiveViewEnded:
    """Live view ended, because the camera or its driver no longer provides it."""


@dataclass(frozen=True, slots=True)
class CameraOpened:
    """A new camera process has opened the camera.

    `shutter_closed`, `movie_stopped`: whether it first closed the shutter or stopped a movie, because an earlier process
    may have left them so.
    """

    shutter_closed: bool = False
    movie_stopped: bool = False


@dataclass(frozen=True, slots=True)
class CameraLost:
    """The camera process can no longer be used."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """The camera answers again, or no longer answers; emitted once for each change."""

    reachable: bool


@dataclass(frozen=True, slots=True)
class StateMayDiffer:
    """Something changed that may affect the state of the camera."""
