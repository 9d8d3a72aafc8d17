"""The exceptions of this package, grouped by what the caller can do.

GphotoWsError
├── ConnectionFailed      no server answers, or the server is not a gphoto-ws-server; check the address
│   ├── CertificateRefused  the certificate of a wss:// address is not trusted; nothing was sent
│   ├── NoReply           no reply came in time; the command may have been carried out
│   └── ConnectionLost    the connection was lost; a command in progress may have been carried out
├── UnexpectedReply       the reply violates the protocol, or a file arrived damaged
└── ServerError           an error reply of the server, with its code
    ├── RequestRefused    the request was rejected: correct it, or send fewer requests
    │   └── Unauthorized  the token is wrong; a retry does not help
    ├── CameraError       the camera cannot carry out the command now: connect it, wait, or choose another camera
    │   └── CaptureUnknown  the shutter may have fired, but no file was found: check the card before the next capture
    └── DataError         a name, value, file or card cannot be used: choose another
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GphotoWsError(Exception):
    """Base class of all exceptions of this package.

    Attributes:
        code: the server's error code (see docs/protocol.md), or one of this package: connection_failed,
            certificate_refused, connection_lost, no_reply, unexpected_reply.
        message: what happened and what to do, for people.
        retryable: whether the same request may succeed later without any change.
        details: data for programs, for example `choices` for a rejected value.
    """

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retryable = retryable
        self.details: dict[str, Any] = dict(details or {})


class ConnectionFailed(GphotoWsError):
    """There is no connection, and no connection could be opened."""

    default_code = "connection_failed"


class CertificateRefused(ConnectionFailed):
    """The certificate of a wss:// address is not trusted. Nothing was sent, not even the token.

    `details["reason"]`: unknown_issuer, expired, not_yet_valid, other_host or refused.
    """

    default_code = "certificate_refused"


class NoReply(ConnectionFailed):
    """No reply came in time. The command may have been carried out."""

    default_code = "no_reply"


class ConnectionLost(ConnectionFailed):
    """The connection was lost. A command in progress may have been carried out.

    Attributes:
        close_code: the WebSocket close code; None if it is not known.
    """

    default_code = "connection_lost"

    def __init__(self, message: str, *, close_code: int | None = None, retryable: bool = True) -> None:
        super().__init__(message, retryable=retryable, details={} if close_code is None else {"close": close_code})
        self.close_code = close_code


class UnexpectedReply(GphotoWsError):
    """A reply that violates the protocol, or data with a wrong digest."""

    default_code = "unexpected_reply"


class ServerError(GphotoWsError):
    """An error reply of the server."""


class RequestRefused(ServerError):
    """The request was rejected. This class is for codes about requests (see docs/protocol.md)."""


class Unauthorized(RequestRefused):
    """The token is wrong."""

    default_code = "unauthorized"


class CameraError(ServerError):
    """The camera cannot carry out the command now. This class is for codes about cameras (see docs/protocol.md)."""


class CaptureUnknown(CameraError):
    """The shutter may have fired. Also raised if the connection was lost during a capture."""

    default_code = "capture_unknown"


class DataError(ServerError):
    """There is a problem with a setting, a value, a file, a card or a disk (see docs/protocol.md)."""


_GROUPS: tuple[tuple[type[ServerError], tuple[str, ...]], ...] = (
    (
        RequestRefused,
        ("bad_request", "invalid_json", "unsupported_protocol", "unknown_command", "invalid_payload", "rate_limited",
         "too_many_pending", "shutting_down", "internal_error", "key_reused", "not_recorded", "clock_wrong"),
    ),
    (Unauthorized, ("unauthorized",)),
    (
        CameraError,
        ("no_camera_selected", "camera_not_found", "camera_disconnected", "camera_claimed", "camera_busy",
         "camera_timeout", "camera_io", "camera_error", "not_supported", "cancelled", "live_view_needed", "not_ready",
         "camera_in_use_by_job", "movie_unavailable", "no_movie"),
    ),
    (CaptureUnknown, ("capture_unknown",)),
    (
        DataError,
        ("shot_not_found", "job_not_found", "config_not_found", "config_readonly", "invalid_value", "file_not_found", "invalid_path", "card_full",
         "disk_full", "folder_not_writable", "live_view_not_running", "bulb_unavailable", "no_exposure"),
    ),
)  # fmt: skip
ERROR_CLASSES: Mapping[str, type[ServerError]] = {code: group for group, codes in _GROUPS for code in codes}


def from_reply(reply: Mapping[str, Any]) -> ServerError:
    """The exception for an error reply. A code that is unknown to this version becomes a plain ServerError."""
    code, words, details = (reply.get(key) for key in ("code", "message", "details"))
    code = code if isinstance(code, str) and code else "error"
    return ERROR_CLASSES.get(code, ServerError)(
        words if isinstance(words, str) and words else f"The server answered with an error: {code}.",
        code=code,
        retryable=reply.get("retryable") is True,
        details=details if isinstance(details, dict) else None,
    )
