"""Error codes, and the one table from a camera error to a reply."""

from __future__ import annotations

from typing import Any, Literal, get_args

from camera import errors as camera

ErrorCode = Literal[
    "bad_request", "invalid_json", "unauthorized", "unsupported_protocol", "unknown_command", "invalid_payload",
    "rate_limited", "too_many_pending", "too_large", "shutting_down", "internal_error",
    "no_camera_selected", "camera_not_found", "camera_disconnected", "camera_claimed", "camera_busy",
    "camera_timeout", "camera_io", "camera_error", "not_supported", "cancelled", "capture_unknown",
    "config_not_found", "config_readonly", "invalid_value", "file_not_found", "invalid_path", "card_full",
    "disk_full", "live_view_not_running",
]  # fmt: skip
ERROR_CODES: tuple[str, ...] = get_args(ErrorCode)

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
