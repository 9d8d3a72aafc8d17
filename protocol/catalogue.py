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
    """The declaration of a command.

    Attributes:
        name: the name of the command on the wire.
        payload, reply: the models of the payload and of the reply.
        summary: what the command does, in one line.
        example: an example payload.
        example_reply: the reply to the example payload, without status, id and command.
    """

    name: str
    payload: type[PayloadT]
    reply: type[ReplyT]
    summary: str
    example: dict[str, Any]
    example_reply: dict[str, Any]

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
            RequestError: invalid_payload. The error lists the invalid keys and what is allowed.
        """
        try:
            return self.payload.model_validate(payload)
        except ValidationError as error:
            raise _invalid(self, error) from None


# If a value fits none of several types, Pydantic reports one error per type, with the type at the end of the path.
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


# The examples are replies of the simulated camera. Pictures are shortened.
EXAMPLE_PORT = "usb:001,003"
_OTHER_PORT = "usb:001,004"
_FOLDER = "/store_00020001/DCIM/100CANON"
_PATH = f"{_FOLDER}/IMG_0001.JPG"
_MOVIE = f"{_FOLDER}/MVI_0002.MOV"
_CUT = "…"

ISO_CHOICES = ["Auto", "100", "200", "400", "800", "1600", "3200", "6400"]
_ISO = {"config_name": "iso", "label": "ISO Speed", "type": "radio"}
_CAN = ["capture", "live_view", "config", "delete", "events"]
_FILE = {"camera_filepath": _PATH, "filename": "IMG_0001.JPG", "mimetype": "image/jpeg", "size": 11839412}
_PICTURE = f"/9j/4QzHRXhpZgAA{_CUT}"
_SAVED = "/home/pi/photos/2030-12-24_18-00-00_IMG_0001.jpg"
_SHOT = {
    "shot": 42,
    "key": None,
    "port": EXAMPLE_PORT,
    "asked_at": "2030-12-24T18:00:00.000+00:00",
    "state": "closed",
    "outcome": "done",
    "files": [{"camera_filepath": _PATH, "size": 11839412, "saved_path": _SAVED}],
    "settings": {"iso": "400"},
    "message": "Image captured successfully",
}
_POSITION: dict[str, Any] = {"epoch": "481920374455", "seq": 1043}
_LIMITS = {"message_bytes": 65536, "connections": 64, "pending_commands": 32}

LIST_CAMERAS = Command(
    "list_cameras",
    c.Payload,
    c.CameraList,
    "List all cameras that are present now.",
    {},
    {
        "cameras": [
            {
                "name": "Canon EOS 550D",
                "model": "Canon EOS 550D",
                "port": EXAMPLE_PORT,
                "index": 0,
                "serial": "SIM0000001",
                "state": "ready",
                "connected": True,
                "can": _CAN,
            }
        ]
    },
)
SELECT_CAMERA = Command(
    "select_camera",
    c.SelectCamera,
    c.Done,
    "Choose the camera for the commands of this connection.",
    {"port": EXAMPLE_PORT},
    {"message": f"Camera on port {EXAMPLE_PORT} selected"},
)
CAPTURE_IMAGE = Command(
    "capture_image",
    c.CaptureImage,
    c.Captured,
    "Take one picture; also change settings, download and save in the same command.",
    {"settings": {"iso": "400"}, "download": "full", "save": True},
    {
        "message": "Image captured successfully",
        "camera_filepath": _PATH,
        "filename": "IMG_0001.JPG",
        "mimetype": "image/jpeg",
        "image_b64": _PICTURE,
        "files": [{**_FILE, "saved_path": _SAVED}],
        "timing": {"shutter_ms": 7.3, "file_known_ms": 186.2, "file_here_ms": 293.1},
        "shot": 42,
    },
)
CAPTURE_BURST = Command(
    "capture_burst",
    c.CaptureBurst,
    c.BurstCaptured,
    "Take several pictures in a row, by number or for as long as the button is held. The drive mode is set to continuous, if the camera allows that, and restored afterwards.",
    {"frames": 3, "save": True},
    {
        "message": "3 pictures taken",
        "frames": 3,
        "files": [
            {**_FILE, "saved_path": _SAVED},
            {
                "camera_filepath": f"{_FOLDER}/IMG_0002.JPG",
                "filename": "IMG_0002.JPG",
                "mimetype": "image/jpeg",
                "size": 11840021,
                "saved_path": _SAVED.replace("0001", "0002"),
            },
            {
                "camera_filepath": f"{_FOLDER}/IMG_0003.JPG",
                "filename": "IMG_0003.JPG",
                "mimetype": "image/jpeg",
                "size": 11838770,
                "saved_path": _SAVED.replace("0001", "0003"),
            },
        ],
        "shot": 43,
    },
)
_JOB: dict[str, Any] = {
    "job": 3,
    "kind": "timelapse",
    "port": EXAMPLE_PORT,
    "state": "scheduled",
    "shots": 0,
    "skipped": 0,
    "failed": 0,
    "skipped_slots": [],
    "next_at": "2030-12-24T18:00:00.000+00:00",
    "started_at": "2030-12-24T18:00:00.000+00:00",
    "message": "",
    "progress": 0.0,
}
_RUNNING_JOB = {**_JOB, "disk_free": 38_123_456_512, "card_free": 12_884_901_888}
START_JOB = Command(
    "start_job",
    c.StartJob,
    c.JobReply,
    "Start a time-lapse, a bracket or a focus stack. The server takes the pictures by itself, also after a restart.",
    {"kind": "timelapse", "interval_s": 10.0, "count": 720, "start_at": "2030-12-24T18:00:00Z"},
    {"message": "Job 3 started", "job": _RUNNING_JOB},
)
LIST_JOBS = Command("list_jobs", c.ListJobs, c.JobList, "The last jobs.", {}, {"jobs": [_RUNNING_JOB]})
GET_JOB = Command(
    "get_job", c.OneJob, c.JobReply, "One job.", {"job": 3}, {"message": "Job 3 is scheduled", "job": _RUNNING_JOB}
)
PAUSE_JOB = Command(
    "pause_job",
    c.OneJob,
    c.JobReply,
    "Pause a job. The slots that pass in the meantime are skipped.",
    {"job": 3},
    {"message": "Job 3 paused", "job": {**_RUNNING_JOB, "state": "paused"}},
)
RESUME_JOB = Command(
    "resume_job",
    c.OneJob,
    c.JobReply,
    "Go on with a paused job.",
    {"job": 3},
    {"message": "Job 3 goes on", "job": _RUNNING_JOB},
)
STOP_JOB = Command(
    "stop_job",
    c.OneJob,
    c.JobReply,
    "End a job. A shot in progress is completed.",
    {"job": 3},
    {
        "message": "Job 3 stopped",
        "job": {**_JOB, "state": "stopped", "next_at": None, "message": "Stopped by a client."},
    },
)
LIST_SHOTS = Command(
    "list_shots",
    c.ListShots,
    c.ShotList,
    "The last shots of all cameras with their outcomes, also those of earlier runs of the server.",
    {"limit": 1},
    {"shots": [_SHOT]},
)
GET_SHOT = Command(
    "get_shot",
    c.GetShot,
    c.ShotReply,
    "One shot with its outcome.",
    {"shot": 42},
    _SHOT,
)
STOP_EXPOSURE = Command(
    "stop_exposure",
    c.StopExposure,
    c.ExposureStopped,
    "End a bulb exposure early. The reply comes when the shutter has closed; capture_image then gets its own reply.",
    {},
    {"message": "Exposure stopped after 12.4 s", "exposed_s": 12.4},
)
DOWNLOAD_LAST_IMAGE = Command(
    "download_last_image",
    c.DownloadLastImage,
    c.Downloaded,
    "Download a picture from the camera, whole or in pieces.",
    {"camera_filepath": _PATH},
    {
        "message": "Image downloaded successfully",
        "filename": "IMG_0001.JPG",
        "mimetype": "image/jpeg",
        "camera_filepath": _PATH,
        "size": 11839412,
        "image_b64": _PICTURE,
    },
)
GET_CONFIG: Command[c.GetConfig, c.ConfigReply | c.ConfigTree] = Command(
    "get_config",
    c.GetConfig,
    c.ConfigReply,
    "Read one setting, or all of them as the list `configs` if no name is given.",
    {"name": "iso"},
    {**_ISO, "value": "100", "readonly": False, "choices": ISO_CHOICES},
)
SET_CONFIG = Command(
    "set_config",
    c.SetConfig,
    c.ConfigReply,
    "Change a setting. The reply has the value read back from the camera; for an action such as popupflash, the value that was sent. Values that would open the shutter without closing it, or start a movie without stopping it, are rejected.",
    {"name": "iso", "value": "200"},
    {
        **_ISO,
        "value": "200",
        "readonly": False,
        "choices": ISO_CHOICES,
        "message": "Config iso set to 200",
    },
)
START_MOVIE = Command(
    "start_movie",
    c.StartMovie,
    c.MovieInfo,
    "Start a movie, which goes on until stop_movie, its limit, or the end of the server; also if the client disconnects.",
    {"max_s": 60},
    {
        "message": "Movie started",
        "max_s": 60.0,
        "started_at": "2030-12-24T18:00:00.000+00:00",
        "ends_at": "2030-12-24T18:01:00.000+00:00",
        "shot": 43,
    },
)
STOP_MOVIE = Command(
    "stop_movie",
    c.CameraPayload,
    c.MovieStopped,
    "Stop the movie. The reply comes when the camera has written the file, or after three times WRITE_TIME (30 s) without it.",
    {},
    {
        "message": "Movie of 10.2 s recorded",
        "files": [
            {"camera_filepath": _MOVIE, "filename": "MVI_0002.MOV", "mimetype": "video/quicktime", "size": 56164212}
        ],
        "recorded_s": 10.2,
        "shot": 43,
    },
)
START_LIVE_VIEW = Command(
    "start_live_view",
    c.StartLiveView,
    c.LiveViewStarted,
    "Send frames of the camera until stop_live_view.",
    {"fps": 30},
    {
        "message": "Live view started",
        "stream": 1,
        "fps": 30.0,
        "format": "base64",
        "rotation": 0,
        "flip": False,
        "port": EXAMPLE_PORT,
    },
)
STOP_LIVE_VIEW = Command(
    "stop_live_view",
    c.StopLiveView,
    c.LiveViewStopped,
    "Stop sending frames.",
    {},
    {"message": "Live view stopped", "sent": 42, "dropped": 0},
)
CAPTURE_PREVIEW = Command(
    "capture_preview",
    c.CameraPayload,
    c.Preview,
    "Take one live-view frame.",
    {},
    {
        "message": "Preview captured successfully",
        "mimetype": "image/jpeg",
        "image_b64": f"/9j//gAxZnJhbWU9{_CUT}",
    },
)
DRIVE_FOCUS = Command(
    "drive_focus",
    c.DriveFocus,
    c.FocusDriven,
    "Move the focus by some steps. Canon and Nikon cameras do this only in live view. No camera reports the position of its focus.",
    {"steps": -3, "size": "small"},
    {"message": "Focus moved 3 small steps near", "moved": -3, "at_limit": None},
)
AUTOFOCUS = Command(
    "autofocus",
    c.Autofocus,
    c.Focused,
    "Focus now. With x and y, focus at this point of live view.",
    {"x": 0.25, "y": 0.5},
    {"message": "In focus", "focused": True},
)
HALF_PRESS = Command(
    "half_press",
    c.HalfPress,
    c.Done,
    "Hold the shutter button half pressed for a while: the camera focuses, meters and stays awake.",
    {"hold_ms": 500},
    {"message": "Shutter button half pressed for 500 ms"},
)
ZOOM_LIVE_VIEW = Command(
    "zoom_live_view",
    c.ZoomLiveView,
    c.LiveViewZoomed,
    "Magnify a part of live view, until live view ends.",
    {"factor": 5, "x": 0.25, "y": 0.5},
    {"message": "Live view magnified 5 times", "factor": 5.0, "x": 0.25, "y": 0.5},
)
FIRE = Command(
    "fire",
    c.Fire,
    c.CamerasFired,
    "Release several cameras at one deadline. The reply shows when each was commanded; when the shutters opened is not measured.",
    {"in_ms": 500},
    {
        "message": "2 of 2 cameras released, their commands within 0.2 ms of the plan. When the shutters opened was not measured.",
        "skew_ms": 0.153,
        "cameras": [
            {
                "port": EXAMPLE_PORT,
                "status": "ok",
                "commanded_ms": 0.071,
                "accepted_ms": 9.184,
                "files": [_FILE],
                "shot": 43,
            },
            {
                "port": _OTHER_PORT,
                "status": "ok",
                "commanded_ms": 0.224,
                "accepted_ms": 9.511,
                "files": [_FILE],
                "shot": 44,
            },
        ],
    },
)
GET_CAMERA_INFO = Command(
    "get_camera_info",
    c.CameraPayload,
    c.CameraDetails,
    "Model, state and condition of the camera.",
    {},
    {
        "name": "Canon EOS 550D",
        "model": "Canon EOS 550D",
        "manufacturer": "Canon Inc.",
        "version": "3-1.0.9",
        "serial": "SIM0000001",
        "port": EXAMPLE_PORT,
        "state": "ready",
        "connected": True,
        "can": _CAN,
        "viewers": 0,
        "battery": "100%",
        "lens": "EF-S18-55mm f/3.5-5.6 IS",
        "storage": [{"path": "/store_00020001", "label": "", "capacity": 16000000000, "free": 15988160588}],
        "file_count": 1,
        "last_io": "2030-12-24T18:00:00.314+00:00",
    },
)
RESTART_CAMERA = Command(
    "restart_camera",
    c.CameraPayload,
    c.Done,
    "Close the camera and open it again.",
    {},
    {"message": f"Camera on port {EXAMPLE_PORT} restarted"},
)
SYNC_CLOCK = Command(
    "sync_clock",
    c.CameraPayload,
    c.ClockSynced,
    "Set the camera's clock to the server's time, at the start of a full second.",
    {},
    {
        "message": "Clock set",
        "was_off_s": -42,
        "set_to": "2030-12-24T18:00:00+00:00",
        "config_name": "datetime",
    },
)
SET_JOB_INFO = Command(
    "set_job_info",
    c.SetJobInfo,
    c.JobInfo,
    "Set the job info for the next pictures: job and label for PHOTO_NAME; artist, copyright and owner, which are written to the cameras. Without values, the reply shows the current ones.",
    {"port": EXAMPLE_PORT, "job": "Smith wedding", "label": "left", "artist": "Ada Lovelace"},
    {
        "message": "Job info set",
        "job": "",
        "cameras": [
            {
                "port": EXAMPLE_PORT,
                "serial": "SIM0000001",
                "job": "Smith wedding",
                "label": "left",
                "set": ["artist"],
                "missing": [],
            }
        ],
    },
)
LIST_FILES = Command(
    "list_files",
    c.ListFiles,
    c.FileList,
    "List folders and files on the camera.",
    {"folder": _FOLDER},
    {"folder": _FOLDER, "folders": [], "files": [_FILE], "total": 1},
)
GET_THUMBNAIL = Command(
    "get_thumbnail",
    c.OneFile,
    c.Thumbnail,
    "The thumbnail of a file, made by the camera.",
    {"camera_filepath": _PATH},
    {"filename": "IMG_0001.JPG", "mimetype": "image/jpeg", "image_b64": f"/9j/4AAQSkZJRgAB{_CUT}"},
)
DELETE_FILE = Command(
    "delete_file",
    c.OneFile,
    c.Done,
    "Delete a file from the camera.",
    {"camera_filepath": _PATH},
    {"message": f"{_PATH} deleted"},
)
SUBSCRIBE = Command(
    "subscribe",
    c.Subscribe,
    c.Subscribed,
    "Subscribe to events.",
    {"events": ["*"], "since": {"epoch": "481920374455", "seq": 1041}},
    {
        "events": [
            "camera_connected",
            "camera_disconnected",
            "camera_state",
            "camera_warning",
            "capture_checked",
            "capture_saved",
            "config_changed",
            "exposure_ended",
            "exposure_started",
            "file_added",
            "job_shot",
            "job_state",
            "live_view_stopped",
            "movie_ended",
            "movie_started",
        ],
        **_POSITION,
        "recovered": True,
        "missed": 2,
    },
)
UNSUBSCRIBE = Command(
    "unsubscribe",
    c.Unsubscribe,
    c.Subscribed,
    "End the subscription to these events.",
    {"events": ["*"]},
    {"events": [], **_POSITION},
)
CREATE_TICKET = Command(
    "create_ticket",
    c.CreateTicket,
    c.Ticket,
    "A ticket for one HTTP page, so that an image or a program can use it without the token.",
    {"path": "/stream.mjpg", "ttl_s": 600},
    {
        "ticket": "1924365600-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
        "url": "/stream.mjpg?ticket=1924365600-8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
        "expires_at": "2030-12-24T18:00:00.000+00:00",
    },
)
SERVER_INFO = Command(
    "server_info",
    c.Payload,
    c.ServerInfo,
    "Versions and limits of the server.",
    {},
    {
        "server": "gphoto-ws-server",
        "version": "0.1.0",
        "protocol": 1,
        "libgphoto2": "2.5.34",
        "uptime": 3600.512,
        "time": "2030-12-24T18:00:00.000+00:00",
        "limits": _LIMITS,
        **_POSITION,
    },
)
PING = Command(
    "ping",
    c.Payload,
    c.Pong,
    "Check that the server answers.",
    {},
    {"message": "pong"},
)
LIST_COMMANDS = Command(
    "list_commands",
    c.Payload,
    c.CommandList,
    "Every command with its JSON Schemas.",
    {},
    {"commands": [PING.description().model_dump()]},
)

COMMANDS: dict[str, Command[Any, Any]] = {
    command.name: command
    for command in (
        LIST_CAMERAS,
        SELECT_CAMERA,
        CAPTURE_IMAGE,
        DOWNLOAD_LAST_IMAGE,
        GET_CONFIG,
        SET_CONFIG,
        CAPTURE_BURST,
        STOP_EXPOSURE,
        START_MOVIE,
        STOP_MOVIE,
        START_LIVE_VIEW,
        STOP_LIVE_VIEW,
        CAPTURE_PREVIEW,
        DRIVE_FOCUS,
        AUTOFOCUS,
        HALF_PRESS,
        ZOOM_LIVE_VIEW,
        FIRE,
        GET_CAMERA_INFO,
        RESTART_CAMERA,
        SYNC_CLOCK,
        SET_JOB_INFO,
        LIST_FILES,
        GET_THUMBNAIL,
        DELETE_FILE,
        START_JOB,
        LIST_JOBS,
        GET_JOB,
        PAUSE_JOB,
        RESUME_JOB,
        STOP_JOB,
        LIST_SHOTS,
        GET_SHOT,
        SUBSCRIBE,
        UNSUBSCRIBE,
        CREATE_TICKET,
        SERVER_INFO,
        LIST_COMMANDS,
        PING,
    )
}


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
