"""Camera errors, named by what the caller can do about them.

CameraError
├── CameraBusy            wait a moment and try again
├── CameraTimeout         the camera did not answer in time; it is being opened again
├── CameraIO              the transfer broke; try again
├── CameraNotFound        choose another port, or plug it in
├── CameraDisconnected    plug it in or switch it on
├── CameraClaimed         end the other program
├── NotSupported          stop trying
├── Cancelled             it was called off
├── CaptureUnknown        look at the card before shooting again
├── ConfigNotFound        choose another name
├── ConfigReadonly        change the camera's mode first
├── InvalidValue          choose another value
├── FileNotFound          choose another file
├── InvalidPath           mend the path
├── CardFull              make room on the card
├── DiskFull              make room on the server's disk
├── FolderNotWritable     let the server write to its photo folder
└── LiveViewNotRunning    start it first
"""

from __future__ import annotations

from typing import Any


class CameraError(Exception):
    """Anything a camera could not do.

    Attributes:
        message: what happened and what to do, for a person.
        details: JSON-ready facts for a program, for example `gp_error`, `gp_text`, `choices`.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = {key: value for key, value in details.items() if value is not None}

    def __str__(self) -> str:
        return self.message

    def to_json(self) -> dict[str, Any]:
        """What crosses the channel; `from_json` builds the same error on the other side."""
        return {"kind": type(self).__name__, "message": self.message, "details": self.details}

    @staticmethod
    def from_json(data: dict[str, Any]) -> CameraError:
        """The error that `to_json` described; an unknown kind becomes a plain CameraError."""
        kind = _KINDS.get(data["kind"], CameraError)
        return kind(data["message"], **data["details"])


class CameraBusy(CameraError):
    """The camera does something else; nothing was done."""


class CameraTimeout(CameraError):
    """The camera did not answer within the job's deadline."""


class CameraIO(CameraError):
    """The transfer to or from the camera broke."""


class CameraNotFound(CameraError):
    """No camera is on that port."""


class CameraDisconnected(CameraError):
    """The camera was there and is gone, or does not answer any more."""


class CameraClaimed(CameraError):
    """Another program holds the camera."""


class NotSupported(CameraError):
    """This camera, or its driver, cannot do that."""


class Cancelled(CameraError):
    """The camera or a person at it called it off."""


class CaptureUnknown(CameraError):
    """The shutter may have fired and its file was not seen. Never fire again without asking."""


CAPTURE_UNKNOWN = (
    "The shutter may have fired, but its picture was not seen. Look at the camera's storage (list_files) "
    "before you shoot again."
)


class ConfigNotFound(CameraError):
    """The camera has no setting of that name."""


class ConfigReadonly(CameraError):
    """The camera does not let this setting be changed at the moment."""


class InvalidValue(CameraError):
    """The value is not one that the setting takes; details say which are."""


class FileNotFound(CameraError):
    """The camera has no such file or folder."""


class InvalidPath(CameraError):
    """The path is no absolute path of plain parts."""


class CardFull(CameraError):
    """No room for another shot."""


class DiskFull(CameraError):
    """The server has no room for the picture."""


class FolderNotWritable(CameraError):
    """The server cannot write to its photo folder; details name the folder and, as `fix`, what repairs it."""


class LiveViewNotRunning(CameraError):
    """There is no stream to stop."""


_KINDS = {
    kind.__name__: kind
    for kind in (
        CameraBusy, CameraTimeout, CameraIO, CameraNotFound, CameraDisconnected, CameraClaimed, NotSupported,
        Cancelled, CaptureUnknown, ConfigNotFound, ConfigReadonly, InvalidValue, FileNotFound, InvalidPath,
        CardFull, DiskFull, FolderNotWritable, LiveViewNotRunning,
    )
}  # fmt: skip
