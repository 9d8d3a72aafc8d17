"""The verbs of a camera process and the messages of its channel, declared once for both ends of the channel.

The server calls the methods of `RemoteCamera`. In the process, a function with the same parameters serves each verb. No
other module knows the format of the messages.
"""

# mypy: disable-error-code="empty-body"
# The methods of RemoteCamera have no bodies: the decorator `verb` turns them into calls over the channel.

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, get_type_hints

from camera import errors
from camera.channel import ChannelBroken, Message
from camera.codec import Codec, codec
from camera.errors import CameraDisconnected, CameraError, CameraIO
from camera.events import (
    ConfigChanged,
    ExposureEnded,
    ExposureStarted,
    FileAdded,
    Learned,
    LiveViewEnded,
    MovieEnded,
    MovieStarted,
)
from camera.model import (
    BurstLength,
    BurstTaken,
    CameraIdentity,
    CapturedFile,
    ClockSet,
    ConfigItem,
    FocusMove,
    FocusSize,
    Frame,
    Magnified,
    Storage,
)
from camera.orientation import Orientation, Point
from camera.values import WantedValue

P = ParamSpec("P")
R = TypeVar("R")
Method = Callable[Concatenate["RemoteCamera", P], Coroutine[Any, Any, R]]
Json = dict[str, Any]

# Called when a job makes progress. The deadline of the job restarts and becomes longer by this number of seconds.
OnProgress = Callable[[float], None]

FromCamera = (
    Frame
    | FileAdded
    | ConfigChanged
    | ExposureStarted
    | ExposureEnded
    | MovieStarted
    | MovieEnded
    | Learned
    | LiveViewEnded
)


def ignore_progress(needs_s: float) -> None:
    """Do nothing when a job makes progress."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file on the camera. It is in anonymous memory, and the receiver must close `descriptor`."""

    file: CapturedFile
    sha256: str | None
    descriptor: int


@dataclass(frozen=True, slots=True)
class FolderNames:
    """The names of the subfolders and files of a folder."""

    folders: list[str]
    files: list[str]


@dataclass(frozen=True, slots=True)
class FolderContent:
    """The content of a folder: the names of its subfolders, and its files."""

    folders: list[str]
    files: list[CapturedFile]


@dataclass(frozen=True, slots=True)
class BulbPlan:
    """The settings of a bulb exposure: `changes` have to be made before it; the exposure itself changes `changed`."""

    changes: dict[str, str]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BurstPlan:
    """The settings of a burst. Those of `preferred` are set first.

    Without them, the camera may take a single picture. Without those of `required`, it takes another number than ordered.
    """

    preferred: dict[str, WantedValue]
    required: dict[str, WantedValue]


@dataclass(frozen=True, slots=True)
class Exposed:
    """The result of a bulb exposure: its files, and its length in seconds."""

    files: list[CapturedFile]
    exposed_s: float


@dataclass(frozen=True, slots=True)
class Fired:
    """The result of a release at a given moment: its files, and times in seconds of CLOCK_MONOTONIC.

    Attributes:
        files: all files of the shot.
        commanded_at: when the driver got the order to release the shutter.
        accepted_at: when the camera had accepted that; None if the driver reports nothing before the picture is there.
    """

    files: list[CapturedFile]
    commanded_at: float
    accepted_at: float | None


class Verb:
    """How a method of `RemoteCamera` is called over the channel.

    Attributes:
        name: the name of the method.
        deadline_s: the longest time without progress, in seconds. After that, the process is killed.
        again: errors after which the call is repeated once, but only if the process was lost.
        fires: whether the verb releases the shutter. Such a call sends a progress message just before the release. If
            the process is lost after this message, the outcome of the shot is unknown.
        holds: whether the verb keeps the shutter open, or its button pressed. If the process is lost, the next process
            closes the shutter and releases the button before anything else.
        records: whether the verb starts a movie, which goes on after the call. If the process is lost before the movie has
            ended, the next process stops it before anything else.
    """

    def __init__(self, method: Callable[..., Any], deadline_s: float, again: tuple[type[CameraError], ...]) -> None:
        self.name = method.__name__
        self.deadline_s = deadline_s
        self.again = again
        self.fires = self.name in ("capture", "expose", "fire", "burst")
        self.holds = self.name in ("expose", "fire", "burst", "autofocus", "half_press")
        self.records = self.name == "start_movie"
        hints = get_type_hints(method)
        self._signature = inspect.signature(method)
        self._names = tuple(self._signature.parameters)[1:]
        self._result = hints.pop("return")
        self._parameters = {name: codec(kind) for name, kind in hints.items() if kind != OnProgress}

    def bind(self, *args: Any, **kwargs: Any) -> tuple[Json, OnProgress]:
        """The arguments of a call, encoded for the channel, and the call's `on_progress` function."""
        names = self._names
        if len(args) == len(names) and not kwargs:  # the usual case, which is faster without Signature.bind
            values: Mapping[str, Any] = dict(zip(names, args, strict=True))
        else:
            bound = self._signature.bind(None, *args, **kwargs)
            bound.apply_defaults()
            values = bound.arguments
        on_progress: OnProgress = values.get("on_progress", ignore_progress)
        return {name: one.encode(values[name]) for name, one in self._parameters.items()}, on_progress

    def arguments(self, values: Json, on_progress: OnProgress) -> list[Any]:
        """The arguments for the function in the process, in the order of its parameters; `on_progress` comes last."""
        arguments = [one.decode(values[name]) for name, one in self._parameters.items()]
        return [*arguments, on_progress] if "on_progress" in self._signature.parameters else arguments

    def reply(self, job: int, result: Any) -> Message:
        """The reply with the result of the function."""
        if self._result is bytes:
            return Message({"job": job, "result": None}, result)
        if self._result is Content:
            return Message({"job": job, "result": _CONTENT.encode(result)}, fd=result.descriptor)
        return Message({"job": job, "result": codec(self._result).encode(result)})

    def result(self, message: Message) -> Any:
        """The result of the function, read from its reply.

        Raises:
            CameraError: the error that the function raised.
        """
        if (failure := message.header.get("error")) is not None:
            raise decode_error(failure)
        data = message.header["result"]
        if self._result is bytes:
            return message.data
        if self._result is Content:
            return _CONTENT.decode({**data, "descriptor": message.fd})
        return codec(self._result).decode(data)


_CONTENT = codec(Content)
_VERBS: dict[str, Verb] = {}

# For verbs that only read. They change nothing, so if the process was lost, a call may be repeated in the new process.
_LOST = (CameraDisconnected,)


def verb(deadline_s: float, again: tuple[type[CameraError], ...] = ()) -> Callable[[Method[P, R]], Method[P, R]]:
    """Declare a verb; see `Verb`."""

    def declare(method: Method[P, R]) -> Method[P, R]:
        declared = _VERBS[method.__name__] = Verb(method, deadline_s, again)

        async def call(camera: RemoteCamera, /, *args: P.args, **kwargs: P.kwargs) -> R:
            result: R = await camera.call(declared, *declared.bind(*args, **kwargs))
            return result

        update_wrapper(call, method)
        return call

    return declare


def verb_of(method: Callable[..., Any]) -> Verb:
    """The declaration of a method of `RemoteCamera`."""
    return _VERBS[method.__name__]


class RemoteCamera:
    """A camera, as the server uses it.

    The object stays usable if its process is lost and replaced. All methods raise CameraError.

    Args:
        call: calls a verb with arguments in the camera's current process.
        renew: closes the camera and opens it again in a new process.
    """

    def __init__(
        self, call: Callable[[Verb, Json, OnProgress], Awaitable[Any]], renew: Callable[[], Awaitable[None]]
    ) -> None:
        self.call = call
        self.renew = renew

    @verb(10.0, again=_LOST)
    async def get_config(self, name: str) -> ConfigItem:
        """One setting by its name or path. Raises ConfigNotFound."""

    @verb(30.0, again=_LOST)
    async def get_all_config(self) -> list[ConfigItem]:
        """All settings with their paths."""

    @verb(10.0)
    async def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """Change a setting. Returns the setting, read back from the camera after the change.

        Raises ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported.
        """

    @verb(45.0)  # plus the exposure time, which `on_progress` adds
    async def capture(self, on_progress: OnProgress) -> list[CapturedFile]:
        """Release the shutter once; returns all files of the shot.

        Args:
            on_progress: called with the exposure time in seconds. From this call on, the shutter may open.

        Raises:
            CaptureUnknown: the shutter may have been released, but no file was seen.
        """

    @verb(10.0, again=_LOST)
    async def plan_bulb(self) -> BulbPlan:
        """Which settings a bulb exposure needs and changes. Raises BulbUnavailable."""

    @verb(45.0)  # plus twice the length of the exposure, which `on_progress` adds: noise reduction takes as long again
    async def expose(self, bulb_s: float, on_progress: OnProgress) -> Exposed:
        """Keep the shutter open for `bulb_s` seconds, or until a stop message arrives (`STOP`); returns all files.

        The process closes the shutter also if the server ends.

        Args:
            on_progress: called with twice the length of the exposure. From this call on, the shutter may open.

        Raises:
            BulbUnavailable: the shutter did not open.
            CaptureUnknown: the shutter may have opened, but no file was seen.
        """

    @verb(10.0, again=_LOST)
    async def plan_fire(self, half_press: bool) -> float:
        """Check that the camera answers, and that its button can be half pressed if that is wanted.

        Returns how long `fire` needs before the deadline at least, in seconds: 0, or the time for raising the mirror.

        Raises NotSupported.
        """

    @verb(45.0)  # plus the time until the deadline and the exposure, which `on_progress` adds
    async def fire(self, at: float, half_press: bool, confirmed: bool, on_progress: OnProgress) -> Fired:
        """Release the shutter once at `at`, in seconds of CLOCK_MONOTONIC, or not at all. The autofocus is not used.

        Args:
            at: the deadline.
            half_press: whether the shutter button is half pressed until then, which focuses.
            confirmed: whether the release has to be confirmed by a message (`GO`) before the deadline.
            on_progress: called with the seconds until the end of the exposure, twice: when the camera is being prepared,
                and when it only waits for the deadline. From the first call on, the shutter may open.

        Raises:
            NotReady: the camera was not released: it was not ready at the deadline, or the release was not confirmed.
            NotSupported: the button cannot be half pressed.
            CaptureUnknown: the shutter may have been released, but no file was seen.
        """

    @verb(10.0, again=_LOST)
    async def plan_burst(self, length: BurstLength) -> BurstPlan:
        """The settings that a burst needs.

        Raises NotSupported, InvalidValue.
        """

    @verb(60.0)  # the longest wait for one file; `on_progress` restarts it
    async def burst(self, length: BurstLength, on_progress: OnProgress) -> BurstTaken:
        """Take pictures in a row, until there are enough or the time is over; returns what was really taken.

        The process releases the button also if the server ends.

        Args:
            on_progress: called with the length of the burst in seconds. From this call on, the shutter may open.

        Raises:
            CaptureUnknown: the shutter may have opened, but no file was seen, or the camera was lost.
        """

    @verb(30.0)  # live view has to run first, and a busy camera is asked again
    async def start_movie(self, max_s: float, on_progress: OnProgress = ignore_progress) -> None:
        """Start a movie, which this process stops after `max_s` seconds, and also if the server ends.

        Args:
            on_progress: from this call on, the movie may run.

        Raises:
            MovieUnavailable, CardFull, NotSupported: no movie was started.
            CameraRecording: a movie is in progress.
        """

    @verb(30.0)  # some drivers wait up to 10 s until the camera has written the file
    async def stop_movie(self) -> None:
        """Stop the movie; its end and its file are reported as events. Raises NoMovie, MovieStuck."""

    @verb(10.0, again=_LOST)
    async def file_info(self, path: str) -> CapturedFile:
        """A file on the camera; its size is None if the camera does not report it, also if there is no such file."""

    @verb(5.0, again=_LOST)
    async def preview(self, orientation: Orientation) -> bytes:
        """One frame of live view as JPEG. Raises NotSupported."""

    @verb(10.0)
    async def start_live_view(self, fps: float, orientations: frozenset[Orientation], seq: int) -> None:
        """Start to send frames as events, or change their rate and orientations.

        Frame numbers continue after `seq`. Raises NotSupported.
        """

    @verb(10.0)
    async def stop_live_view(self) -> None:
        """Stop sending frames, and switch live view off on the camera."""

    @verb(10.0)  # for one step; `on_progress` restarts the time
    async def drive_focus(self, steps: int, size: FocusSize, on_progress: OnProgress = ignore_progress) -> FocusMove:
        """Move the focus by a number of steps; positive steps are towards far. Raises LiveViewNeeded, NotSupported."""

    @verb(20.0)  # a slow lens needs 8 s, and a Nikon may take 5 s to fail
    async def autofocus(self, point: Point | None, on_progress: OnProgress = ignore_progress) -> bool | None:
        """Focus, at a point of the visible picture if one is given; returns whether the camera is in focus.

        None: the camera does not report that. Raises LiveViewNeeded, NotSupported.
        """

    @verb(15.0)  # a slow lens needs 8 s; plus the time of the hold, which `on_progress` adds
    async def half_press(self, hold_ms: int, on_progress: OnProgress = ignore_progress) -> None:
        """Hold the shutter button half pressed for `hold_ms` milliseconds. Raises NotSupported."""

    @verb(15.0)
    async def zoom_live_view(self, factor: float, point: Point | None) -> Magnified:
        """Magnify live view at least by the factor, if the camera can, around a point of the whole picture.

        Raises LiveViewNeeded, NotSupported.
        """

    @verb(15.0, again=(*_LOST, CameraIO))  # the longest time without new data
    async def fetch(
        self, path: str, orientation: Orientation, digest: bool, on_progress: OnProgress = ignore_progress
    ) -> Content:
        """A complete file, with its SHA-256 if `digest` is set. Raises FileNotFound, InvalidPath."""

    @verb(30.0, again=_LOST)
    async def thumbnail(self, path: str, orientation: Orientation) -> bytes:
        """The thumbnail of a picture as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""

    @verb(30.0, again=_LOST)
    async def list_files(self, folder: str) -> FolderContent:
        """The content of a folder, with file sizes. Raises FileNotFound, InvalidPath."""

    # A card is read folder by folder in the background. The deadline is short, because clients wait meanwhile.
    @verb(15.0)
    async def list_names(self, folder: str) -> FolderNames:
        """The names in a folder. Faster than `list_files`, because no file sizes are read. Raises FileNotFound."""

    @verb(30.0)
    async def delete_file(self, path: str) -> None:
        """Delete a file. Raises FileNotFound, InvalidPath."""

    @verb(15.0)
    async def sync_clock(self) -> ClockSet:
        """Set the camera's clock to the time of this machine, at the start of the next full second.

        Raises NotSupported, ConfigReadonly, InvalidValue.
        """

    @verb(30.0, again=_LOST)
    async def storage(self) -> list[Storage]:
        """The camera's storages."""

    @verb(10.0, again=_LOST)
    async def wire_problem(self) -> str | None:
        """Why the wire that releases this camera cannot be used; None if it can, or if the camera has none."""

    @verb(10.0, again=_LOST)
    async def keep_alive(self) -> None:
        """Perform an operation that the camera counts as use, so that it does not switch itself off."""


# -- from the server to the process


def request(job: int, verb: Verb, arguments: Json) -> Json:
    """The header of a request for a job."""
    return {"job": job, "verb": verb.name, "arguments": arguments}


CLOSE: Json = {"close": True}
# Ends a bulb exposure early, and cancels a release at a given moment. Otherwise, it has no effect.
STOP: Json = {"stop": True}
# Confirms a release at a given moment. Otherwise, it has no effect.
GO: Json = {"go": True}


def is_close(message: Message) -> bool:
    """Whether a message is `CLOSE`."""
    return "close" in message.header


def is_stop(message: Message) -> bool:
    """Whether a message is `STOP`."""
    return "stop" in message.header


def is_go(message: Message) -> bool:
    """Whether a message is `GO`."""
    return "go" in message.header


@dataclass(frozen=True, slots=True)
class Job:
    """A job for the process: the function that serves its verb, and its arguments."""

    number: int
    verb: Verb
    function: Callable[..., Any]
    values: Json

    def run(self, on_progress: OnProgress) -> Message:
        """Run the function; returns the reply. Raises CameraError."""
        return self.verb.reply(self.number, self.function(*self.verb.arguments(self.values, on_progress)))


Served = tuple[Verb, Callable[..., Any]]


def serve(method: Method[P, R], function: Callable[P, R]) -> Served:
    """Connect a verb with the function that serves it. Both have the same parameters and the same result."""
    return verb_of(method), function


class JobTable:
    """The functions that serve the verbs: one for each verb."""

    def __init__(self, *served: Served) -> None:
        self._functions = {verb.name: function for verb, function in served}
        if missing := _VERBS.keys() - self._functions.keys():
            raise NotImplementedError(f"no function serves {', '.join(missing)}")

    def job_of(self, message: Message) -> Job | None:
        """The job that a message requests; None if it requests none."""
        header = message.header
        if "verb" not in header:
            return None
        name = header["verb"]
        return Job(header["job"], _VERBS[name], self._functions[name], header["arguments"])


# -- from the process to the server


@dataclass(frozen=True, slots=True)
class Opened:
    """The camera is open."""

    identity: CameraIdentity
    library: str


@dataclass(frozen=True, slots=True)
class Alive:
    """The process is alive."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The camera is lost, and the process ends."""

    error: CameraError


@dataclass(frozen=True, slots=True)
class Progress:
    """A job makes progress. Its deadline restarts and becomes longer by `needs_s` seconds."""

    job: int
    needs_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a job (see `Verb.result`). If `lost` is set, the job failed because the camera was lost."""

    job: int
    message: Message
    lost: CameraError | None
    failed: bool


_EVENTS: dict[str, Codec] = {
    kind.__name__: codec(kind)
    for kind in (
        Opened, Alive, FileAdded, ConfigChanged, ExposureStarted, ExposureEnded, MovieStarted, MovieEnded, Learned,
        LiveViewEnded,
    )
}  # fmt: skip
_ERRORS: dict[str, Any] = {kind.__name__: kind for kind in errors.kinds()}


def progress(job: int, needs_s: float) -> Json:
    """The header of a progress message."""
    return {"job": job, "progress": needs_s}


def failure(job: int, error: CameraError, lost: bool) -> Json:
    """The header of the reply to a failed job."""
    return {"job": job, "error": encode_error(error), "lost": lost}


def event(value: FromCamera | Opened | Alive | Lost) -> Message:
    """The message that contains an event."""
    if isinstance(value, Frame):
        head = {
            "seq": value.seq,
            "time_us": value.time_us,
            "orientation": [value.orientation.rotation, value.orientation.flip],
        }
        return Message({"event": "Frame", **head}, bytes(value.data))
    kind = type(value).__name__
    if isinstance(value, Lost):
        return Message({"event": kind, "error": encode_error(value.error)})
    return Message({"event": kind, "values": _EVENTS[kind].encode(value)})


def incoming(message: Message) -> Reply | Progress | Opened | Alive | Lost | FromCamera:
    """Parse a message from the process.

    Raises:
        ChannelBroken: the message is unknown to this server.
    """
    try:
        return _incoming(message)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ChannelBroken(f"an unknown message: {error!r}") from error


def _incoming(message: Message) -> Reply | Progress | Opened | Alive | Lost | FromCamera:
    header = message.header
    if "job" in header:
        if "progress" in header:
            return Progress(header["job"], header["progress"])
        error = header.get("error")
        lost = decode_error(error) if error and header["lost"] else None
        return Reply(header["job"], message, lost, failed=error is not None)
    kind = header["event"]
    if kind == "Frame":
        return Frame(message.data, header["seq"], header["time_us"], Orientation(*header["orientation"]))
    if kind == "Lost":
        return Lost(decode_error(header["error"]))
    value: Opened | Alive | FromCamera = _EVENTS[kind].decode(header["values"])
    return value


def encode_error(error: CameraError) -> Json:
    """The class and the attributes of an error as JSON values."""
    kind = type(error).__name__
    return {"kind": kind, **codec(cast(Any, type(error))).encode(error)}


def decode_error(data: Mapping[str, Any]) -> CameraError:
    """The error that `encode_error` has converted."""
    values = {**data}
    error: CameraError = codec(_ERRORS[values.pop("kind")]).decode(values)
    return error
