"""The declaration of every event: its name, its keys, when it is sent, and an example."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from camera import events as camera
from camera.model import MovieEnd, State
from protocol import commands as c
from protocol.errors import explain

WhyEnded = Literal["camera_disconnected", "camera_error"]


class Event(BaseModel):
    """The keys of an event, without its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str = Field(description="Time when the event was sent, ISO 8601 in UTC.")


class Numbered(Event):
    """The keys of every event that the server's log keeps."""

    seq: int = Field(description="Number of the event, for since in subscribe.")


class OfCamera(Numbered):
    """The keys of every event of a camera."""

    port: str = Field(description="The camera's port.")


class CameraConnected(OfCamera):
    name: str = Field(description="The model as libgphoto2 names it.")
    model: str | None = Field(None, description="The model as the camera itself reports it, after it was opened.")


class CameraDisconnected(OfCamera):
    pass


class CameraState(OfCamera):
    state: State = Field(description="What the camera does now.")
    attempts: int | None = Field(None, description="Failed attempts to open the camera; only while it is not open.")
    last_error: str | None = Field(
        None, description="Why the camera is not open, in words for people; only while it is not open."
    )


class CameraWarning(OfCamera):
    warnings: list[str] = Field(
        description="Everything that will soon stop the camera (battery, card); empty when there is no problem any more."
    )


class FileAdded(OfCamera):
    camera_filepath: str = Field(description="Absolute path on the camera, for download_last_image.")


class CaptureSaved(OfCamera):
    camera_filepath: str = Field(description="Absolute path on the camera.")
    saved_path: str = Field(description="Path of the saved file on the server.")
    shot: int | None = Field(description="Number of the shot, for get_shot; null if it could not be recorded.")
    job: str | None = Field(description="Name of the job, from set_job_info; null if there is none.")


class CaptureChecked(OfCamera):
    at: str = Field(description="Time when the shot was requested, ISO 8601 in UTC.")
    files: list[str] | None = Field(
        description="New files on the card, and files of the shot that were saved before an interruption; null if that is unknown."
    )
    message: str = Field(description="The result in words, for people.")
    shot: int | None = Field(description="Number of the shot, for get_shot; null if it could not be recorded.")


class ConfigChanged(OfCamera):
    config_name: str = Field(
        description="Name of the setting, or its number in the camera if the driver does not know it."
    )
    value: str | int | float | None = Field(description="The new value; null if the camera did not report it.")


class ExposureStarted(OfCamera):
    bulb_s: float = Field(description="Planned length of the exposure in seconds.")
    ends_at: str = Field(description="Time when the shutter closes, ISO 8601 in UTC.")


class ExposureEnded(OfCamera):
    exposed_s: float = Field(
        description="Length of the exposure in seconds. If the camera was lost, until the server closed its shutter."
    )
    aborted: bool = Field(description="Whether the exposure ended earlier than planned, or by a loss of the camera.")


class MovieStarted(OfCamera):
    max_s: float = Field(description="Longest time of the movie in seconds.")
    started_at: str = Field(description="Time when it started, ISO 8601 in UTC.")
    ends_at: str = Field(description="Time when it ends at the latest, ISO 8601 in UTC.")


class MovieEnded(OfCamera):
    recorded_s: float = Field(
        description="Length of the movie in seconds. If the camera was lost, until the server stopped the movie."
    )
    reason: MovieEnd = Field(
        description="stopped: stop_movie; max_s: its limit; card_full: the card is full; camera: the camera ended it for another reason, such as its own button or limit; interrupted: the"
        " camera or its process was lost."
    )


class JobStateChanged(OfCamera):
    job: int = Field(description="Number of the job.")
    state: c.JobState = Field(description="What the job does now.")
    message: str = Field(description="The reason, in words for people; often empty.")


class JobShot(OfCamera):
    job: int = Field(description="Number of the job.")
    n: int = Field(description="Number of the slot, from 0.")
    last: int | None = Field(description="Number of the last slot, if several slots were skipped together.")
    due: str = Field(description="Time at which the slot was due, ISO 8601 in UTC.")
    late_ms: float | None = Field(
        description="How much later the release was commanded, in milliseconds; null if unknown."
    )
    status: c.SlotStatus = Field(description="skipped: the slot was missed, and nothing was done.")
    code: str | None = Field(description="Error code; null if status is ok.")
    message: str | None = Field(description="The error in words, for people.")
    files: list[c.ImageFile] = Field(description="The files of the shot.")


class LiveViewEnded(Event):
    port: str = Field(description="The camera's port.")
    stream: int = Field(description="Number of the stream on this connection.")
    reason: WhyEnded = Field(description="Why the stream ended.")


class LiveViewFrame(Event):
    stream: int = Field(description="Number of the stream on this connection.")
    seq: int = Field(
        description="Number of the frame, counted since the server started; a gap means that frames were skipped."
    )
    mimetype: Literal["image/jpeg"] = Field(description="Type of the frame.")
    image_b64: str = Field(description="The frame, a JPEG as base64.")


class TransferComplete(Event):
    transfer: int = Field(description="Number of the transfer, as in the reply to download_last_image.")
    size: int = Field(description="Number of bytes that were sent.")
    sha256: str = Field(description="SHA-256 of those bytes, in hexadecimal.")


@dataclass(frozen=True, slots=True)
class EventKind:
    """The declaration of an event.

    Attributes:
        name: the value of the key `event`.
        holds: the model of the other keys.
        when: when the event is sent, in one sentence.
        example: example values for all keys of `holds` except `time` and the number in the log.
    """

    name: str
    holds: type[Event]
    when: str
    example: dict[str, Any]

    def message(self) -> dict[str, Any]:
        """The example as a client receives it."""
        numbered = {"seq": 1042} if issubclass(self.holds, Numbered) else {}
        return {"event": self.name, "time": "2030-12-24T18:00:00.000000Z", **numbered, **self.example}


_PORT = {"port": "usb:001,003"}
_NAMES = {"name": "Canon EOS 550D", "model": "Canon EOS 550D"}
_PATH = "/store_00020001/DCIM/100CANON/IMG_0001.JPG"

# Events for clients that subscribed to them.
ON_SUBSCRIPTION: tuple[EventKind, ...] = (
    EventKind("camera_connected", CameraConnected, "A camera was found, or is connected again.", _PORT | _NAMES),
    EventKind("camera_disconnected", CameraDisconnected, "A camera was removed, or does not answer any more.", _PORT),
    EventKind("camera_state", CameraState, "The state of a camera changed.",
              _PORT | {"state": "recovering", "attempts": 1,
                       "last_error": "The camera is disconnected. Plug it in or switch it on."}),
    EventKind("camera_warning", CameraWarning, "Something will stop the camera soon.",
              _PORT | {"warnings": ["The camera's battery is at 5%. Charge it or change it soon."]}),
    EventKind("file_added", FileAdded, "The camera has a new picture, taken by a command or with its own shutter button.",
              _PORT | {"camera_filepath": _PATH}),
    EventKind("capture_saved", CaptureSaved, "A picture was saved on the server. The file is complete and has its final name.",
              _PORT | {"camera_filepath": _PATH, "saved_path": "/home/pi/photos/2030-12-24_18-00-00_IMG_0001.jpg",
                       "shot": 41, "job": "Smith"}),
    EventKind("capture_checked", CaptureChecked, "The card was checked after a shot with an unknown outcome.",
              _PORT | {"at": "2030-12-24T17:59:50.000+00:00", "files": [_PATH],
                       "message": f"New files on the card since the shot of 2030-12-24T17:59:50.000+00:00 with an unknown outcome: {_PATH}.",
                       "shot": 41}),
    EventKind("config_changed", ConfigChanged,
              "A setting was changed, by a command or on the camera. If several changes of one setting wait for a slow client, "
              "only the last one is sent. After a camera was opened again its settings may differ: read them again.",
              _PORT | {"config_name": "iso", "value": "200"}),
    EventKind("exposure_started", ExposureStarted, "The shutter has opened for a bulb exposure.",
              _PORT | {"bulb_s": 90.0, "ends_at": "2030-12-24T18:01:30.000+00:00"}),
    EventKind("exposure_ended", ExposureEnded, "The shutter has closed after a bulb exposure.",
              _PORT | {"exposed_s": 90.0, "aborted": False}),
    EventKind("movie_started", MovieStarted, "The camera has started to record a movie.",
              _PORT | {"max_s": 60.0, "started_at": "2030-12-24T18:00:00.000+00:00",
                       "ends_at": "2030-12-24T18:01:00.000+00:00"}),
    EventKind("movie_ended", MovieEnded,
              "The camera no longer records a movie. When it has written the file, file_added follows.",
              _PORT | {"recorded_s": 10.2, "reason": "stopped"}),
    EventKind("job_state", JobStateChanged, "A job has started, ended, or waits for something.",
              _PORT | {"job": 3, "state": "waiting", "message": "The camera is away."}),
    EventKind("job_shot", JobShot, "A slot of a job has passed.",
              _PORT | {"job": 3, "n": 17, "last": None, "due": "2030-12-24T18:00:00.000+00:00", "late_ms": 0.3, "status": "ok",
                       "code": None, "message": None,
                       "files": [{"camera_filepath": _PATH, "filename": "IMG_0001.JPG", "mimetype": "image/jpeg", "size": 11839412,
                                  "saved_path": "/home/pi/photos/2030-12-24_18-00-00_IMG_0001.jpg"}]}),
)  # fmt: skip

# Events that the client of the stream or transfer gets without a subscription.
UNASKED: tuple[EventKind, ...] = (
    EventKind("live_view_frame", LiveViewFrame, "A frame of a stream with the format base64.",
              {"stream": 1, "seq": 42, "mimetype": "image/jpeg", "image_b64": "/9j/4AAQ…"}),
    EventKind("live_view_stopped", LiveViewEnded, "A stream ended because of the camera. This event is not sent after stop_live_view.",
              {"stream": 1, **_PORT, "reason": "camera_disconnected"}),
    EventKind("transfer_complete", TransferComplete, "The last piece of a binary transfer was sent.",
              {"transfer": 1, "size": 11839412,
               "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}),
)  # fmt: skip

EVENTS: dict[str, EventKind] = {kind.name: kind for kind in (*ON_SUBSCRIPTION, *UNASKED)}

_NAMES_ON_THE_WIRE: dict[type[camera.Happening], c.EventName] = {
    camera.CameraConnected: "camera_connected",
    camera.CameraGone: "camera_disconnected",
    camera.StateChanged: "camera_state",
    camera.Warned: "camera_warning",
    camera.FileAdded: "file_added",
    camera.CaptureSaved: "capture_saved",
    camera.CaptureChecked: "capture_checked",
    camera.ConfigChanged: "config_changed",
    camera.ExposureStarted: "exposure_started",
    camera.ExposureEnded: "exposure_ended",
    camera.MovieStarted: "movie_started",
    camera.MovieEnded: "movie_ended",
}


def wire_event(event: camera.CameraEvent) -> tuple[c.EventName, dict[str, Any]]:
    """The name and the values of a camera event, as clients receive them."""
    what = event.what
    if isinstance(what, camera.StateChanged):
        values: dict[str, Any] = {"state": what.state}
        if what.attempts is not None:
            values |= {"attempts": what.attempts, "last_error": explain(what.error) if what.error else None}
    else:
        values = {one.name: getattr(what, one.name) for one in fields(what)}
    return _NAMES_ON_THE_WIRE[type(what)], {"port": event.port, **values}
