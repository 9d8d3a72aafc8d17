"""Error codes, and the one table from a camera error to a reply."""

from __future__ import annotations

from typing import Any, Literal, get_args

from camera import errors as camera

ErrorCode = Literal[
    "bad_request", "invalid_json", "unauthorized", "unsupported_protocol", "unknown_command", "invalid_payload",
    "rate_limited", "too_many_pending", "shutting_down", "internal_error",
    "no_camera_selected", "camera_not_found", "camera_disconnected", "camera_claimed", "camera_busy",
    "camera_timeout", "camera_io", "camera_error", "not_supported", "cancelled", "capture_unknown",
    "config_not_found", "config_readonly", "invalid_value", "file_not_found", "invalid_path", "card_full",
    "disk_full", "folder_not_writable", "live_view_not_running",
]  # fmt: skip
ERROR_CODES: tuple[str, ...] = get_args(ErrorCode)

# What happened and what to do, in one line; a reply's message says more.
MEANINGS: dict[ErrorCode, str] = {
    "bad_request": "The message is not a command. Correct it.",
    "invalid_json": "The message is not valid JSON. Correct it.",
    "unauthorized": "The token is missing or wrong.",
    "unsupported_protocol": "The server does not support that protocol number; `details.supported` lists those that it supports.",
    "unknown_command": "There is no such command; `details.similar` lists similar commands, `details.commands` all.",
    "invalid_payload": "The payload does not fit the command; `details.errors` lists the errors, `details.allowed` the allowed keys.",
    "rate_limited": "Too many commands in a second, or too many wrong tokens in a minute. Send fewer.",
    "too_many_pending": "Too many commands or streams are in progress. Wait for replies first.",
    "shutting_down": "The server is shutting down, and nothing was done. Connect again later.",
    "internal_error": "The server has an internal error; its log has the details.",
    "no_camera_selected": "There are several cameras, or none; `details.ports` lists them. Select one.",
    "camera_not_found": "There is no camera on that port. Use list_cameras.",
    "camera_disconnected": "The camera is disconnected or does not answer. Plug it in or switch it on.",
    "camera_claimed": "Another program uses the camera. End that program.",
    "camera_busy": "The camera is busy, and nothing was done. Wait a moment.",
    "camera_timeout": "The camera did not answer in time. The server opens it again.",
    "camera_io": "The data transfer with the camera failed. Check the cable and the permissions.",
    "camera_error": "The camera refused for another reason; see `message`.",
    "not_supported": "This camera or its driver cannot do that. Do not try again.",
    "cancelled": "The operation was cancelled on the camera.",
    "capture_unknown": "The shutter may have fired, but no file was found. Look at the card before the next capture.",
    "config_not_found": "The camera has no setting with that name. get_config without a name lists all settings.",
    "config_readonly": "The camera does not allow a change of this setting now. Change its mode first.",
    "invalid_value": "The setting does not accept that value; `details.choices` or `details.range` has the allowed values.",
    "file_not_found": "The camera has no such file or folder.",
    "invalid_path": "The path is not absolute, or a name in it is not allowed.",
    "card_full": "The card is full. Delete files or change the card.",
    "disk_full": "The server's disk is full.",
    "folder_not_writable": "The server cannot write to its photo folder; `details.fix` is a command that solves this.",
    "live_view_not_running": "There is no such stream to stop.",
}

# Where trying the same again may help, without anybody changing anything first.
_RETRYABLE: frozenset[ErrorCode] = frozenset(
    ("rate_limited", "too_many_pending", "shutting_down", "camera_disconnected", "camera_busy", "camera_timeout",
     "camera_io")
)  # fmt: skip

_BY_CAMERA_ERROR: dict[type[camera.CameraError], ErrorCode] = {
    camera.CameraError: "camera_error",
    camera.CameraBusy: "camera_busy",
    camera.CameraTimeout: "camera_timeout",
    camera.CameraIO: "camera_io",
    camera.CameraNotFound: "camera_not_found",
    camera.CameraDisconnected: "camera_disconnected",
    camera.CameraClaimed: "camera_claimed",
    camera.NotSupported: "not_supported",
    camera.Cancelled: "cancelled",
    camera.CaptureUnknown: "capture_unknown",
    camera.ConfigNotFound: "config_not_found",
    camera.ConfigReadonly: "config_readonly",
    camera.InvalidValue: "invalid_value",
    camera.FileNotFound: "file_not_found",
    camera.InvalidPath: "invalid_path",
    camera.CardFull: "card_full",
    camera.DiskFull: "disk_full",
    camera.FolderNotWritable: "folder_not_writable",
    camera.LiveViewNotRunning: "live_view_not_running",
}


class RequestError(Exception):
    """A request that gets an error reply.

    Attributes:
        code: one of ERROR_CODES.
        message: what happened and what to do, for a person.
        details: JSON-ready facts for a program.
    """

    def __init__(self, code: ErrorCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.details = {key: value for key, value in details.items() if value is not None}

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without any change."""
        return self.code in _RETRYABLE

    @classmethod
    def from_camera(cls, error: camera.CameraError) -> RequestError:
        """The error reply for a camera error."""
        return cls(_BY_CAMERA_ERROR[type(error)], error.message, **error.details)
