"""Every command, declared once: from here come validation, dispatch, list_commands and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from camera.model import ConfigItem, State, WidgetType
from protocol.errors import RequestError
from protocol.frames import StreamFormat

EventName = Literal[
    "camera_connected", "camera_disconnected", "camera_state", "file_added", "config_changed", "capture_saved",
    "live_view_stopped",
]  # fmt: skip

# Pieces of a file: 256 KiB raw is 350 KB as base64, well below the 1 MiB message limit of Python clients.
MAX_PIECE = 8 * 2**20


class Payload(BaseModel):
    """What a command takes. Unknown keys are errors: a typo must not be swallowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CameraPayload(Payload):
    """What every command for a camera takes."""

    port: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The camera's port, in place of the selected camera."
    )


class Reply(BaseModel):
    """What a command answers beside status, id and command."""

    model_config = ConfigDict(frozen=True)


class Done(Reply):
    message: str


CameraFilepath = Annotated[
    str,
    Field(min_length=1, max_length=1024, description="Absolute path on the camera, as capture_image answered it."),
]
ConfigName = Annotated[
    str, Field(min_length=1, max_length=256, description='Name or path of a setting, for example "iso".')
]


class ListedCamera(BaseModel):
    name: str
    port: str
    index: int
    serial: str | None
    state: State
    connected: bool
    can: list[str] = Field(description="What it can do: capture, live_view, config, delete.")


class CameraList(Reply):
    cameras: list[ListedCamera]


class SelectCamera(Payload):
    port: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="A port of list_cameras.")


class ImageFile(BaseModel):
    camera_filepath: str
    filename: str
    mimetype: str
    size: int | None = Field(None, description="Bytes; missing where the camera does not tell.")
    saved_path: str | None = Field(None, description="Where it was saved on the server.")


class CaptureImage(CameraPayload):
    settings: dict[ConfigName, str | int | float | bool] = Field(
        default_factory=dict, max_length=32, description="Settings for this shot; put back after it."
    )
    download: Literal["none", "thumbnail", "full"] = Field("none", description="What of the picture the reply holds.")
    save: bool = Field(False, description="Save every file of the shot to the photo folder.")
    filename: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Name for the saved files, in place of PHOTO_NAME; goes with save."
    )
    keep_on_camera: bool = Field(True, description="False deletes the files on the camera once they are saved.")

    @model_validator(mode="after")
    def _goes_with_save(self) -> CaptureImage:
        if not self.save and (self.filename is not None or not self.keep_on_camera):
            raise ValueError("filename and keep_on_camera: false go with save: true")
        return self


class Timing(BaseModel):
    shutter_ms: float = Field(description="From the request to the shutter, milliseconds.")
    file_known_ms: float = Field(description="To the file known to be on the camera.")
    file_here_ms: float | None = Field(None, description="To the file here, where it was fetched.")


class Captured(Reply):
    message: str = "Image captured successfully"
    camera_filepath: str
    files: list[ImageFile] = Field(description="Every file of the shot (RAW and JPEG), the JPEG first.")
    timing: Timing
    warnings: list[str] | None = Field(None, description="What did not go as ordered after the shutter.")
    filename: str | None = Field(None, description="Of the picture in this reply (download).")
    mimetype: str | None = Field(None, description="Of the picture in this reply.")
    image_b64: str | None = Field(None, description="The picture (full) or its thumbnail, as base64.")


class DownloadLastImage(CameraPayload):
    camera_filepath: CameraFilepath | None = Field(None, description="Left out: the last image captured.")
    offset: Annotated[int, Field(ge=0)] | None = Field(None, description="First byte of a piece.")
    length: Annotated[int, Field(ge=1, le=MAX_PIECE)] | None = Field(None, description="Bytes of a piece.")
    transfer: Literal["base64", "binary"] = Field("base64", description="How the bytes come.")


class Downloaded(Reply):
    message: str = "Image downloaded successfully"
    filename: str
    mimetype: str
    camera_filepath: str
    size: int = Field(description="Bytes of the whole file.")
    offset: int | None = None
    length: int | None = Field(None, description="Bytes in this piece.")
    eof: bool | None = Field(None, description="Whether this piece is the last.")
    transfer: int | None = Field(None, description="Number in the binary messages that follow (transfer binary).")
    chunk_bytes: int | None = Field(None, description="Bytes of the file in each binary message but the last.")
    image_b64: str | None = Field(None, description="The bytes as base64 (unless transfer is binary).")


class Preview(Reply):
    message: str = "Preview captured successfully"
    mimetype: str = "image/jpeg"
    image_b64: str


class GetConfig(CameraPayload):
    name: ConfigName | None = Field(None, description="Left out: every setting.")


class SetConfig(CameraPayload):
    name: ConfigName
    value: str | int | float | bool = Field(description="Turned into the setting's type, then checked.")


class Range(BaseModel):
    min: float
    max: float
    step: float


class Config(BaseModel):
    config_name: str
    label: str
    type: WidgetType
    value: str | int | float | None
    readonly: bool
    choices: list[str] = Field(description="What is allowed; empty where the type has no choices.")
    range: Range | None = None
    path: str | None = None

    @classmethod
    def of(cls, item: ConfigItem) -> Config:
        """A setting as it goes over the wire."""
        return cls(**_config_values(item))


class ConfigReply(Reply, Config):
    message: str | None = None

    @classmethod
    def reply(cls, item: ConfigItem, message: str | None = None) -> ConfigReply:
        """A setting as a reply of its own."""
        return cls(**_config_values(item), message=message)


def _config_values(item: ConfigItem) -> dict[str, Any]:
    limits = item.range
    return {
        "config_name": item.name,
        "label": item.label,
        "type": item.type,
        "value": item.value,
        "readonly": item.readonly,
        "choices": list(item.choices),
        "range": Range(min=limits.min, max=limits.max, step=limits.step) if limits else None,
        "path": item.path or None,
    }


class ConfigTree(Reply):
    configs: list[Config]


class StartLiveView(CameraPayload):
    fps: Annotated[float, Field(ge=0.1, le=120)] | None = Field(
        None, description="Highest rate wanted, frames per second; left out: PREVIEW_FPS."
    )
    format: StreamFormat = Field(
        "base64", description="base64 in JSON, binary with a header, bare jpeg, or frames of the Photonic dialect."
    )
    rotation: Literal[0, 90, 180, 270] | None = Field(
        None, description="Degrees clockwise; left out: PREVIEW_ROTATION."
    )
    flip: bool | None = Field(None, description="Mirror left and right; left out: PREVIEW_FLIP.")
    max_in_flight: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="Send no more than this many frames that were not acknowledged with an ack message."
    )


class LiveViewStarted(Reply):
    message: str = "Live view started"
    stream: int = Field(description="Number of the stream on this connection.")
    fps: float
    format: StreamFormat
    rotation: int
    flip: bool
    port: str


class StopLiveView(CameraPayload):
    stream: int | None = Field(None, description="Left out: every stream of the camera on this connection.")


class LiveViewStopped(Reply):
    message: str = "Live view stopped"
    sent: int = Field(description="Frames sent.")
    dropped: int = Field(description="Frames left out because the client was not ready for them.")


class StoredMemory(BaseModel):
    path: str
    label: str
    capacity: int | None = Field(description="Bytes.")
    free: int | None = Field(description="Bytes.")


class CameraDetails(Reply):
    name: str
    model: str
    manufacturer: str | None
    version: str | None
    serial: str | None
    port: str
    state: State
    connected: bool
    can: list[str]
    viewers: int
    battery: str | None = None
    lens: str | None = None
    storage: list[StoredMemory] | None = None
    last_error: str | None = None


class ListFiles(CameraPayload):
    folder: Annotated[str, Field(min_length=1, max_length=1024)] = Field("/", description="Absolute folder path.")
    offset: Annotated[int, Field(ge=0)] = Field(0, description="First file of the page.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(200, description="Files of the page.")


class FileList(Reply):
    folder: str
    folders: list[str]
    files: list[ImageFile]
    total: int = Field(description="Files in the folder.")


class OneFile(CameraPayload):
    camera_filepath: CameraFilepath


class Thumbnail(Reply):
    filename: str
    mimetype: str = "image/jpeg"
    image_b64: str


class Subscribe(Payload):
    events: list[EventName | Literal["*"]] = Field(min_length=1, description='Names of events, or ["*"].')


class Subscribed(Reply):
    events: list[EventName] = Field(description="What this connection is subscribed to now.")


class ServerInfo(Reply):
    server: str
    version: str
    protocol: int
    libgphoto2: str | None
    uptime: float = Field(description="Seconds.")
    limits: dict[str, int | float]


class CommandList(Reply):
    commands: list[dict[str, Any]]


class Pong(Reply):
    message: str = "pong"


class LoginReply(Reply):
    message: str = "Authenticated"
    protocol: int
    server: str
    version: str
    limits: dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, what it takes and answers, one line on what it does, an example payload."""

    name: str
    payload: type[Payload]
    reply: type[Reply]
    summary: str
    example: dict[str, Any]

    def schema(self) -> dict[str, Any]:
        """The command with its JSON Schemas, as list_commands answers it."""
        return {
            "command": self.name,
            "summary": self.summary,
            "payload": self.payload.model_json_schema(),
            "reply": self.reply.model_json_schema(),
            "example": {"command": self.name, "payload": self.example},
        }

    def validate(self, payload: dict[str, Any]) -> Payload:
        """The payload as a model.

        Raises:
            RequestError: invalid_payload; says which keys are wrong and what is allowed.
        """
        try:
            return self.payload.model_validate(payload)
        except ValidationError as error:
            raise _invalid(self, error) from None


def _invalid(command: Command, error: ValidationError) -> RequestError:
    problems = []
    for problem in error.errors(include_url=False, include_input=False)[:10]:
        field = ".".join(str(part)[:60] for part in problem["loc"])
        words = "Unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        problems.append({"field": field, "problem": words})
    allowed = list(command.payload.model_fields)
    first = problems[0]
    takes = f"{command.name} takes: {', '.join(allowed)}." if allowed else f"{command.name} takes no payload."
    return RequestError(
        "invalid_payload", f"{first['field']}: {first['problem']}. {takes}", errors=problems, allowed=allowed
    )


_PATH = "/store_00020001/DCIM/100CANON/IMG_0001.JPG"

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("list_cameras", Payload, CameraList, "Every camera that is there now.", {}),
        Command("select_camera", SelectCamera, Done, "Choose the camera for this connection's commands.",
                {"port": "usb:001,003"}),
        Command("capture_image", CaptureImage, Captured, "Take one picture; with settings, download and save in one go.",
                {"settings": {"iso": "400"}, "download": "full", "save": True}),
        Command("download_last_image", DownloadLastImage, Downloaded, "A picture of the camera, whole or in pieces.",
                {"camera_filepath": _PATH}),
        Command("get_config", GetConfig, ConfigReply, "One setting, or all of them.", {"name": "iso"}),
        Command("set_config", SetConfig, ConfigReply, "Change a setting; answers it as read back.",
                {"name": "iso", "value": "200"}),
        Command("start_live_view", StartLiveView, LiveViewStarted, "Frames from the camera, until stopped.",
                {"fps": 30}),
        Command("stop_live_view", StopLiveView, LiveViewStopped, "End the frames.", {}),
        Command("capture_preview", CameraPayload, Preview, "One live-view frame.", {}),
        Command("get_camera_info", CameraPayload, CameraDetails, "Who the camera is and how it is.", {}),
        Command("restart_camera", CameraPayload, Done, "Close the camera and open it again.", {}),
        Command("list_files", ListFiles, FileList, "Folders and files on the camera.", {"folder": "/"}),
        Command("get_thumbnail", OneFile, Thumbnail, "The camera's small picture of a file.",
                {"camera_filepath": _PATH}),
        Command("delete_file", OneFile, Done, "Delete a file from the camera.", {"camera_filepath": _PATH}),
        Command("subscribe", Subscribe, Subscribed, "Ask for events.", {"events": ["*"]}),
        Command("unsubscribe", Subscribe, Subscribed, "No more of these events.", {"events": ["*"]}),
        Command("server_info", Payload, ServerInfo, "Versions and limits.", {}),
        Command("list_commands", Payload, CommandList, "Every command with its JSON Schemas.", {}),
        Command("ping", Payload, Pong, "Whether the server answers.", {}),
    )
}  # fmt: skip


def find(name: str) -> Command:
    """The command of that name.

    Raises:
        RequestError: unknown_command; details name those that are.
    """
    if name not in COMMANDS:
        raise RequestError(
            "unknown_command",
            f"There is no command {name[:60]!r}. Commands: {', '.join(COMMANDS)}.",
            commands=list(COMMANDS),
        )
    return COMMANDS[name]
