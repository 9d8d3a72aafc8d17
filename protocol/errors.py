"""The table of error codes: their meaning, their HTTP status, and the camera errors that they stand for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from camera import errors as camera

ErrorCode = Literal[
    "bad_request", "invalid_json", "unauthorized", "unsupported_protocol", "unknown_command", "invalid_payload",
    "rate_limited", "too_many_pending", "shutting_down", "internal_error", "key_reused", "not_recorded", "clock_wrong",
    "no_camera_selected", "camera_not_found", "camera_disconnected", "camera_claimed", "camera_busy",
    "camera_timeout", "camera_io", "camera_error", "not_supported", "cancelled", "capture_unknown",
    "shot_not_found", "config_not_found", "config_readonly", "invalid_value", "file_not_found", "invalid_path", "card_full",
    "disk_full", "folder_not_writable", "live_view_not_running", "bulb_unavailable", "no_exposure", "live_view_needed", "not_ready",
    "job_not_found", "camera_in_use_by_job",
    "movie_unavailable", "no_movie",
]  # fmt: skip
ERROR_CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)


@dataclass(frozen=True, slots=True)
class Kind:
    """The meaning of a code.

    Attributes:
        meaning: what happened and what to do, in one or two sentences; the message of an error says more.
        http: the status of the HTTP response.
        retryable: whether the same request may succeed later without any change.
        camera: the camera error with this code. A subclass has the same code, unless it has its own code.
    """

    meaning: str
    http: int = 502  # Bad Gateway: most errors come from the camera, and this server passes them on
    retryable: bool = False
    camera: type[camera.CameraError] | None = None


KINDS: dict[ErrorCode, Kind] = {
    "bad_request": Kind("The message is not a command. Correct it.", 400),
    "invalid_json": Kind("The message is not valid JSON. Correct it.", 400),
    "unauthorized": Kind("The token is missing or wrong.", 401),
    "unsupported_protocol": Kind("The server does not support that protocol number; `details.supported` lists those that it supports.", 400),
    "unknown_command": Kind("There is no such command; `details.similar` lists similar commands, `details.commands` all.", 404),
    "invalid_payload": Kind("The payload does not fit the command; `details.errors` lists the errors, `details.allowed` the allowed keys.", 400),
    "rate_limited": Kind("Too many commands in a second, or too many wrong tokens in a minute. Send fewer.", 429, retryable=True),
    "too_many_pending": Kind("Too many commands or streams are in progress. Wait for replies first.", 429, retryable=True),
    "shutting_down": Kind("The server is shutting down, and nothing was done. Connect again later.", 503, retryable=True),
    "internal_error": Kind("The server has an internal error; its log has the details.", 500),
    "key_reused": Kind("Another request had the same key. Use a new key for each shot.", 409),
    "not_recorded": Kind("The records of the shots cannot be read or written now, and nothing was done. See the server's log.", 503, camera=camera.NotRecorded),
    "clock_wrong": Kind("The clock of the server is wrong, so the camera's clock was not set. Set the clock of the server first.", 503),
    "no_camera_selected": Kind("There are several cameras, or none; `details.ports` lists them. Select one.", 409),
    "camera_not_found": Kind("There is no camera on that port. Use list_cameras.", 404, camera=camera.CameraNotFound),
    "camera_disconnected": Kind("The camera is disconnected or does not answer. Plug it in or switch it on.", 503, True, camera.CameraDisconnected),
    "camera_claimed": Kind("Another program uses the camera. End that program.", camera=camera.CameraClaimed),
    "camera_busy": Kind("The camera is busy, and nothing was done. Wait a moment.", 409, True, camera.CameraBusy),
    "camera_timeout": Kind("The camera did not answer in time. The server opens it again.", 504, True, camera.CameraTimeout),
    "camera_io": Kind("The data transfer with the camera failed. Check the cable and the permissions.", 502, True, camera.CameraIO),
    "camera_error": Kind("The camera refused for another reason; see `message`.", camera=camera.CameraError),
    "not_supported": Kind("This camera or its driver cannot do that. Do not try again.", camera=camera.NotSupported),
    "cancelled": Kind("The operation was cancelled on the camera.", camera=camera.Cancelled),
    "capture_unknown": Kind("The shutter may have fired, but no file was found. Look at the card before the next capture.", camera=camera.CaptureUnknown),
    "shot_not_found": Kind("There is no record of this shot. list_shots has the last ones.", 404),
    "config_not_found": Kind("The camera has no setting with that name. get_config without a name lists all settings.", camera=camera.ConfigNotFound),
    "config_readonly": Kind("The camera does not allow a change of this setting now. Change its mode first.", camera=camera.ConfigReadonly),
    "invalid_value": Kind("The setting does not accept that value; `details.choices` or `details.range` has the allowed values.", camera=camera.InvalidValue),
    "file_not_found": Kind("The camera has no such file or folder.", camera=camera.FileNotFound),
    "invalid_path": Kind("The path is not absolute, or a name in it is not allowed.", camera=camera.InvalidPath),
    "card_full": Kind("The card is full. Delete files or change the card.", camera=camera.CardFull),
    "disk_full": Kind("The server's disk is full.", camera=camera.DiskFull),
    "folder_not_writable": Kind("The server cannot write to its photo folder; `details.fix` is a command that solves this.", camera=camera.FolderNotWritable),
    "live_view_not_running": Kind("There is no such stream to stop.", camera=camera.LiveViewNotRunning),
    "bulb_unavailable": Kind("The camera cannot make bulb exposures, or not now; `details.how` says what to do.", 409, camera=camera.BulbUnavailable),
    "no_exposure": Kind("No bulb exposure is in progress.", 409, camera=camera.NoExposure),
    "movie_unavailable": Kind("The camera cannot record movies now, and none was started; `details.how` says what to do.", 409, camera=camera.MovieUnavailable),
    "no_movie": Kind("No movie is in progress.", 409, camera=camera.NoMovie),
    "live_view_needed": Kind("The camera does this only while live view runs, and nothing was done. Send start_live_view first.", 409, camera=camera.LiveViewNeeded),
    "not_ready": Kind("The camera was not ready at the deadline of fire, and was not released. Use a longer in_ms.", 409, True, camera.NotReady),
    "job_not_found": Kind("There is no such job, or it has ended. list_jobs has the last ones.", 404),
    "camera_in_use_by_job": Kind("A job uses the camera, or its next picture would be late; nothing was done. `details.job` is its number.", 409, True),
}  # fmt: skip

_BY_CAMERA_ERROR: dict[type[camera.CameraError], ErrorCode] = {
    kind.camera: code for code, kind in KINDS.items() if kind.camera is not None
}


def code_of(error: type[camera.CameraError]) -> ErrorCode:
    """The code of a camera error: its own code, or the code of its nearest base class."""
    return next(_BY_CAMERA_ERROR[kind] for kind in error.__mro__ if kind in _BY_CAMERA_ERROR)


def _details(error: camera.CameraError) -> dict[str, Any]:
    """The attributes of a camera error for clients: JSON-compatible, with None for missing values."""
    values = {one.name: getattr(error, one.name) for one in fields(error)}
    del values["message"]
    gp: camera.GpFailure | None = values.pop("gp")
    values.pop("cause", None)  # its text is part of the message
    values.pop("shot")  # an entry of the reply to fire has it
    gp_details = {} if gp is None else {"gp_error": gp.code or None, "gp_text": gp.text or None}
    return {name: _plain(value) for name, value in (gp_details | values).items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class RequestError(Exception):
    """An error reply to a request.

    Attributes:
        code: one of ERROR_CODES.
        message: what happened and what to do, for people.
        details: JSON-compatible data for programs.
    """

    def __init__(self, code: ErrorCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.details = {key: value for key, value in details.items() if value is not None}

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without any change."""
        return KINDS[self.code].retryable

    @classmethod
    def from_camera(cls, error: camera.CameraError) -> RequestError:
        """The error reply for a camera error."""
        return cls(code_of(type(error)), explain(error), **_details(error))


# By class of error: a sentence with the command, setting or file that helps. The messages of camera/ do not name these.
_HINTS: dict[type[camera.CameraError], str] = {
    camera.ConfigNotFound: "Send get_config without a name for all of them.",
    camera.CaptureUnknown: "list_files lists the files on it.",
    camera.NoImage: "Send capture_image first, or give a camera_filepath.",
    camera.NoSuchPath: "Use names as list_files returns them.",
    camera.ShutterStaysOpen: "Use capture_image to take a picture; its bulb_s makes a bulb exposure.",
    camera.CameraExposing: "Wait, or send stop_exposure.",
    camera.CameraRecording: "Wait, or send stop_movie.",
    camera.MovieStaysOn: "Use start_movie and stop_movie.",
    camera.LiveViewNeeded: "Send start_live_view first.",
    camera.NotReady: "Use a longer in_ms.",
    camera.NoDriver: "The setting NETWORK_CAMERAS names the driver.",
    camera.FolderNotWritable: "The setting PHOTO_DIR chooses another folder.",
    camera.NoPermission: (
        "Install deploy/70-gphoto-ws-server.rules and plug the camera in again. The server's user must be in the group "
        "gphoto-ws, which these rules name. --doctor shows the commands."
    ),
}


def explain(error: camera.CameraError) -> str:
    """The message for people, with the helpful command, setting or file."""
    words = f"{error.message} {_HINTS.get(type(error), '')}".rstrip()
    if isinstance(error, camera.CameraUnreachable) and error.cause is not None:
        words += f" ({explain(error.cause)})"
    return words
