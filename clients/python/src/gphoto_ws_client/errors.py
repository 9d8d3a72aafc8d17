"""What can go wrong, named by what the caller can do about it.

GphotoWsError
├── ConnectionFailed      nobody answers there, or not as this server does; look at the address
│   ├── CertificateRefused  the certificate of a wss:// address is not trusted; nothing was sent
│   ├── NoReply           the server has not answered in time; the command may have been carried out
│   └── ConnectionLost    it was connected and is no more; the command under way may have been carried out
├── UnexpectedReply       the server answered what the protocol does not allow, or a file came damaged
└── ServerError           an error reply of the server, with its code
    ├── RequestRefused    the request was not accepted: mend it, or ask less often
    │   └── Unauthorized  the token is wrong; no retry helps
    ├── CameraError       the state of a camera is in the way: plug in, wait, choose another
    │   └── CaptureUnknown  the shutter may have fired and nobody saw the file: look before shooting again
    └── DataError         a name, a value, a file or a card is in the way: choose another
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GphotoWsError(Exception):
    """Anything this package raises.

    Attributes:
        code: the server's word for it (see docs/protocol.md), or one of this package: connection_failed,
            certificate_refused, connection_lost, no_reply, unexpected_reply.
        message: what happened and what to do, for a person.
        retryable: whether the same may succeed later without any change.
        details: facts for a program, for example `choices` of a refused value.
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
    """There is no connection, and none could be made."""

    default_code = "connection_failed"


class CertificateRefused(ConnectionFailed):
    """The certificate of a wss:// address is not trusted. Nothing was sent, the token neither.

    `details["reason"]`: unknown_issuer, expired, not_yet_valid, other_host or refused.
    """

    default_code = "certificate_refused"


class NoReply(ConnectionFailed):
    """The server has not answered in time. The command may have been carried out."""

    default_code = "no_reply"


class ConnectionLost(ConnectionFailed):
    """The connection ended. A command that was under way may or may not have been carried out.

    Attributes:
        close_code: of the WebSocket, where the server gave one.
    """

    default_code = "connection_lost"

    def __init__(self, message: str, *, close_code: int | None = None, retryable: bool = True) -> None:
        super().__init__(message, retryable=retryable, details={} if close_code is None else {"close": close_code})
        self.close_code = close_code


class UnexpectedReply(GphotoWsError):
    """A reply that the protocol does not allow, or bytes whose digest is wrong."""

    default_code = "unexpected_reply"


class ServerError(GphotoWsError):
    """An error reply."""


class RequestRefused(ServerError):
    """The protocol's group of codes: the request was not accepted."""


class Unauthorized(RequestRefused):
    """The token is wrong."""

    default_code = "unauthorized"


class CameraError(ServerError):
    """The state's group of codes: the camera cannot do it now."""


class CaptureUnknown(CameraError):
    """The shutter may have fired. Also raised where the connection was lost while a capture was under way."""

    default_code = "capture_unknown"


class DataError(ServerError):
    """The data's group of codes: a setting, a value, a file or a card."""


_GROUPS: tuple[tuple[type[ServerError], tuple[str, ...]], ...] = (
    (
        RequestRefused,
        ("bad_request", "invalid_json", "unsupported_protocol", "unknown_command", "invalid_payload", "rate_limited",
         "too_many_pending", "shutting_down", "internal_error"),
    ),
    (Unauthorized, ("unauthorized",)),
    (
        CameraError,
        ("no_camera_selected", "camera_not_found", "camera_disconnected", "camera_claimed", "camera_busy",
         "camera_timeout", "camera_io", "camera_error", "not_supported", "cancelled"),
    ),
    (CaptureUnknown, ("capture_unknown",)),
    (
        DataError,
        ("config_not_found", "config_readonly", "invalid_value", "file_not_found", "invalid_path", "card_full",
         "disk_full", "folder_not_writable", "live_view_not_running"),
    ),
)  # fmt: skip
ERROR_CLASSES: Mapping[str, type[ServerError]] = {code: group for group, codes in _GROUPS for code in codes}


def from_reply(reply: Mapping[str, Any]) -> ServerError:
    """The exception for an error reply; a code that this version does not know becomes a plain ServerError."""
    code, words, details = (reply.get(key) for key in ("code", "message", "details"))
    code = code if isinstance(code, str) and code else "error"
    return ERROR_CLASSES.get(code, ServerError)(
        words if isinstance(words, str) and words else f"The server answered with an error: {code}.",
        code=code,
        retryable=reply.get("retryable") is True,
        details=details if isinstance(details, dict) else None,
    )
