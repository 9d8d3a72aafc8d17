"""Replies of the commands as frozen dataclasses, with the names of the protocol.

Sizes are in bytes. `image` is the picture as bytes, decoded from base64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gphoto_ws_client.decode import picture, required_picture

JobKind = Literal["timelapse", "bracket", "focus_stack"]
JobState = Literal["scheduled", "running", "waiting", "paused", "done", "stopped", "failed"]
State = Literal["opening", "ready", "live", "capturing", "recording", "recovering", "needs_attention", "absent"]
ShotState = Literal["asked", "changed", "released", "told", "closed"]
ShotOutcome = Literal["done", "failed", "unknown"]
WidgetType = Literal["window", "section", "text", "range", "toggle", "radio", "menu", "button", "date"]
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Done:
    message: str


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera in the reply of list_cameras.

    `name` is the name of the model in libgphoto2. `model` is the name that the camera reports, or None until the camera
    was opened. `can` lists what the camera can do: capture, live_view, config, delete, events. The value events means
    that the camera reports the use of its own button and dials.
    """

    name: str
    model: str | None
    port: str
    index: int
    serial: str | None
    state: State
    connected: bool
    can: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CameraList:
    cameras: tuple[Camera, ...]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file on a camera. `size` is None if the camera does not report it. `saved_path` is the path on the server."""

    camera_filepath: str
    filename: str
    mimetype: str
    size: int | None = None
    saved_path: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds from the request until the shutter opens, until the file is known, and until the file is fetched."""

    shutter_ms: float
    file_known_ms: float
    file_here_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """A shot.

    `files` has all its files (RAW and JPEG), the JPEG first. `image` is the picture that `download` requested.
    """

    message: str
    camera_filepath: str
    files: tuple[ImageFile, ...]
    timing: Timing | None = None
    warnings: tuple[str, ...] | None = None
    exposed_s: float | None = None
    shot: int | None = None
    repeated: bool | None = None
    filename: str | None = None
    mimetype: str | None = None
    image: bytes | None = picture()


@dataclass(frozen=True, slots=True)
class BurstCaptured:
    """A burst. `frames` is the number of its pictures; `files` has all their files, picture by picture."""

    message: str
    frames: int
    files: tuple[ImageFile, ...]
    warnings: tuple[str, ...] | None = None
    shot: int | None = None
    repeated: bool | None = None


@dataclass(frozen=True, slots=True)
class ExposureStopped:
    """A bulb exposure that was ended early, with its length in seconds."""

    message: str
    exposed_s: float


@dataclass(frozen=True, slots=True)
class MovieInfo:
    """A movie that has started. It ends at `ends_at` at the latest, after `max_s` seconds. `shot` is its number."""

    message: str
    max_s: float
    started_at: str
    ends_at: str
    shot: int | None = None


@dataclass(frozen=True, slots=True)
class MovieStopped:
    """A movie of `recorded_s` seconds. `files` is empty if the camera has not written the file in time."""

    message: str
    files: tuple[ImageFile, ...]
    recorded_s: float
    shot: int | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ShotFile:
    """A file of a shot, with its size in bytes and where the server saved it."""

    camera_filepath: str
    size: int | None = None
    saved_path: str | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """The record of a shot. `outcome` is None if it is not known yet. `settings` are the settings in the request."""

    shot: int
    key: str | None
    port: str
    asked_at: str
    state: ShotState
    outcome: ShotOutcome | None
    files: tuple[ShotFile, ...]
    settings: Mapping[str, Value]
    message: str


@dataclass(frozen=True, slots=True)
class ShotList:
    """The shots, the newest first."""

    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file of the camera, or a piece of a file. Only a piece has `offset`, `length` and `eof`.

    `size` is the size of the whole file.
    """

    message: str
    filename: str
    mimetype: str
    camera_filepath: str
    size: int
    offset: int | None = None
    length: int | None = None
    eof: bool | None = None
    image: bytes | None = picture()


@dataclass(frozen=True, slots=True)
class Preview:
    message: str
    mimetype: str
    image: bytes = required_picture()


@dataclass(frozen=True, slots=True)
class Range:
    min: float
    max: float
    step: float


@dataclass(frozen=True, slots=True)
class Config:
    """A setting. `choices` is empty for types without choices; `path` is set only in the list of all settings."""

    config_name: str
    label: str
    type: WidgetType
    value: str | int | float | None
    readonly: bool
    choices: tuple[str, ...]
    range: Range | None = None
    path: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigTree:
    configs: tuple[Config, ...]


@dataclass(frozen=True, slots=True)
class LiveViewStarted:
    message: str
    stream: int
    fps: float
    format: str
    rotation: int
    flip: bool
    port: str


@dataclass(frozen=True, slots=True)
class LiveViewStopped:
    """`sent` is the number of sent frames, `dropped` the number of skipped frames (this client was not ready)."""

    message: str
    sent: int
    dropped: int


@dataclass(frozen=True, slots=True)
class FocusDriven:
    """A movement of the focus. `moved` is the number of steps, negative towards near.

    `at_limit` is True if the lens is at its limit, or the steps are too small for it; None if the camera does not
    report that.
    """

    message: str
    moved: int
    at_limit: bool | None


@dataclass(frozen=True, slots=True)
class Focused:
    """The result of the autofocus. `focused` is None if the camera does not report it."""

    message: str
    focused: bool | None


@dataclass(frozen=True, slots=True)
class LiveViewZoomed:
    """The magnification of live view, and the centre of its visible part in the whole picture (None: not known)."""

    message: str
    factor: float
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True)
class FiredCamera:
    """One camera of `Client.fire`, with its files, or with the code and the message of its error.

    `commanded_ms` and `accepted_ms` are milliseconds after the deadline. `accepted_ms` is None if the driver does not
    report it.
    """

    port: str
    status: Literal["ok", "error"]
    code: str | None = None
    message: str | None = None
    commanded_ms: float | None = None
    accepted_ms: float | None = None
    files: tuple[ImageFile, ...] = ()
    shot: int | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CamerasFired:
    """The cameras that were released together.

    `skew_ms` is the time between the earliest and the latest command, after subtracting the offsets; None if no camera
    was released. When the shutters opened is not measured.
    """

    message: str
    skew_ms: float | None
    cameras: tuple[FiredCamera, ...]
    repeated: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredMemory:
    path: str
    label: str
    capacity: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class CheckedCapture:
    """The result of the check after the last shot with an unknown outcome. `files` is None if the files are unknown."""

    at: str
    files: tuple[str, ...] | None
    message: str


@dataclass(frozen=True, slots=True)
class CameraDetails:
    """Identity and state of a camera. If `state` is needs_attention, `last_error` contains the reason.

    `file_count` is the number of files on the camera, or None if they were not counted. `attempts` is the number of
    failed attempts to open the camera. `last_io` is the time of its last successful operation. `warnings` are problems
    that will soon stop the camera (battery, card).
    """

    name: str
    model: str | None
    manufacturer: str | None
    version: str | None
    serial: str | None
    port: str
    state: State
    connected: bool
    can: tuple[str, ...]
    viewers: int
    battery: str | None = None
    lens: str | None = None
    storage: tuple[StoredMemory, ...] | None = None
    file_count: int | None = None
    attempts: int | None = None
    last_error: str | None = None
    last_io: str | None = None
    warnings: tuple[str, ...] | None = None
    last_unknown_capture: CheckedCapture | None = None


@dataclass(frozen=True, slots=True)
class ClockSynced:
    """The clock of a camera was set. `was_off_s` is negative if it was behind; `warnings` say why it may be wrong now."""

    message: str
    was_off_s: int
    set_to: str
    config_name: str
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CameraWords:
    """The words for the pictures of a camera.

    `set` lists what was written to the camera (artist, copyright, owner), `missing` what it has no setting for.
    """

    port: str
    serial: str | None
    job: str
    label: str
    set: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobInfo:
    """The words for the next pictures. `job` applies to all cameras that have no job of their own."""

    message: str
    job: str
    cameras: tuple[CameraWords, ...]
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FileList:
    """A page of a folder; `total` is the number of files in the folder."""

    folder: str
    folders: tuple[str, ...]
    files: tuple[ImageFile, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Thumbnail:
    filename: str
    mimetype: str
    image: bytes = required_picture()


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job: a series of shots that the server takes by itself. Times are ISO 8601 in UTC.

    Attributes:
        skipped: number of slots that were missed; `skipped_slots` has the first and last number of each series.
        next_at: time of the next slot; None if the job has ended.
        progress: part of the slots that have passed, 0 to 1.
        disk_free, card_free: free bytes for pictures on the disk of the photo folder and on the card; None if unknown.
    """

    job: int
    kind: JobKind
    port: str
    state: JobState
    shots: int
    skipped: int
    failed: int
    skipped_slots: tuple[tuple[int, ...], ...]
    next_at: str | None
    started_at: str
    message: str
    progress: float
    disk_free: int | None = None
    card_free: int | None = None


@dataclass(frozen=True, slots=True)
class JobReply:
    """`repeated`: the job was started by an earlier request with the same key.

    `warnings`: what may end the job early, for example too little space.
    """

    message: str
    job: JobStatus
    repeated: bool | None = None
    warnings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    jobs: tuple[JobStatus, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """A place in the server's log of events: after the event number `seq` of the life `epoch`."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscriptions of this connection. `epoch` and `seq` are None if the server does not number its events."""

    events: tuple[str, ...]
    epoch: str | None = None
    seq: int | None = None
    recovered: bool | None = None
    missed: int | None = None


@dataclass(frozen=True, slots=True)
class HookInfo:
    """What the operator's command for saved files has done since the server started."""

    waiting: int
    succeeded: int
    failed: int
    dropped: int
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookInfo:
    """The state of a webhook, and what it has done since the server started."""

    origin: str
    state: str
    waiting: int | None
    delivered: int
    failed: int
    given_up: int
    last_error: str | None = None
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket for an HTTP page: `url` is its path with the ticket."""

    ticket: str
    url: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class ServerInfo:
    server: str
    version: str
    protocol: int
    libgphoto2: str | None
    time: str
    uptime: float
    limits: Mapping[str, Any]
    epoch: str | None = None
    seq: int | None = None
    hook: HookInfo | None = None
    webhooks: tuple[WebhookInfo, ...] | None = None


@dataclass(frozen=True, slots=True)
class CommandDescription:
    """A command of the server with its JSON Schemas."""

    command: str
    summary: str
    payload: Mapping[str, Any]
    reply: Mapping[str, Any]
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CommandList:
    commands: tuple[CommandDescription, ...]


@dataclass(frozen=True, slots=True)
class Pong:
    message: str
