"""Camera errors, named by what the caller can do about them.

CameraError
├── CameraRefused         look at the message: the camera or its driver gave another reason
├── CameraBusy            wait a moment and try again
├── CameraTimeout         the camera did not answer in time; it is being opened again
├── CameraIO              the transfer broke; try again
│   ├── OutOfStep         its answers no longer fit the questions; it is being opened again
│   └── NoPermission      let the server use the device
├── CameraNotFound        choose another port, or plug it in
├── CameraDisconnected    plug it in or switch it on
│   └── CameraUnreachable opening it failed, for the reason in `cause`
├── CameraClaimed         end the other program
├── NotSupported          stop trying
│   ├── NoDriver          choose another driver
│   └── ShutterStaysOpen  release the shutter by a capture
├── Cancelled             it was cancelled at the camera
├── CaptureUnknown        look at the card before shooting again
├── ConfigNotFound        choose another name
├── ConfigReadonly        change the camera's mode first
├── InvalidValue          choose another value
│   └── ValueVetoed       the camera kept the value that it had
├── FileNotFound          choose another file
│   └── NoImage           take a picture first
├── InvalidPath           correct the path
│   └── NoSuchPath        send paths as the camera's folders list them
├── CardFull              make room on the card
├── DiskFull              make room on the server's disk
├── FolderNotWritable     let the server write to its photo folder
└── LiveViewNotRunning    start it first

The class and the attributes decide what the program does. What clients get of them is made in protocol/errors.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from camera.model import ConfigValue, State


@dataclass(frozen=True, slots=True)
class GpFailure:
    """What libgphoto2 said: its negative result code (-110) and its text, which may be empty."""

    code: int
    text: str = ""

    def __str__(self) -> str:
        return f"libgphoto2 {self.code}: {self.text}" if self.text else f"libgphoto2 {self.code}"


@dataclass(eq=False)
class CameraError(Exception):
    """Anything a camera could not do.

    Attributes:
        message: what happened and what to do, for a person.
        gp: what libgphoto2 said, where the error comes from it.
        doing: what was tried, in a word, for example "capture".
        state: of a camera that is not open, what it is doing.
        put_back: the settings that were put back after a shot that failed.
        warnings: what went wrong besides, in sentences.
    """

    message: str
    gp: GpFailure | None = field(default=None, kw_only=True)
    doing: str | None = field(default=None, kw_only=True)
    state: State | None = field(default=None, kw_only=True)
    put_back: tuple[str, ...] | None = field(default=None, kw_only=True)
    warnings: tuple[str, ...] | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.message


class CameraRefused(CameraError):
    """The camera or its driver refused, for a reason without a class of its own."""


class CameraBusy(CameraError):
    """The camera does something else; nothing was done."""


class CameraTimeout(CameraError):
    """The camera did not answer within the deadline."""


class CameraIO(CameraError):
    """The transfer to or from the camera broke."""


class OutOfStep(CameraIO):
    """What the camera sent does not fit what it was asked."""


@dataclass(eq=False)
class NoPermission(CameraIO):
    """The server may not use the device file of the camera."""

    node: str = field(default="", kw_only=True)


@dataclass(eq=False)
class CameraNotFound(CameraError):
    """No camera is on that port; `ports` have one."""

    ports: tuple[str, ...] | None = field(default=None, kw_only=True)


class CameraDisconnected(CameraError):
    """The camera was there and is gone, or does not answer any more."""


@dataclass(eq=False)
class CameraUnreachable(CameraDisconnected):
    """The camera is not open, because of the error `cause`; it is tried again."""

    cause: CameraError | None = field(default=None, kw_only=True)


class CameraClaimed(CameraError):
    """Another program holds the camera."""


@dataclass(eq=False)
class NotSupported(CameraError):
    """This camera, or its driver, cannot do that; `similar` names what comes near."""

    config_name: str | None = field(default=None, kw_only=True)
    similar: tuple[str, ...] | None = field(default=None, kw_only=True)


class Cancelled(CameraError):
    """The camera, or a person at it, cancelled the operation."""


class NoDriver(NotSupported):
    """libgphoto2 has no driver of that name for the port."""


class ShutterStaysOpen(NotSupported):
    """It would open the shutter or hold its button, and nothing would end that."""


@dataclass(eq=False)
class CaptureUnknown(CameraError):
    """The shutter may have fired and its file was not seen, for this `reason`. Never fire again without asking."""

    reason: str | None = field(default=None, kw_only=True)


CAPTURE_UNKNOWN = "The shutter may have fired, but its picture was not seen. Look at the camera's storage before you take another picture."


@dataclass(eq=False)
class ConfigNotFound(CameraError):
    """The camera has no setting of that name; `similar` names near ones."""

    config_name: str = field(default="", kw_only=True)
    similar: tuple[str, ...] | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ConfigReadonly(CameraError):
    """The camera does not let this setting be changed at the moment."""

    config_name: str = field(default="", kw_only=True)


@dataclass(eq=False)
class InvalidValue(CameraError):
    """The setting does not take the value; `choices`, `range` (min, max, step) or `type` say what it takes."""

    config_name: str = field(default="", kw_only=True)
    choices: tuple[str, ...] | None = field(default=None, kw_only=True)
    range: dict[str, float] | None = field(default=None, kw_only=True)
    type: str | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ValueVetoed(InvalidValue):
    """The camera was given the value and kept another one: `value`."""

    value: ConfigValue = field(default=None, kw_only=True)


class FileNotFound(CameraError):
    """The camera has no such file or folder."""


class NoImage(FileNotFound):
    """No picture was taken yet."""


@dataclass(eq=False)
class InvalidPath(CameraError):
    """The path is not an absolute path of plain names, or the name is not a plain file name."""

    camera_filepath: str | None = field(default=None, kw_only=True)
    filename: str | None = field(default=None, kw_only=True)


class NoSuchPath(InvalidPath):
    """No file of the camera can have this path."""


class CardFull(CameraError):
    """The card has no room for another shot."""


@dataclass(eq=False)
class DiskFull(CameraError):
    """The server has no room for the picture; `free` bytes are left."""

    free: int | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class FolderNotWritable(CameraError):
    """The server cannot write to its photo `folder`; `fix` says what repairs it."""

    folder: str = field(default="", kw_only=True)
    fix: str = field(default="", kw_only=True)


class LiveViewNotRunning(CameraError):
    """There is no stream to stop."""


def kinds(root: type[CameraError] = CameraError) -> list[type[CameraError]]:
    """The class and all below it."""
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]
