"""What happens at a camera, as values: from its process up to everybody who asked for events."""

from __future__ import annotations

from dataclasses import dataclass

from camera.errors import CameraError
from camera.model import ConfigValue, State

# -- what clients can subscribe to


@dataclass(frozen=True, slots=True)
class CameraConnected:
    """The camera was found, or is back; `model` is known once it was opened."""

    name: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class CameraGone:
    """The camera was unplugged, or does not answer any more."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The camera does something else; `attempts` to open it that failed, and `error`, only while it is not open."""

    state: State
    attempts: int | None = None
    error: CameraError | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """What will stop the camera soon, in sentences; none when all is well again."""

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileAdded:
    """The camera has a new file."""

    camera_filepath: str


@dataclass(frozen=True, slots=True)
class CaptureSaved:
    """A picture was saved on the server."""

    camera_filepath: str
    saved_path: str


@dataclass(frozen=True, slots=True)
class CaptureChecked:
    """The card was compared after a shot of unknown outcome; `files` is None where that was not possible."""

    at: str
    files: tuple[str, ...] | None
    message: str


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """A setting has another value; None where the camera did not say which."""

    config_name: str
    value: ConfigValue


@dataclass(frozen=True, slots=True)
class OtherCamera:
    """The camera that was opened, and released again, is not the expected one; it has this serial number."""

    serial: str


# The last one is for the registry, not for clients.
Happening = (
    CameraConnected
    | CameraGone
    | StateChanged
    | Warned
    | FileAdded
    | CaptureSaved
    | CaptureChecked
    | ConfigChanged
    | OtherCamera
)


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """Something that happened at the camera on a port."""

    port: str
    what: Happening


# -- what the server's side of a camera reports to the layer above


@dataclass(frozen=True, slots=True)
class Learned:
    """What cameras of this model turned out to have or not to have, by the names of `Capabilities`."""

    model: str
    can: dict[str, bool]


@dataclass(frozen=True, slots=True)
class LiveViewEnded:
    """The camera ended live view by itself."""


@dataclass(frozen=True, slots=True)
class CameraOpened:
    """A new process has opened the camera."""


@dataclass(frozen=True, slots=True)
class CameraLost:
    """The camera's process is not usable any more."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """The camera answers again, or does not any more; reported once each."""

    reachable: bool


@dataclass(frozen=True, slots=True)
class StateMayDiffer:
    """Something that the camera's state depends on has changed."""
