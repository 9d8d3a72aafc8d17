"""Camera errors, named by what the caller can do about them.

CameraError
├── CameraRefused         read the message: the camera or its driver refused for a reason that has no class here
├── CameraBusy            wait a moment and try again
│   ├── CameraExposing    wait for the end of the bulb exposure, or stop it
│   ├── CameraRecording   wait for the end of the movie, or stop it
│   ├── NotReady          allow more time before the deadline of the volley
│   └── CaptureAbandoned  nothing: the client disconnected before its capture started
├── CameraTimeout         the camera did not answer in time; the server opens it again
├── CameraIO              the transfer failed; try again
│   ├── OutOfStep         the answers no longer match the requests; the server opens the camera again
│   └── NoPermission      allow the server to use the device
├── CameraNotFound        choose another port, or plug in the camera
├── CameraDisconnected    plug in the camera or switch it on
│   ├── CameraUnreachable opening the camera failed, for the reason in `cause`
│   └── PortGone          plug in the camera or switch it on; its USB port no longer exists
├── CameraClaimed         stop the other program that uses the camera
├── NotSupported          do not try again
│   ├── NoDriver          choose another driver
│   ├── ShutterStaysOpen  use capture to release the shutter
│   └── MovieStaysOn      start and stop movies as movies
├── BulbUnavailable       turn the mode dial, or use one of the camera's own shutter speeds
├── NoExposure            start a bulb exposure first
├── MovieUnavailable      do what `how` says: switch the camera to movies, or change its card
├── NoMovie               start a movie first
├── MovieStuck            nothing: the server opens the camera again, which stops the movie
├── Cancelled             the operation was cancelled on the camera
├── CaptureUnknown        check the card before the next capture
│   └── ShutterStuck      the same; the server opens the camera again, which closes the shutter
├── NotRecorded           capture without a key, or look at the server's log
├── ConfigNotFound        choose another name
├── ConfigReadonly        change the camera's mode first
├── InvalidValue          choose another value
│   └── ValueVetoed       the camera reported no error, but has another value
├── FileNotFound          choose another file
│   └── NoImage           take a picture first
├── InvalidPath           correct the path
│   └── NoSuchPath        use paths as the camera lists them
├── CardFull              free space on the card
├── DiskFull              free space on the server's disk
├── FolderNotWritable     allow the server to write to its photo folder
├── LiveViewNotRunning    start live view first
└── LiveViewNeeded        start live view first, and keep it running

The code that handles an error decides by its class and attributes. protocol/errors.py creates the errors that clients
receive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from camera.model import ConfigValue, State


@dataclass(frozen=True, slots=True)
class GpFailure:
    """An error of libgphoto2: its negative code (for example -110) and its message, which may be empty."""

    code: int
    text: str = ""

    def __str__(self) -> str:
        return f"libgphoto2 {self.code}: {self.text}" if self.text else f"libgphoto2 {self.code}"


@dataclass(eq=False)
class CameraError(Exception):
    """Base class of all errors of a camera.

    Attributes:
        message: text for people: what happened and what to do.
        gp: the error of libgphoto2 that caused this error, if any.
        doing: the operation that failed, in one word, for example "capture".
        state: the state of the camera; None while the camera is open.
        put_back: names of the settings that were restored after a failed shot.
        warnings: further problems, one sentence each.
        shot: the number of the record of a failed shot; None if it was not recorded.
    """

    message: str
    gp: GpFailure | None = field(default=None, kw_only=True)
    doing: str | None = field(default=None, kw_only=True)
    state: State | None = field(default=None, kw_only=True)
    put_back: tuple[str, ...] | None = field(default=None, kw_only=True)
    warnings: tuple[str, ...] | None = field(default=None, kw_only=True)
    shot: int | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.message


class CameraRefused(CameraError):
    """The camera or its driver refused the operation, for a reason that has no class of its own."""


class CameraBusy(CameraError):
    """The camera is busy; nothing was done."""


@dataclass(eq=False)
class CameraExposing(CameraBusy):
    """The camera makes a bulb exposure until `ends_at` (ISO 8601, UTC), or still processes it. Nothing was done."""

    ends_at: str | None = field(default=None, kw_only=True)


class NotReady(CameraBusy):
    """The camera was not ready at the deadline at which it should have been released. It was not released."""


NO_TIME_FOR_MIRROR = (
    "The camera raises its mirror before the picture, and there was not enough time for that before the deadline, so it was"
    " not released. Without mirror lock-up, less time is enough."
)


@dataclass(eq=False)
class CameraRecording(CameraBusy):
    """The camera records a movie from `started_at` until `ends_at` (ISO 8601, UTC) at most, and nothing was done.

    Without these times, the camera still writes the file of a movie.
    """

    started_at: str | None = field(default=None, kw_only=True)
    ends_at: str | None = field(default=None, kw_only=True)


class CaptureAbandoned(CameraBusy):
    """The client disconnected before its capture started, so nothing was done."""


class NotRecorded(CameraError):
    """The client sent a key with the capture, but the server cannot record the shot with its key. Nothing was done."""


class CameraTimeout(CameraError):
    """The camera did not answer within the deadline."""


class CameraIO(CameraError):
    """The data transfer with the camera failed."""


class OutOfStep(CameraIO):
    """The data from the camera does not match the request."""


@dataclass(eq=False)
class NoPermission(CameraIO):
    """The server has no permission to use the camera's device file."""

    node: str = field(default="", kw_only=True)


@dataclass(eq=False)
class CameraNotFound(CameraError):
    """There is no camera on the requested port; `ports` lists the ports with a camera."""

    ports: tuple[str, ...] | None = field(default=None, kw_only=True)


class CameraDisconnected(CameraError):
    """The camera is disconnected or no longer answers."""


@dataclass(eq=False)
class CameraUnreachable(CameraDisconnected):
    """The camera is not open because of the error `cause`; attempts to open it continue."""

    cause: CameraError | None = field(default=None, kw_only=True)


class PortGone(CameraDisconnected):
    """The USB port of the camera no longer exists: the camera was unplugged or switched off."""


@dataclass(eq=False)
class CameraClaimed(CameraError):
    """Another program uses the camera; `holders` lists the programs with their process ids, if they are known."""

    holders: tuple[str, ...] | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class NotSupported(CameraError):
    """The camera or its driver does not support the request; `similar` lists similar names of settings or drivers."""

    config_name: str | None = field(default=None, kw_only=True)
    similar: tuple[str, ...] | None = field(default=None, kw_only=True)


class Cancelled(CameraError):
    """The operation was cancelled by the camera, or by a person at the camera."""


class NoDriver(NotSupported):
    """libgphoto2 has no driver with that name for the port."""


class ShutterStaysOpen(NotSupported):
    """The value would open the shutter or press the shutter button, and nothing would close or release it again."""


class MovieStaysOn(NotSupported):
    """The value would start a movie, and nothing would stop it."""


@dataclass(eq=False)
class BulbUnavailable(CameraError):
    """The camera cannot make a bulb exposure now, and the shutter did not open; `how` says what to do."""

    how: str = field(default="", kw_only=True)


class NoExposure(CameraError):
    """A bulb exposure should be stopped, but none is in progress."""


@dataclass(eq=False)
class MovieUnavailable(CameraError):
    """The camera cannot record a movie now, and none was started; `how` says what to do."""

    how: str = field(default="", kw_only=True)


class NoMovie(CameraError):
    """A movie should be stopped, but none is in progress."""


class MovieStuck(CameraError):
    """The movie could not be stopped. The server opens the camera again, which stops it."""


@dataclass(eq=False)
class CaptureUnknown(CameraError):
    """The shutter may have fired, but no file was found; `reason` is the error that occurred.

    Do not capture again without asking the user.
    """

    reason: str | None = field(default=None, kw_only=True)


class ShutterStuck(CaptureUnknown):
    """The shutter could not be closed after a bulb exposure. The server opens the camera again, which closes it."""


CAPTURE_UNKNOWN = "The shutter may have fired, but its picture was not seen. Look at the camera's storage before you take another picture."


@dataclass(eq=False)
class ConfigNotFound(CameraError):
    """The camera has no setting with that name; `similar` lists similar names."""

    config_name: str = field(default="", kw_only=True)
    similar: tuple[str, ...] | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ConfigReadonly(CameraError):
    """The camera does not allow a change of this setting now."""

    config_name: str = field(default="", kw_only=True)


@dataclass(eq=False)
class InvalidValue(CameraError):
    """The setting does not accept the value; `choices`, `range` (min, max, step) or `type` describe what it accepts."""

    config_name: str = field(default="", kw_only=True)
    choices: tuple[str, ...] | None = field(default=None, kw_only=True)
    range: dict[str, float] | None = field(default=None, kw_only=True)
    type: str | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ValueVetoed(InvalidValue):
    """The camera reported no error, but the setting has another value: `value`."""

    value: ConfigValue = field(default=None, kw_only=True)


class FileNotFound(CameraError):
    """The camera has no file or folder with this path."""


class NoImage(FileNotFound):
    """No picture has been taken yet."""


@dataclass(eq=False)
class InvalidPath(CameraError):
    """The path is not absolute, or the path or the name contains parts that are not allowed."""

    camera_filepath: str | None = field(default=None, kw_only=True)
    filename: str | None = field(default=None, kw_only=True)


class NoSuchPath(InvalidPath):
    """No file on the camera can have this path."""


class CardFull(CameraError):
    """The card has no space for another picture."""


@dataclass(eq=False)
class DiskFull(CameraError):
    """The server's disk has no space for the picture; `free` is the number of free bytes."""

    free: int | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class FolderNotWritable(CameraError):
    """The server cannot write to its photo `folder`; `fix` is a shell command that solves this, or empty."""

    folder: str = field(default="", kw_only=True)
    fix: str = field(default="", kw_only=True)


class LiveViewNotRunning(CameraError):
    """There is no stream to stop."""


class LiveViewNeeded(CameraError):
    """The camera does this only while live view runs. Nothing was done."""


def kinds(root: type[CameraError] = CameraError) -> list[type[CameraError]]:
    """`root` and all its direct and indirect subclasses."""
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]
