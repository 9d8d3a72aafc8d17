"""The payload and the reply of each command, as models with a description of each key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from camera.model import CapturedFile, ConfigItem, FocusSize, State, WidgetType
from protocol.frames import StreamFormat

JobKind = Literal["timelapse", "bracket", "focus_stack"]
RampSetting = Literal["shutterspeed", "iso"]
BracketBy = Literal["shutterspeed", "iso", "native"]
JobState = Literal["scheduled", "running", "waiting", "paused", "done", "stopped", "failed"]
SlotStatus = Literal["ok", "error", "skipped"]
EventName = Literal[
    "camera_connected", "camera_disconnected", "camera_state", "file_added", "config_changed", "capture_saved",
    "capture_checked", "camera_warning", "live_view_stopped", "exposure_started", "exposure_ended", "job_state", "job_shot",
    "movie_started", "movie_ended",
]  # fmt: skip

ShotState = Literal["asked", "changed", "released", "told", "closed"]
ShotOutcome = Literal["done", "failed", "unknown"]
PictureInReply = Literal["none", "thumbnail", "full"]
FileTransfer = Literal["base64", "binary"]
Rotation = Literal[0, 90, 180, 270]

# Limit for a piece of a file, in bytes. Clients should request smaller pieces, for example 256 KiB, which are 350 KB as
# base64: by default, the Python library websockets accepts messages of up to 1 MiB.
MAX_PIECE = 8 * 2**20


class Payload(BaseModel):
    """Payload of a command. Unknown keys are errors, so that typos are found."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# Later and earlier times cannot be calculated with.
_EARLIEST, _LATEST = 1970, 2999


def _time(value: str) -> str:
    try:
        time = datetime.fromisoformat(value)
        possible = time.utcoffset() is not None and _EARLIEST <= time.year <= _LATEST
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(f"Input should be a time such as 2030-12-24T18:00:00Z, in the years {_EARLIEST} to {_LATEST}")
    return value


def _shot_key(value: str) -> str:
    if value.startswith("job/"):
        raise ValueError("Input should not begin with job/, which is for the shots of jobs")
    return value


ShotKey = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_shot_key)]


TimeText = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_time)]


def seconds_of(time: str) -> float:
    """A time in the form of `TimeText`, in seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()


Force = Annotated[
    bool,
    Field(description="Use the camera also if the next picture of a job is late then; else: camera_in_use_by_job."),
]


class CameraPayload(Payload):
    """Payload of every command for a camera."""

    port: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Port of the camera; by default the selected camera."
    )


class Reply(BaseModel):
    """Reply to a command, without status, id and command."""

    model_config = ConfigDict(frozen=True)


class Done(Reply):
    message: str = Field(description="What was done, in words for people.")


# libgphoto2 limits a path to 1152 bytes; each byte may be escaped as three characters (camera/escapes.py).
_LONGEST_PATH = 3456

CameraFilepath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_PATH,
        description="Absolute path on the camera, from a reply of capture_image or list_files.",
    ),
]
ConfigName = Annotated[
    str, Field(min_length=1, max_length=256, description='Name or path of a setting, for example "iso".')
]


CAN = (
    "What the camera can do, as far as known: capture, live_view, config, delete, events (it reports its own button and "
    "dials)."
)


class ListedCamera(BaseModel):
    name: str = Field(description="The model as libgphoto2 names it; never changes.")
    model: str | None = Field(description="The model as the camera itself reports it; null before it was opened.")
    port: str = Field(description="Where the camera is now; the value for select_camera.")
    index: int = Field(description="Position in this list, from 0.")
    serial: str | None = Field(description="The serial number; null if the camera reports none.")
    state: State = Field(description="What the camera does now.")
    connected: bool = Field(description="Whether the camera is open and answers.")
    can: list[str] = Field(description=CAN)


class CameraList(Reply):
    cameras: list[ListedCamera] = Field(description="All cameras that are present, always in the same order.")


class SelectCamera(Payload):
    port: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="A port from list_cameras.")


class ImageFile(BaseModel):
    camera_filepath: str = Field(description="Absolute path on the camera.")
    filename: str = Field(description="The last part of the path.")
    mimetype: str = Field(description="Media type, from the file extension, for example image/jpeg.")
    size: int | None = Field(None, description="Bytes; missing if the camera does not report it.")
    saved_path: str | None = Field(None, description="Path of the saved file on the server.")

    @classmethod
    def of(cls, file: CapturedFile, saved_path: str | None = None) -> ImageFile:
        """A file in the format of the protocol."""
        return cls(
            camera_filepath=file.path,
            filename=file.filename,
            mimetype=file.mimetype,
            size=file.size,
            saved_path=saved_path,
        )


ShotSettings = dict[ConfigName, str | int | float | bool]


class UsingPayload(CameraPayload):
    """Payload of a command that may keep the camera from a job."""

    force: Force = False


class CaptureImage(UsingPayload):
    settings: ShotSettings = Field(
        default_factory=dict,
        max_length=32,
        description="Settings for this shot; their previous values are restored afterwards.",
    )
    download: PictureInReply = Field(
        "none", description="Whether the reply contains no picture, its thumbnail or the full picture."
    )
    save: bool = Field(False, description="Save every file of the shot to the photo folder.")
    filename: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Name for the saved files, instead of PHOTO_NAME; only with save."
    )
    keep_on_camera: bool = Field(
        True, description="If false, the files on the camera are deleted after they were saved."
    )
    key: ShotKey | None = Field(
        None,
        description="A text that is unique for this shot. If the same request with the same key comes again within 24 hours, no"
        " second picture is taken. The reply is that of the first request, with `repeated`.",
    )

    bulb_s: Annotated[float, Field(ge=0.1, le=36_000, allow_inf_nan=False)] | None = Field(
        None,
        description="Length of the exposure in seconds. The camera's process opens and closes the shutter (bulb). Without"
        " bulb_s, the camera uses its own shutter speed.",
    )

    @model_validator(mode="after")
    def _one_exposure_time(self) -> CaptureImage:
        if self.bulb_s is not None and any(
            name.rpartition("/")[2].startswith("shutterspeed") for name in self.settings
        ):
            raise ValueError(
                "bulb_s sets the shutter speed itself: send bulb_s or a shutterspeed in settings, not both"
            )
        return self

    @model_validator(mode="after")
    def _goes_with_save(self) -> CaptureImage:
        if not self.save and (self.filename is not None or not self.keep_on_camera):
            raise ValueError("filename and keep_on_camera: false need save: true")
        return self


class Timing(BaseModel):
    shutter_ms: float = Field(description="Milliseconds from the request to the shutter.")
    file_known_ms: float = Field(description="Milliseconds from the request until the file on the camera is known.")
    file_here_ms: float | None = Field(
        None, description="Milliseconds from the request until the file is on the server, if it was fetched."
    )


class Captured(Reply):
    message: str = Field("Image captured successfully", description="What was done, in words for people.")
    camera_filepath: str = Field(description="The first of `files`.")
    # The picture comes before the keys whose values are known last. So it can be sent while the files are being saved.
    filename: str | None = Field(None, description="Name of the picture in this reply (download).")
    mimetype: str | None = Field(None, description="Type of the picture in this reply.")
    image_b64: str | None = Field(None, description="The picture or its thumbnail, as base64.")
    files: list[ImageFile] = Field(description="Every file of the shot (RAW and JPEG), the JPEG first.")
    timing: Timing | None = Field(
        None, description="How long it took; missing if the picture was found after an interruption."
    )
    warnings: list[str] | None = Field(None, description="Problems that did not prevent the picture.")
    exposed_s: float | None = Field(None, description="Length of a bulb exposure in seconds.")
    shot: int | None = Field(None, description="Number of the shot, for get_shot.")
    repeated: bool | None = Field(None, description="True if an earlier request with this key took the picture.")


class CaptureBurst(UsingPayload):
    frames: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None, description="Number of pictures. The camera may take more until its button is released."
    )
    hold_ms: Annotated[int, Field(ge=50, le=10_000)] | None = Field(
        None, description="How long the shutter button is held, in milliseconds. Either frames or hold_ms."
    )
    settings: dict[ConfigName, str | int | float | bool] = Field(
        default_factory=dict,
        max_length=32,
        description="Settings for this burst; their previous values are restored afterwards.",
    )
    save: bool = Field(False, description="Save every file of all pictures to the photo folder.")
    key: ShotKey | None = Field(
        None,
        description="A text that is unique for this burst. If the same request with the same key comes again within 24 hours, no"
        " second burst is taken. The reply is that of the first request, with `repeated`.",
    )

    @model_validator(mode="after")
    def _one_length(self) -> CaptureBurst:
        if (self.frames is None) == (self.hold_ms is None):
            raise ValueError("send either frames or hold_ms")
        return self


class BurstCaptured(Reply):
    message: str = Field(description="What was done, in words for people.")
    frames: int = Field(
        description="How many pictures the camera has taken, by its own counter if it has one, otherwise by their files."
    )
    files: list[ImageFile] = Field(
        description="Every file of all pictures, picture by picture, the JPEG of a picture first."
    )
    warnings: list[str] | None = Field(None, description="Problems, for example fewer pictures than ordered.")
    shot: int | None = Field(None, description="Number of the burst in the records of shots, for get_shot.")
    repeated: bool | None = Field(
        None, description="True if the burst was taken for an earlier request with the same key."
    )


class StopExposure(CameraPayload):
    keep: bool = Field(True, description="If false, the picture is deleted from the camera.")


class ExposureStopped(Done):
    exposed_s: float = Field(description="Length of the exposure in seconds.")


Preparation = Literal["none", "half_press"]
MissingCamera = Literal["skip", "stop"]
FireStatus = Literal["ok", "error"]
WebhookState = Literal["ok", "retrying", "disabled"]


class Fire(Payload):
    ports: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(min_length=1, max_length=64)] | None
    ) = Field(None, description="Ports of the cameras; by default all cameras.")
    in_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        300,
        description="Milliseconds from the request to the deadline at which the cameras are released. A camera that is not ready then is not released: one with"
        " mirror lock-up, for example, which raises its mirror first, needs 1500 ms. 0: as soon as all cameras are ready.",
    )
    offsets_ms: dict[
        Annotated[str, Field(min_length=1, max_length=256)],
        Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)],
    ] = Field(
        default_factory=dict,
        max_length=64,
        description="By port: milliseconds after the deadline (negative: before it) at which this camera is released, at most in_ms.",
    )
    prepare: Preparation = Field(
        "none",
        description="half_press: half press the shutter buttons until the deadline, so that the cameras focus and meter before it. Without it, the cameras do not focus.",
    )
    missing: MissingCamera = Field(
        "skip",
        description="If a camera is not ready: skip fires the others at the deadline; stop fires none.",
    )
    settings: ShotSettings = Field(
        default_factory=dict,
        max_length=32,
        description="Settings of all these cameras for this shot; their previous values are restored afterwards.",
    )
    save: bool = Field(False, description="Save every file to the photo folder.")
    force: Force = False
    key: ShotKey | None = Field(
        None,
        description="A text that is unique for this request. If the same request with the same key comes again within 24 hours, no camera is released"
        " again. The reply has the recorded shots, and `repeated`.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Fire:
        if self.ports is not None:
            if len(set(self.ports)) < len(self.ports):
                raise ValueError("ports has a port twice")
            if strange := self.offsets_ms.keys() - set(self.ports):
                raise ValueError(f"offsets_ms has a port that is not in ports: {min(strange)}")
        if any(abs(offset) > self.in_ms for offset in self.offsets_ms.values()):
            raise ValueError(f"offsets_ms has an offset of more than in_ms ({self.in_ms})")
        if self.in_ms == 0 and self.prepare == "half_press":
            raise ValueError("half_press takes time: give an in_ms that is long enough for the cameras to focus")
        return self


class FiredCamera(BaseModel):
    port: str = Field(description="Where the camera was at the time of the request.")
    status: FireStatus = Field(description="Whether there is a picture.")
    code: str | None = Field(None, description="For an error: its code, as in error replies.")
    message: str | None = Field(None, description="For an error: what happened and what to do.")
    commanded_ms: float | None = Field(
        None, description="When the driver got the order to release the shutter, in milliseconds after the deadline."
    )
    accepted_ms: float | None = Field(
        None,
        description="When the camera had accepted the release, in milliseconds after the deadline; missing if its driver does not report that.",
    )
    files: list[ImageFile] = Field(default_factory=list, description="Every file of the shot, the JPEG first.")
    shot: int | None = Field(None, description="Number of the shot, for get_shot.")
    warnings: list[str] | None = Field(None, description="Problems that did not prevent the picture.")


class CamerasFired(Reply):
    message: str = Field(description="What was done, in words for people.")
    skew_ms: float | None = Field(
        description="Milliseconds between the earliest and the latest command to a camera, after subtracting the offsets; null if no camera was released. When the"
        " shutters opened is not measured: each body adds its own delay."
    )
    cameras: list[FiredCamera] = Field(description="One entry for each camera, in the order of `ports`.")
    repeated: bool | None = Field(None, description="True if an earlier request with this key released the cameras.")


class StartMovie(UsingPayload):
    max_s: Annotated[float, Field(ge=1, le=36_000, allow_inf_nan=False)] = Field(
        1800,
        description="Longest time in seconds. After that, the camera's process stops the movie, also if no client is connected.",
    )


class MovieInfo(Done):
    max_s: float = Field(description="Longest time of the movie in seconds.")
    started_at: str = Field(description="Time when it started, ISO 8601 in UTC.")
    ends_at: str = Field(description="Time when it ends at the latest, ISO 8601 in UTC.")
    shot: int | None = Field(None, description="Number of the movie, for get_shot.")


class MovieStopped(Done):
    files: list[ImageFile] = Field(
        description="The files of the movie; several if it is long. Empty if the camera has not written them in time: then file_added follows."
    )
    recorded_s: float = Field(description="Length of the movie in seconds.")
    shot: int | None = Field(None, description="Number of the movie, for get_shot.")
    warnings: list[str] | None = Field(None, description="Why there is no file yet.")


# The keys of start_job that belong to one kind of job.
_OF_KIND: dict[JobKind, tuple[str, ...]] = {
    "timelapse": ("interval_s", "count", "until", "start_at", "bulb_s", "ramp"),
    "bracket": ("ev", "by"),
    "focus_stack": ("frames", "steps", "size", "settle_ms", "back"),
}


_RAMP_ORDER: tuple[RampSetting, RampSetting] = ("shutterspeed", "iso")


class RampOptions(Payload):
    order: Annotated[list[RampSetting], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: list(_RAMP_ORDER),
        description="Which setting is changed first, until its bound.",
    )
    min_s: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = Field(
        1 / 8000, description="Shortest exposure in seconds."
    )
    max_s: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = Field(
        1.0, description="Longest exposure in seconds, at most half of interval_s."
    )
    max_iso: Annotated[int, Field(ge=50, le=1_000_000)] = Field(
        1600, description="Highest ISO. The lowest is the one at the start."
    )
    target_ev: Annotated[float, Field(ge=-6, le=2, allow_inf_nan=False)] | None = Field(
        None,
        description="Brightness that is kept, in EV relative to middle grey; by default that of the first picture.",
    )
    ev_per_hour: Annotated[float, Field(ge=0.1, le=100_000, allow_inf_nan=False)] = Field(
        30.0, description="Limit for changes of the exposure, in EV per hour. A sunset has up to 20."
    )

    @model_validator(mode="after")
    def _possible(self) -> RampOptions:
        if len(set(self.order)) != len(self.order):
            raise ValueError("order needs shutterspeed and iso, each once")
        if self.min_s > self.max_s:
            raise ValueError("min_s is longer than max_s")
        return self


class StartJob(CameraPayload):
    kind: JobKind = Field(
        description="timelapse: one picture every interval_s seconds; bracket: the same picture with several exposures; focus_stack: pictures with the focus from near to far."
    )
    interval_s: Annotated[float, Field(ge=0.5, le=86_400, allow_inf_nan=False)] | None = Field(
        None, description="timelapse: seconds from one slot to the next."
    )
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="timelapse: number of slots. Use count or until."
    )
    until: TimeText | None = Field(
        None, description="timelapse: time of the last slot or a little later, ISO 8601 with Z or an offset."
    )
    start_at: TimeText | None = Field(
        None, description="timelapse: time of the first slot, ISO 8601 with Z or an offset; by default now."
    )
    bulb_s: Annotated[float, Field(ge=0.1, le=36_000, allow_inf_nan=False)] | None = Field(
        None, description="timelapse: length of each exposure in seconds, timed by the server; shorter than interval_s."
    )
    ramp: RampOptions | None = Field(
        None,
        description="timelapse: the exposure follows the light, by the thumbnail of each picture, in steps of a third of an EV.",
    )
    ev: Annotated[
        list[Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]], Field(min_length=2, max_length=15)
    ] = Field(
        default_factory=lambda: [-2.0, 0.0, 2.0],
        description="bracket: the exposure of each picture in EV, relative to the current one; positive is brighter.",
    )
    by: BracketBy = Field(
        "shutterspeed",
        description="bracket: the setting that changes; native: the camera's own bracketing, with one held release. ev is then symmetric, such as [-1, 0, 1].",
    )
    frames: Annotated[int, Field(ge=2, le=500)] | None = Field(None, description="focus_stack: number of pictures.")
    steps: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="focus_stack: how many steps the focus moves towards far before each further picture."
    )
    size: FocusSize = Field("small", description="focus_stack: size of a step.")
    settle_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        300, description="focus_stack: milliseconds from a step to the picture, until nothing vibrates any more."
    )
    back: bool = Field(True, description="focus_stack: move the focus back at the end.")
    settings: ShotSettings = Field(
        default_factory=dict,
        max_length=32,
        description="Settings for each shot; their previous values are restored after it.",
    )
    save: bool = Field(True, description="Save every file to the photo folder.")
    filename: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Name of the saved files, to which the number of the slot is added; by default PHOTO_NAME."
    )
    key: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="A text that is unique for this job. If the same request comes again with the same key, no second job is started.",
    )

    @model_validator(mode="after")
    def _possible(self) -> StartJob:
        for kind, names in _OF_KIND.items():
            if kind != self.kind and (foreign := self.model_fields_set.intersection(names)):
                raise ValueError(f"{min(foreign)} is only for the kind {kind}")
        if self.kind == "timelapse":
            self._check_timelapse()
        if self.kind == "bracket" and self.by == "native" and not _symmetric(self.ev):
            raise ValueError("with by: native, ev needs three symmetric values such as [-1, 0, 1]")
        if self.kind == "focus_stack" and (self.frames is None or self.steps is None):
            raise ValueError("a focus_stack needs frames and steps")
        return self

    def _check_timelapse(self) -> None:
        if self.interval_s is None:
            raise ValueError("a timelapse needs interval_s")
        if (self.count is None) == (self.until is None):
            raise ValueError("give either count or until")
        if self.until is not None and self.start_at is not None and seconds_of(self.until) < seconds_of(self.start_at):
            raise ValueError("until is before start_at")
        if self.bulb_s is not None and self.bulb_s >= self.interval_s:
            raise ValueError("bulb_s must be shorter than interval_s")
        if self.ramp is not None and self.bulb_s is not None:
            raise ValueError("a ramp changes the shutter speed: send ramp or bulb_s, not both")
        if self.ramp is not None and self.ramp.max_s > self.interval_s / 2:
            raise ValueError("max_s of the ramp must be at most half of interval_s")


def _symmetric(ev: list[float]) -> bool:
    return len(ev) == 3 and sorted(ev)[1] == 0 and min(ev) == -max(ev) != 0


class JobStatus(BaseModel):
    """A job."""

    job: int = Field(description="Number of the job.")
    kind: JobKind = Field(description="What the job does.")
    port: str = Field(description="Port of its camera.")
    state: JobState = Field(
        description="scheduled: its first slot is in the future; waiting: the camera is away; failed: it cannot go on."
    )
    shots: int = Field(description="Number of slots with a picture.")
    skipped: int = Field(description="Number of slots that were missed. They are never caught up.")
    failed: int = Field(description="Number of slots whose shot failed, or has an unknown outcome.")
    skipped_slots: list[list[int]] = Field(description="First and last number of each series of skipped slots.")
    next_at: str | None = Field(description="Time of the next slot, ISO 8601 in UTC; null if the job has ended.")
    started_at: str = Field(description="Time of slot 0, ISO 8601 in UTC.")
    message: str = Field(description="The reason for the state, for people; often empty.")
    progress: float = Field(description="Part of the slots that have passed, 0 to 1.")
    disk_free: int | None = Field(None, description="Free bytes on the disk of the photo folder; null if unknown.")
    card_free: int | None = Field(None, description="Free bytes on the card; null if unknown.")


class JobReply(Reply):
    message: str = Field(description="What was done, in words for people.")
    job: JobStatus = Field(description="The job.")
    repeated: bool | None = Field(
        None, description="True if the job was started by an earlier request with the same key."
    )
    warnings: list[str] | None = Field(None, description="What may end the job early, for example too little space.")


class JobList(Reply):
    jobs: list[JobStatus] = Field(description="The newest jobs, newest first.")


class ListJobs(Payload):
    limit: Annotated[int, Field(ge=1, le=200)] = Field(50, description="Highest number of jobs in the reply.")


class OneJob(Payload):
    job: Annotated[int, Field(ge=1, lt=2**63)] = Field(description="Number of the job.")


class ListShots(Payload):
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="Highest number of shots in the reply.")
    since: TimeText | None = Field(
        None, description="Only shots that were requested at this time or later, ISO 8601 with Z or an offset."
    )


class GetShot(Payload):
    shot: Annotated[int, Field(ge=1, lt=2**63)] = Field(
        description="Number of the shot, from the reply to capture_image."
    )


class ShotFileInfo(BaseModel):
    camera_filepath: str = Field(description="Path on the camera.")
    size: int | None = Field(None, description="Bytes; null if the camera does not report it.")
    saved_path: str | None = Field(None, description="Where the file was saved on the server.")


class ShotInfo(BaseModel):
    shot: int = Field(description="Number of the shot.")
    key: str | None = Field(description="The key of the request.")
    port: str = Field(description="Where the camera was.")
    asked_at: str = Field(description="Time of the request, ISO 8601 in UTC.")
    state: ShotState = Field(
        description="asked: nothing was changed yet; changed: its settings may be set; released: the shutter may have opened; told: the outcome is known, and settings still have to"
        " be restored; closed: finished."
    )
    outcome: ShotOutcome | None = Field(
        description="done: there are files; failed: the shutter did not fire; unknown: see `message`; null if it is not known yet."
    )
    files: list[ShotFileInfo] = Field(description="The files of the shot.")
    settings: dict[str, str | int | float | bool] = Field(description="The settings in the request.")
    message: str = Field(description="What happened, in words for people.")


class ShotList(Reply):
    shots: list[ShotInfo] = Field(description="The shots, the newest first.")


class ShotReply(Reply, ShotInfo):
    pass


class DownloadLastImage(CameraPayload):
    camera_filepath: CameraFilepath | None = Field(None, description="If missing: the last picture that was captured.")
    offset: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Position of the first byte of the piece in the file."
    )
    length: Annotated[int, Field(ge=1, le=MAX_PIECE)] | None = Field(None, description="Length of the piece in bytes.")
    transfer: FileTransfer = Field(
        "base64", description="Bytes as base64 in the reply, or in binary messages after it."
    )


class Downloaded(Reply):
    message: str = Field("Image downloaded successfully", description="What was done, in words for people.")
    filename: str = Field(description="The last part of the path.")
    mimetype: str = Field(description="For example image/jpeg.")
    camera_filepath: str = Field(description="Absolute path on the camera.")
    size: int = Field(description="Size of the whole file in bytes.")
    offset: int | None = Field(None, description="Position of the first byte of this piece in the file.")
    length: int | None = Field(None, description="Length of this piece in bytes.")
    eof: bool | None = Field(None, description="Whether this piece is the last.")
    transfer: int | None = Field(
        None, description="Number of the transfer, repeated in the binary messages that follow (transfer binary)."
    )
    chunk_bytes: int | None = Field(None, description="Bytes of the file in each binary message except the last.")
    image_b64: str | None = Field(None, description="The bytes as base64 (unless transfer is binary).")


class Preview(Reply):
    message: str = Field("Preview captured successfully", description="What was done, in words for people.")
    mimetype: str = Field("image/jpeg", description="Type of the frame.")
    image_b64: str = Field(description="The frame, a JPEG as base64.")


class GetConfig(CameraPayload):
    name: ConfigName | None = Field(None, description="If missing: all settings.")


class SetConfig(CameraPayload):
    name: ConfigName
    value: str | int | float | bool = Field(description="Converted to the type of the setting, then checked.")


class Range(BaseModel):
    min: float = Field(description="Lowest value, in the setting's own unit.")
    max: float = Field(description="Highest value.")
    step: float = Field(description="Distance from one value to the next.")


class Config(BaseModel):
    config_name: str = Field(description="Name of the setting, for get_config and set_config.")
    label: str = Field(description="Name of the setting for people, from the driver.")
    type: WidgetType = Field(description="Type of the setting.")
    value: str | int | float | None = Field(
        description="A string for text, radio and menu; 0, 1 or 2 (unknown) for toggle; a number for range; Unix time in seconds for date."
    )
    readonly: bool = Field(description="True if the camera does not allow a change now.")
    choices: list[str] = Field(description="The allowed values; empty if the type has no choices.")
    range: Range | None = Field(None, description="Only for the type range.")
    path: str | None = Field(None, description="Path in the tree of settings; only in the list of all settings.")

    @classmethod
    def of(cls, item: ConfigItem) -> Config:
        """A setting in the format of the protocol."""
        return cls(**_config_values(item))


class ConfigReply(Reply, Config):
    message: str | None = Field(None, description="What was done, in words for people (set_config).")

    @classmethod
    def reply(cls, item: ConfigItem, message: str | None = None) -> ConfigReply:
        """A setting as a complete reply."""
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


# The pages that a ticket can be for; server/http.py serves them.
_TICKET_PATHS = r"^/(stream\.mjpg|snapshot\.jpg|camera/capture)$"


class CreateTicket(Payload):
    path: Annotated[str, Field(pattern=_TICKET_PATHS)] = Field(
        description="The path of the page, without a query: /stream.mjpg, /snapshot.jpg or /camera/capture."
    )
    ttl_s: Annotated[int, Field(ge=1, le=3600)] = Field(300, description="For how many seconds the ticket is valid.")


class Ticket(Reply):
    ticket: str = Field(description="The ticket.")
    url: str = Field(description="The path with the ticket; the client puts the address of the server before it.")
    expires_at: str = Field(description="When the ticket expires (ISO 8601).")


class StartLiveView(CameraPayload):
    fps: Annotated[float, Field(ge=0.1, le=120)] | None = Field(
        None, description="Highest frame rate, in frames per second. If missing: PREVIEW_FPS."
    )
    format: StreamFormat = Field(
        "base64", description="base64 in JSON, binary with a header, only the jpeg, or frames of the Photonic dialect."
    )
    rotation: Rotation | None = Field(None, description="Degrees clockwise. If missing: PREVIEW_ROTATION.")
    flip: bool | None = Field(None, description="Mirror left and right. If missing: PREVIEW_FLIP.")
    max_in_flight: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None, description="Highest number of sent frames that the client has not yet acknowledged with an ack message."
    )


class LiveViewStarted(Reply):
    message: str = Field("Live view started", description="What was done, in words for people.")
    stream: int = Field(description="Number of the stream on this connection.")
    fps: float = Field(description="Highest frame rate, in frames per second.")
    format: StreamFormat = Field(description="Format of the frames.")
    rotation: int = Field(description="Degrees clockwise.")
    flip: bool = Field(description="Whether left and right are mirrored.")
    port: str = Field(description="The camera's port.")


class StopLiveView(CameraPayload):
    stream: int | None = Field(None, description="If missing: all streams of the camera on this connection.")


class LiveViewStopped(Reply):
    message: str = Field("Live view stopped", description="What was done, in words for people.")
    sent: int = Field(description="Number of frames that were sent.")
    dropped: int = Field(description="Number of frames that were skipped because the client was not ready.")


class ClockSynced(Reply):
    message: str = Field("Clock set", description="What was done, in words for people.")
    was_off_s: int = Field(
        description="How far the camera's clock was ahead of the server's, in whole seconds; negative if it was behind. It can be wrong by a second, or by two with some cameras."
    )
    set_to: str = Field(description="The time that it was set to, ISO 8601 in UTC.")
    config_name: str = Field(
        description="The setting that was set: datetimeutc, from which the camera calculates its local time with its own time zone; or datetime, the local time in the server's time zone."
    )
    warnings: list[str] | None = Field(None, description="Why the time may be wrong.")


class DriveFocus(CameraPayload):
    steps: Annotated[int, Field(ge=-100, le=100)] = Field(
        description="Number of steps, not 0: positive towards far, negative towards near."
    )
    size: FocusSize = Field("medium", description="Size of a step. Its distance depends on the camera and the lens.")

    @field_validator("steps")
    @classmethod
    def _moves(cls, value: int) -> int:
        if value == 0:
            raise ValueError("Input should be -100 to 100, and not 0")
        return value


class FocusDriven(Reply):
    message: str = Field(description="What was done, in words for people.")
    moved: int = Field(description="Number of steps that the camera has carried out, negative towards near.")
    at_limit: bool | None = Field(
        description="True if the lens is at its limit, or the step is too small for it; null if the camera does not report that."
    )


Share = Annotated[float, Field(ge=0, le=1)]


class PointPayload(CameraPayload):
    """Payload with a point, or without one."""

    x: Share | None = Field(None, description="From the left of the picture as the viewer sees it, 0 to 1.")
    y: Share | None = Field(None, description="From the top of the picture as the viewer sees it, 0 to 1.")

    @model_validator(mode="after")
    def _both_or_none(self) -> PointPayload:
        if (self.x is None) != (self.y is None):
            raise ValueError("x and y go together")
        return self


class Autofocus(PointPayload):
    x: Share | None = Field(
        None,
        description="Where to focus, from the left of the picture as the viewer sees it, 0 to 1; rotation and flip of the stream on this connection, or else"
        " those of the settings, are taken into account. If missing, the camera uses its own focus point.",
    )
    y: Share | None = Field(None, description="Where to focus, from the top of the picture, 0 to 1.")


class Focused(Reply):
    message: str = Field(description="What was done, in words for people.")
    focused: bool | None = Field(description="Whether the camera is in focus; null if it does not report that.")


class HalfPress(UsingPayload):
    hold_ms: Annotated[int, Field(ge=100, le=5000)] = Field(
        description="How long the button is held, in milliseconds. It is released in every case."
    )


class ZoomLiveView(PointPayload):
    factor: Annotated[float, Field(ge=1, le=100)] = Field(
        description="Magnification. The camera takes its next higher one, or else its highest; 1 shows the whole picture."
    )
    x: Share | None = Field(
        None,
        description="Centre of the magnified part, from the left of the whole picture as the viewer sees it, 0 to 1.",
    )
    y: Share | None = Field(
        None, description="Centre of the magnified part, from the top of the whole picture, 0 to 1."
    )


class LiveViewZoomed(Reply):
    message: str = Field(description="What was done, in words for people.")
    factor: float = Field(description="The magnification that is set.")
    x: float | None = Field(
        None, description="The centre that is set, from the left of the whole picture; missing if it is not known."
    )
    y: float | None = Field(None, description="The centre that is set, from the top of the whole picture.")


class StoredMemory(BaseModel):
    path: str = Field(description="Its folder, for list_files.")
    label: str = Field(description="The camera's name for it.")
    capacity: int | None = Field(description="Bytes; null if the camera does not report it.")
    free: int | None = Field(description="Bytes; null if the camera does not report it.")


class CheckedCapture(BaseModel):
    """The result of the check after the last shot with an unknown outcome."""

    at: str = Field(description="Time of the request, ISO 8601 in UTC.")
    files: list[str] | None = Field(description="New files on the card; null if that is unknown.")
    message: str = Field(description="The result in words, for people.")


class CameraDetails(Reply):
    name: str = Field(description="The model as libgphoto2 names it; never changes.")
    model: str | None = Field(description="The model as the camera itself reports it; null before it was opened.")
    manufacturer: str | None = Field(description="As the camera reports it.")
    version: str | None = Field(description="Version of the firmware, as the camera reports it.")
    serial: str | None = Field(description="The serial number; null if the camera reports none.")
    port: str = Field(description="Where the camera is now.")
    state: State = Field(description="What the camera does now.")
    connected: bool = Field(description="Whether the camera is open and answers.")
    can: list[str] = Field(description=CAN)
    viewers: int = Field(description="Number of live-view streams, of all clients.")
    battery: str | None = Field(None, description="Charge, as the camera reports it, for example 50%.")
    lens: str | None = Field(None, description="Name of the lens, if the camera reports it.")
    storage: list[StoredMemory] | None = Field(None, description="The cards and other storage of the camera.")
    file_count: int | None = Field(None, description="Number of files on the camera, after they were counted.")
    attempts: int | None = Field(None, description="Failed attempts to open the camera since it was last open.")
    last_error: str | None = Field(None, description="Why the camera is not open.")
    last_io: str | None = Field(None, description="Time of the last successful operation, ISO 8601 in UTC.")
    warnings: list[str] | None = Field(None, description="What will soon stop the camera: battery, card.")
    last_unknown_capture: CheckedCapture | None = Field(
        None, description="The last shot with an unknown outcome, after its card was checked."
    )


# Words that become part of names and pictures.
_Word = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SetJobInfo(Payload):
    port: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Port of the camera; by default all cameras, also those that are connected later."
    )
    job: _Word | None = Field(None, description='Name of the job, for {job} in PHOTO_NAME; "" for none.')
    label: _Word | None = Field(
        None, description='Label of the camera on `port`, for {label}; "" for the label in CAMERA_LABELS.'
    )
    artist: _Word | None = Field(None, description='Photographer, written to the cameras; "" for none.')
    copyright: _Word | None = Field(None, description='Copyright, written to the cameras; "" for none.')
    owner: _Word | None = Field(None, description='Owner of the camera, written to the cameras; "" for none.')

    @model_validator(mode="after")
    def _one_label_for_one_camera(self) -> SetJobInfo:
        if self.label is not None and self.port is None:
            raise ValueError("label needs port, because each camera has its own label")
        return self


class CameraWords(BaseModel):
    port: str = Field(description="Where the camera is.")
    serial: str | None = Field(description="Its serial number; null if it reports none.")
    job: str = Field(description='The job of its pictures; "" if there is none.')
    label: str = Field(description='Its label; "" if it has none.')
    set: list[str] = Field(description="What was written to the camera now: artist, copyright, owner.")
    missing: list[str] = Field(description="What the camera has no setting for.")
    warnings: list[str] | None = Field(None, description="Why something was not written.")


class JobInfo(Reply):
    message: str = Field(description="What was done, in words for people.")
    job: str = Field(description='The job of all cameras that have none of their own; "" if there is none.')
    cameras: list[CameraWords] = Field(description="The open cameras; with `port`, only this one.")
    warnings: list[str] | None = Field(None, description="Why it will not survive a restart of the server.")


class ListFiles(CameraPayload):
    folder: Annotated[str, Field(min_length=1, max_length=_LONGEST_PATH)] = Field(
        "/", description="Absolute folder path."
    )
    offset: Annotated[int, Field(ge=0)] = Field(0, description="Position of the first file of the page, from 0.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(200, description="Highest number of files on the page.")


class FileList(Reply):
    folder: str = Field(description="The listed folder.")
    folders: list[str] = Field(description="Names of the folders in this folder.")
    files: list[ImageFile] = Field(description="The files of the page.")
    total: int = Field(description="Number of files in the folder.")


class OneFile(CameraPayload):
    camera_filepath: CameraFilepath


class Thumbnail(Reply):
    filename: str = Field(description="Name of the picture.")
    mimetype: str = Field("image/jpeg", description="Type of the thumbnail.")
    image_b64: str = Field(description="The thumbnail as base64.")


class Since(BaseModel):
    """A place in the log of events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: str = Field(max_length=64, description="From the login, server_info or the reply to subscribe.")
    seq: int = Field(ge=0, le=2**62, description="Number of the last event that the client has received.")


class Unsubscribe(Payload):
    events: list[Literal[EventName, "*"]] = Field(min_length=1, description='Names of events, or ["*"].')


class Subscribe(Unsubscribe):
    since: Since | None = Field(
        None, description="Send first, after the reply, all subscribed events that happened after this one."
    )


class LogPosition(Reply):
    epoch: str = Field(
        description="Identifies this life of the log of events. It changes if events may have been lost."
    )
    seq: int = Field(description="Number of the newest event.")


class Subscribed(LogPosition):
    events: list[EventName] = Field(description="All events that this connection is subscribed to now.")
    recovered: bool | None = Field(
        None,
        description="Only with since: whether all missed events follow. If not, none of them follow: read the state anew.",
    )
    missed: int | None = Field(None, description="Only with since: how many missed events follow.")


class HookInfo(BaseModel):
    waiting: int = Field(description="Number of saved files for which the command waits to run, or runs.")
    succeeded: int = Field(description="Number of runs that have succeeded since the server started.")
    failed: int = Field(description="Number of runs that have failed.")
    dropped: int = Field(description="Number of files for which it was not run, because too many were waiting.")
    last_error: str | None = Field(None, description="Why the last run failed; null if it has succeeded.")


class WebhookInfo(BaseModel):
    origin: str = Field(description="Its address without the path, which can be secret.")
    state: WebhookState = Field(
        description="retrying: the last attempt failed. disabled: the receiver wants no more events (HTTP 410)."
    )
    waiting: int | None = Field(description="Number of events that are not delivered yet; null if that is unknown.")
    delivered: int = Field(description="Number of events that were delivered since the server started.")
    failed: int = Field(description="Number of failed attempts.")
    given_up: int = Field(description="Number of events that were given up, because the webhook failed for 24 h.")
    last_error: str | None = Field(None, description="Why the last attempt failed; null if it has succeeded.")
    retry_in_s: float | None = Field(None, description="Seconds until the next attempt; null if none is planned.")


class ServerInfo(LogPosition):
    server: str = Field(description="Always gphoto-ws-server.")
    version: str = Field(description="Version of the server.")
    protocol: int = Field(description="Number of this protocol.")
    libgphoto2: str | None = Field(description="Version of libgphoto2; null if it is unknown.")
    uptime: float = Field(description="Seconds since the server started.")
    time: str = Field(
        description="The server's clock, ISO 8601 in UTC. A client needs it to calculate the age of a frame."
    )
    limits: dict[str, int | float] = Field(description="Every limit, by its name.")
    hook: HookInfo | None = Field(None, description="What HOOK_COMMAND has done; missing if it is not set.")
    webhooks: list[WebhookInfo] | None = Field(
        None, description="The state of each webhook, in the order of the file; missing if WEBHOOKS is not set."
    )


class CommandDescription(BaseModel):
    command: str = Field(description="Name of the command.")
    summary: str = Field(description="What the command does.")
    payload: dict[str, Any] = Field(description="JSON Schema of its payload.")
    reply: dict[str, Any] = Field(description="JSON Schema of its reply, without status, id and command.")
    example: dict[str, Any] = Field(description="The command as a client sends it.")


class CommandList(Reply):
    commands: list[CommandDescription] = Field(description="Every command.")


class Pong(Reply):
    message: str = Field("pong", description="What was done, in words for people.")


class LoginReply(LogPosition):
    message: str = Field("Authenticated", description="What was done, in words for people.")
    protocol: int = Field(description="Number of this protocol.")
    server: str = Field(description="Always gphoto-ws-server.")
    version: str = Field(description="Version of the server.")
    limits: dict[str, int | float] = Field(description="Every limit, by its name.")
