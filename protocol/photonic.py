"""The Photonic dialect: messages with `type` and `requestId`, as the frontend of a photobooth sends them.

The table translates both directions: each message to a command, and the command's reply to a message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.errors import RequestError
from protocol.similar import did_you_mean, similar

# Keys that are allowed in addition to the fields of a type, because a frontend adds them to all messages.
_ALWAYS = ("type", "requestId", "timestamp")


@dataclass(frozen=True, slots=True)
class Translation:
    """One row of the table.

    Attributes:
        command: the equivalent command.
        payload: converts the message to the payload of the command.
        required, optional: the fields that the message must have, and the fields that it may have.
        reply: the type of the reply in the dialect.
        fields: makes the fields of the reply in the dialect, from the message and the command's reply.
    """

    command: str
    payload: Callable[[dict[str, Any]], dict[str, Any]]
    reply: str
    fields: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def _name(message: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"{message['section']}/{message['option']}"}


def _setting(message: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    return {"section": message["section"], "option": message["option"], "value": reply.get("value")}


def _photo(message: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    (picture, *_) = reply["files"]
    values: dict[str, Any] = {key: reply[key] for key in ("files", "timing", "warnings") if key in reply}
    return {
        "mimetype": reply.get("mimetype"),
        "image": reply.get("image_b64"),  # before the keys whose values are known last, see commands.Captured
        "filename": (picture.get("saved_path") or picture["filename"]).rpartition("/")[2],
        "filepath": picture.get("saved_path"),
        **values,
    }


TABLE: dict[str, Translation] = {
    "start_preview": Translation(
        "start_live_view",
        lambda message: {"format": "photonic", **{k: message[k] for k in ("fps", "rotation", "flip") if k in message}},
        "preview_started",
        lambda message, reply: {"fps": reply["fps"]},
        optional=("fps", "rotation", "flip"),
    ),
    "stop_preview": Translation("stop_live_view", lambda message: {}, "preview_stopped", lambda message, reply: {}),
    "capture_photo": Translation(
        "capture_image",
        lambda message: {
            "download": "full",
            "save": True,
            **{key: message[key] for key in ("settings", "filename") if message.get(key) is not None},
        },
        "photo_captured",
        _photo,
        optional=("settings", "filename"),
    ),
    "get_camera_info": Translation(
        "get_camera_info",
        lambda message: {},
        "camera_info",
        lambda message, reply: {"data": {key: value for key, value in reply.items() if key != "status"}},
    ),
    "set_camera_setting": Translation(
        "set_config",
        lambda message: _name(message) | {"value": message["value"]},
        "setting_updated",
        _setting,
        required=("section", "option", "value"),
    ),
    "get_camera_setting": Translation(
        "get_config", _name, "setting_value", _setting, required=("section", "option")
    ),
}  # fmt: skip


def to_command(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The command and payload for a message.

    Raises:
        RequestError: the type is unknown (unknown_command), or a field is missing, unknown or of the wrong type
            (invalid_payload). The error lists what is allowed.
    """
    kind = message["type"]
    if not isinstance(kind, str) or kind not in TABLE:
        near = similar(kind, TABLE) if isinstance(kind, str) else []
        raise RequestError(
            "unknown_command",
            f"There is no type {str(kind)[:60]!r}. {did_you_mean(near)}Types: {', '.join(TABLE)}.",
            types=list(TABLE),
            similar=near or None,
        )
    line = TABLE[kind]
    takes = (*line.required, *line.optional)
    words = f"{kind} takes: {', '.join(takes)}." if takes else f"{kind} takes no fields."
    for name in line.required:
        if name not in message:
            raise RequestError("invalid_payload", f"{name}: Field required. {words}", allowed=list(takes))
    for name in message:
        if name not in takes and name not in _ALWAYS:
            raise RequestError("invalid_payload", f"{name[:60]}: Unknown key. {words}", allowed=list(takes))
    for name in ("section", "option"):
        if name in message and (not isinstance(message[name], str) or not message[name].strip("/")):
            raise RequestError("invalid_payload", f"{name}: Input should be a name. {words}", allowed=list(takes))
    return line.command, line.payload(message)


def to_reply(message: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """The reply in the dialect, without requestId and timestamp."""
    line = TABLE[message["type"]]
    return {"type": line.reply, **line.fields(message, reply)}


def to_error(error: RequestError) -> dict[str, Any]:
    """An error in the dialect, without requestId and timestamp."""
    values = {"type": "error", "error": error.message, "code": error.code, "retryable": error.retryable}
    return values | ({"details": error.details} if error.details else {})
