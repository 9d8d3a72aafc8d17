"""The declaration of every command, used for validation, dispatch, list_commands and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from protocol import commands as c
from protocol.errors import RequestError
from protocol.schemas import received, sent, type_name
from protocol.similar import did_you_mean, similar

PayloadT = TypeVar("PayloadT", bound=c.Payload)
ReplyT = TypeVar("ReplyT", bound=c.Reply)


@dataclass(frozen=True, slots=True)
class Command(Generic[PayloadT, ReplyT]):
    """The declaration of a command: name, payload, reply, one line of description, and an example payload."""

    name: str
    payload: type[PayloadT]
    reply: type[ReplyT]
    summary: str
    example: dict[str, Any]

    def description(self) -> c.CommandDescription:
        """The command with its JSON Schemas, for list_commands."""
        return c.CommandDescription(
            command=self.name,
            summary=self.summary,
            payload={"title": type_name(self.name, "Payload"), **received(self.payload)},
            reply={"title": type_name(self.name, "Reply"), **sent(self.reply)},
            example={"command": self.name, "payload": self.example},
        )

    def validate(self, payload: Mapping[str, Any]) -> PayloadT:
        """Validate a payload.

        Raises:
            RequestError: invalid_payload; lists the invalid keys and what is allowed.
        """
        try:
            return self.payload.model_validate(payload)
        except ValidationError as error:
            raise _invalid(self, error) from None


# If a value fits none of several types, Pydantic adds the name of each type to the path of its error.
_VALUE_KINDS = ("str", "int", "float", "bool")
_MOST_REPORTED = 10


def _invalid(command: Command[Any, Any], error: ValidationError) -> RequestError:
    problems: list[dict[str, str]] = []
    for problem in error.errors(include_url=False, include_input=False)[: _MOST_REPORTED * len(_VALUE_KINDS)]:
        where, words = problem["loc"], problem["msg"]
        if problem["type"] == "extra_forbidden":
            words = "Unknown key"
        elif problem["type"] == "value_error":
            words = str(problem["ctx"]["error"])
        elif len(where) > 1 and where[-1] in _VALUE_KINDS:
            where, words = where[:-1], "Input should be a string, a number or a boolean"
        entry = {"field": ".".join(str(part)[:60] for part in where), "problem": words}
        if entry not in problems:
            problems.append(entry)
    allowed = list(command.payload.model_fields)
    first = ": ".join(filter(None, problems[0].values()))
    takes = f"{command.name} takes: {', '.join(allowed)}." if allowed else f"{command.name} takes no payload."
    return RequestError("invalid_payload", f"{first}. {takes}", errors=problems[:_MOST_REPORTED], allowed=allowed)


_PATH = "/store_00020001/DCIM/100CANON/IMG_0001.JPG"

LIST_CAMERAS = Command(
    "list_cameras",
    c.Payload,
    c.CameraList,
    "List all cameras that are present now.",
    {},
)
SELECT_CAMERA = Command(
    "select_camera",
    c.SelectCamera,
    c.Done,
    "Choose the camera for the commands of this connection.",
    {"port": "usb:001,003"},
)
CAPTURE_IMAGE = Command(
    "capture_image",
    c.CaptureImage,
    c.Captured,
    "Take one picture; also change settings, download and save in the same command.",
    {"settings": {"iso": "400"}, "download": "full", "save": True},
)
DOWNLOAD_LAST_IMAGE = Command(
    "download_last_image",
    c.DownloadLastImage,
    c.Downloaded,
    "Download a picture from the camera, whole or in pieces.",
    {"camera_filepath": _PATH},
)
GET_CONFIG: Command[c.GetConfig, c.ConfigReply | c.ConfigTree] = Command(
    "get_config",
    c.GetConfig,
    c.ConfigReply,
    "Read one setting, or all of them as the list `configs` if no name is given.",
    {"name": "iso"},
)
SET_CONFIG = Command(
    "set_config",
    c.SetConfig,
    c.ConfigReply,
    "Change a setting. The reply has the value read back from the camera; for an action such as popupflash, the value that was sent. Values that would open the shutter without closing it are rejected.",
    {"name": "iso", "value": "200"},
)
START_LIVE_VIEW = Command(
    "start_live_view",
    c.StartLiveView,
    c.LiveViewStarted,
    "Send frames of the camera until stop_live_view.",
    {"fps": 30},
)
STOP_LIVE_VIEW = Command(
    "stop_live_view",
    c.StopLiveView,
    c.LiveViewStopped,
    "Stop sending frames.",
    {},
)
CAPTURE_PREVIEW = Command(
    "capture_preview",
    c.CameraPayload,
    c.Preview,
    "Take one live-view frame.",
    {},
)
GET_CAMERA_INFO = Command(
    "get_camera_info",
    c.CameraPayload,
    c.CameraDetails,
    "Model, state and condition of the camera.",
    {},
)
RESTART_CAMERA = Command(
    "restart_camera",
    c.CameraPayload,
    c.Done,
    "Close the camera and open it again.",
    {},
)
LIST_FILES = Command(
    "list_files",
    c.ListFiles,
    c.FileList,
    "List folders and files on the camera.",
    {"folder": _PATH.rpartition("/")[0]},
)
GET_THUMBNAIL = Command(
    "get_thumbnail",
    c.OneFile,
    c.Thumbnail,
    "The thumbnail of a file, made by the camera.",
    {"camera_filepath": _PATH},
)
DELETE_FILE = Command(
    "delete_file",
    c.OneFile,
    c.Done,
    "Delete a file from the camera.",
    {"camera_filepath": _PATH},
)
SUBSCRIBE = Command(
    "subscribe",
    c.Subscribe,
    c.Subscribed,
    "Subscribe to events.",
    {"events": ["*"]},
)
UNSUBSCRIBE = Command(
    "unsubscribe",
    c.Subscribe,
    c.Subscribed,
    "End the subscription to these events.",
    {"events": ["*"]},
)
SERVER_INFO = Command(
    "server_info",
    c.Payload,
    c.ServerInfo,
    "Versions and limits of the server.",
    {},
)
LIST_COMMANDS = Command(
    "list_commands",
    c.Payload,
    c.CommandList,
    "Every command with its JSON Schemas.",
    {},
)
PING = Command(
    "ping",
    c.Payload,
    c.Pong,
    "Check that the server answers.",
    {},
)

COMMANDS: dict[str, Command[Any, Any]] = {
    command.name: command
    for command in (
        LIST_CAMERAS, SELECT_CAMERA, CAPTURE_IMAGE, DOWNLOAD_LAST_IMAGE, GET_CONFIG, SET_CONFIG, START_LIVE_VIEW, STOP_LIVE_VIEW, CAPTURE_PREVIEW, GET_CAMERA_INFO, RESTART_CAMERA, LIST_FILES, GET_THUMBNAIL, DELETE_FILE, SUBSCRIBE, UNSUBSCRIBE, SERVER_INFO, LIST_COMMANDS, PING,
    )
}  # fmt: skip


def find(name: str) -> Command[Any, Any]:
    """The command with this name.

    Raises:
        RequestError: unknown_command; the details list all commands and similar names.
    """
    if name not in COMMANDS:
        near = similar(name, COMMANDS)
        raise RequestError(
            "unknown_command",
            f"There is no command {name[:60]!r}. {did_you_mean(near)}Commands: {', '.join(COMMANDS)}.",
            commands=list(COMMANDS),
            similar=near or None,
        )
    return COMMANDS[name]
