"""What each command takes and what it answers, as models with a word on every key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from camera.model import ConfigItem, State, WidgetType
from protocol.frames import StreamFormat

EventName = Literal[
    "camera_connected", "camera_disconnected", "camera_state", "file_added", "config_changed", "capture_saved",
    "capture_checked", "camera_warning", "live_view_stopped",
]  # fmt: skip

PictureInReply = Literal["none", "thumbnail", "full"]
FileTransfer = Literal["base64", "binary"]
Rotation = Literal[0, 90, 180, 270]

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
    message: str = Field(description="What was done, for a person.")


# libgphoto2 has room for 1152 bytes, each of which may be shown as three characters (camera/escapes.py).
_LONGEST_PATH = 3456

CameraFilepath = Annotated[
    str,
    Field(
        min_length=1, max_length=_LONGEST_PATH, description="Absolute path on the camera, as capture_image answered it."
    ),
]
ConfigName = Annotated[
    str, Field(min_length=1, max_length=256, description='Name or path of a setting, for example "iso".')
]


CAN = (
    "What it can do, as far as it was tried: capture, live_view, config, delete, events (it reports its own button and "
    "dials)."
)


class ListedCamera(BaseModel):
    name: str = Field(description="libgphoto2's name of its model; always the same.")
    model: str | None = Field(description="What the camera calls itself; null until it was opened.")
    port: str = Field(description="Where it is now; what select_camera takes.")
    index: int = Field(description="Its place in this list, from 0.")
    serial: str | None = Field(description="Its serial number; null where it tells none.")
    state: State = Field(description="What it does now.")
    connected: bool = Field(description="Whether it is open and answers.")
    can: list[str] = Field(description=CAN)


class CameraList(Reply):
    cameras: list[ListedCamera] = Field(description="Those that are there, in a steady order.")


class SelectCamera(Payload):
    port: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="A port of list_cameras.")


class ImageFile(BaseModel):
    camera_filepath: str = Field(description="Absolute path on the camera.")
    filename: str = Field(description="The last part of the path.")
    mimetype: str = Field(description="By the name's ending, for example image/jpeg.")
    size: int | None = Field(None, description="Bytes; missing where the camera does not tell.")
    saved_path: str | None = Field(None, description="Where it was saved on the server.")


class CaptureImage(CameraPayload):
    settings: dict[ConfigName, str | int | float | bool] = Field(
        default_factory=dict, max_length=32, description="Settings for this shot; put back after it."
    )
    download: PictureInReply = Field("none", description="What of the picture the reply holds.")
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
    message: str = Field("Image captured successfully", description="What was done, for a person.")
    camera_filepath: str = Field(description="The first of `files`.")
    # The picture stands before what is known last, so that it is on its way while it is being saved.
    filename: str | None = Field(None, description="Of the picture in this reply (download).")
    mimetype: str | None = Field(None, description="Of the picture in this reply.")
    image_b64: str | None = Field(None, description="The picture (full) or its thumbnail, as base64.")
    files: list[ImageFile] = Field(description="Every file of the shot (RAW and JPEG), the JPEG first.")
    timing: Timing = Field(description="How long it took.")
    warnings: list[str] | None = Field(None, description="What did not go as ordered after the shutter.")


class DownloadLastImage(CameraPayload):
    camera_filepath: CameraFilepath | None = Field(None, description="Left out: the last image captured.")
    offset: Annotated[int, Field(ge=0)] | None = Field(None, description="First byte of a piece.")
    length: Annotated[int, Field(ge=1, le=MAX_PIECE)] | None = Field(None, description="Bytes of a piece.")
    transfer: FileTransfer = Field("base64", description="How the bytes come.")


class Downloaded(Reply):
    message: str = Field("Image downloaded successfully", description="What was done, for a person.")
    filename: str = Field(description="The last part of the path.")
    mimetype: str = Field(description="For example image/jpeg.")
    camera_filepath: str = Field(description="Absolute path on the camera.")
    size: int = Field(description="Bytes of the whole file.")
    offset: int | None = Field(None, description="First byte of this piece.")
    length: int | None = Field(None, description="Bytes in this piece.")
    eof: bool | None = Field(None, description="Whether this piece is the last.")
    transfer: int | None = Field(None, description="Number in the binary messages that follow (transfer binary).")
    chunk_bytes: int | None = Field(None, description="Bytes of the file in each binary message but the last.")
    image_b64: str | None = Field(None, description="The bytes as base64 (unless transfer is binary).")


class Preview(Reply):
    message: str = Field("Preview captured successfully", description="What was done, for a person.")
    mimetype: str = Field("image/jpeg", description="Of the frame.")
    image_b64: str = Field(description="The frame, a JPEG as base64.")


class GetConfig(CameraPayload):
    name: ConfigName | None = Field(None, description="Left out: every setting.")


class SetConfig(CameraPayload):
    name: ConfigName
    value: str | int | float | bool = Field(description="Turned into the setting's type, then checked.")


class Range(BaseModel):
    min: float = Field(description="Lowest value, in the setting's own unit.")
    max: float = Field(description="Highest value.")
    step: float = Field(description="From one value to the next.")


class Config(BaseModel):
    config_name: str = Field(description="Its name, for get_config and set_config.")
    label: str = Field(description="The driver's words for it.")
    type: WidgetType = Field(description="The kind of control that fits it.")
    value: str | int | float | None = Field(
        description="Text of text, radio and menu; 0, 1 or 2 (unknown) of toggle; a number of range; Unix seconds of date."
    )
    readonly: bool = Field(description="Whether the camera refuses to change it now.")
    choices: list[str] = Field(description="What is allowed; empty where the type has no choices.")
    range: Range | None = Field(None, description="Of a range only.")
    path: str | None = Field(None, description="Its place in the tree; in the list of all settings only.")

    @classmethod
    def of(cls, item: ConfigItem) -> Config:
        """A setting as it goes over the wire."""
        return cls(**_config_values(item))


class ConfigReply(Reply, Config):
    message: str | None = Field(None, description="What was done, for a person (set_config).")

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
    configs: list[Config] = Field(description="Every setting.")


class StartLiveView(CameraPayload):
    fps: Annotated[float, Field(ge=0.1, le=120)] | None = Field(
        None, description="Highest rate wanted, frames per second; left out: PREVIEW_FPS."
    )
    format: StreamFormat = Field(
        "base64", description="base64 in JSON, binary with a header, bare jpeg, or frames of the Photonic dialect."
    )
    rotation: Rotation | None = Field(None, description="Degrees clockwise; left out: PREVIEW_ROTATION.")
    flip: bool | None = Field(None, description="Mirror left and right; left out: PREVIEW_FLIP.")
    max_in_flight: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="Send no more than this many frames that were not acknowledged with an ack message."
    )


class LiveViewStarted(Reply):
    message: str = Field("Live view started", description="What was done, for a person.")
    stream: int = Field(description="Number of the stream on this connection.")
    fps: float = Field(description="Highest rate, frames per second.")
    format: StreamFormat = Field(description="How the frames come.")
    rotation: int = Field(description="Degrees clockwise.")
    flip: bool = Field(description="Whether left and right are mirrored.")
    port: str = Field(description="The camera's port.")


class StopLiveView(CameraPayload):
    stream: int | None = Field(None, description="Left out: every stream of the camera on this connection.")


class LiveViewStopped(Reply):
    message: str = Field("Live view stopped", description="What was done, for a person.")
    sent: int = Field(description="Frames sent.")
    dropped: int = Field(description="Frames left out because the client was not ready for them.")


class StoredMemory(BaseModel):
    path: str = Field(description="The folder it is, for list_files.")
    label: str = Field(description="The camera's name for it.")
    capacity: int | None = Field(description="Bytes; null where the camera does not tell.")
    free: int | None = Field(description="Bytes; null where the camera does not tell.")


class CheckedCapture(BaseModel):
    """What the camera's card said about the last shot whose outcome was not known."""

    at: str = Field(description="When it was asked for, ISO 8601 in UTC.")
    files: list[str] | None = Field(description="What the card had more than before; null where that is not known.")
    message: str = Field(description="The same for a person.")


class CameraDetails(Reply):
    name: str = Field(description="libgphoto2's name of its model; always the same.")
    model: str | None = Field(description="What the camera calls itself; null until it was opened.")
    manufacturer: str | None = Field(description="As the camera tells it.")
    version: str | None = Field(description="Of its firmware, as the camera tells it.")
    serial: str | None = Field(description="Its serial number; null where it tells none.")
    port: str = Field(description="Where it is now.")
    state: State = Field(description="What it does now.")
    connected: bool = Field(description="Whether it is open and answers.")
    can: list[str] = Field(description=CAN)
    viewers: int = Field(description="Live-view streams of all clients.")
    battery: str | None = Field(None, description="In the camera's words, for example 50%.")
    lens: str | None = Field(None, description="Its name, where the camera tells.")
    storage: list[StoredMemory] | None = Field(None, description="Its cards.")
    file_count: int | None = Field(None, description="Files on it, once they were counted.")
    attempts: int | None = Field(None, description="Tries to open it that failed, since it was open last.")
    last_error: str | None = Field(None, description="Why it is not open.")
    last_io: str | None = Field(None, description="When it last did what it was asked, ISO 8601 in UTC.")
    warnings: list[str] | None = Field(None, description="What will stop it soon: battery, card.")
    last_unknown_capture: CheckedCapture | None = Field(
        None, description="The last shot of unknown outcome, once the card was looked at."
    )


class ListFiles(CameraPayload):
    folder: Annotated[str, Field(min_length=1, max_length=_LONGEST_PATH)] = Field(
        "/", description="Absolute folder path."
    )
    offset: Annotated[int, Field(ge=0)] = Field(0, description="First file of the page.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(200, description="Files of the page.")


class FileList(Reply):
    folder: str = Field(description="The folder that was listed.")
    folders: list[str] = Field(description="Names of the folders in it.")
    files: list[ImageFile] = Field(description="The files of the page.")
    total: int = Field(description="Files in the folder.")


class OneFile(CameraPayload):
    camera_filepath: CameraFilepath


class Thumbnail(Reply):
    filename: str = Field(description="Of the picture.")
    mimetype: str = Field("image/jpeg", description="Of the thumbnail.")
    image_b64: str = Field(description="The thumbnail as base64.")


class Subscribe(Payload):
    events: list[Literal[EventName, "*"]] = Field(min_length=1, description='Names of events, or ["*"].')


class Subscribed(Reply):
    events: list[EventName] = Field(description="What this connection is subscribed to now.")


class ServerInfo(Reply):
    server: str = Field(description="Always gphoto-ws-server.")
    version: str = Field(description="Of the server.")
    protocol: int = Field(description="Number of this protocol.")
    libgphoto2: str | None = Field(description="Its version; null where it could not be asked.")
    uptime: float = Field(description="Seconds since the server started.")
    time: str = Field(description="The server's clock, ISO 8601 in UTC: with it a client can tell how old a frame is.")
    limits: dict[str, int | float] = Field(description="Every limit by its name.")


class CommandDescription(BaseModel):
    command: str = Field(description="Its name.")
    summary: str = Field(description="What it does.")
    payload: dict[str, Any] = Field(description="JSON Schema of what it takes.")
    reply: dict[str, Any] = Field(description="JSON Schema of what it answers beside status, id and command.")
    example: dict[str, Any] = Field(description="The command as a client sends it.")


class CommandList(Reply):
    commands: list[CommandDescription] = Field(description="Every command.")


class Pong(Reply):
    message: str = Field("pong", description="What was done, for a person.")


class LoginReply(Reply):
    message: str = Field("Authenticated", description="What was done, for a person.")
    protocol: int = Field(description="Number of this protocol.")
    server: str = Field(description="Always gphoto-ws-server.")
    version: str = Field(description="Of the server.")
    limits: dict[str, int | float] = Field(description="Every limit by its name.")
