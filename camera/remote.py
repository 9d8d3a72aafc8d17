"""The verbs of a camera's process, declared once for both ends of the channel, and every message between them.

The server calls the methods of `RemoteCamera`; the process serves each with a function of the same parameters. No other
module knows how either looks on the channel.
"""

# mypy: disable-error-code="empty-body"
# The methods of RemoteCamera have no bodies: `verb` makes them calls over the channel.

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, get_type_hints

from camera import errors
from camera.channel import ChannelBroken, Message
from camera.codec import Codec, codec
from camera.errors import CameraDisconnected, CameraError, CameraIO
from camera.events import ConfigChanged, FileAdded, Learned, LiveViewEnded
from camera.model import CameraIdentity, CapturedFile, ConfigItem, Frame, Storage
from camera.orientation import Orientation
from camera.values import WantedValue

P = ParamSpec("P")
R = TypeVar("R")
Method = Callable[Concatenate["RemoteCamera", P], Coroutine[Any, Any, R]]
Json = dict[str, Any]

# Called as a job goes on, with the seconds that it needs from now on in addition to its deadline.
OnProgress = Callable[[float], None]

FromCamera = Frame | FileAdded | ConfigChanged | Learned | LiveViewEnded


def ignore_progress(needs_s: float) -> None:
    """Progress that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file of the camera, in anonymous memory; the receiver closes the descriptor."""

    file: CapturedFile
    sha256: str | None
    descriptor: int


@dataclass(frozen=True, slots=True)
class FolderNames:
    """The names of the folders and of the files in a folder."""

    folders: list[str]
    files: list[str]


@dataclass(frozen=True, slots=True)
class FolderContent:
    """The names of the folders in a folder, and its files."""

    folders: list[str]
    files: list[CapturedFile]


class Verb:
    """How one method of `RemoteCamera` crosses the channel.

    Attributes:
        name: of the method.
        deadline_s: how long it may take without progress; past it, the process is ended.
        again: errors after which it is called once more, where they came with the loss of the process.
        fires: once there was progress, the shutter may have been released.
    """

    def __init__(self, method: Callable[..., Any], deadline_s: float, again: tuple[type[CameraError], ...]) -> None:
        self.name = method.__name__
        self.deadline_s = deadline_s
        self.again = again
        self.fires = self.name == "capture"
        hints = get_type_hints(method)
        self._signature = inspect.signature(method)
        self._result = hints.pop("return")
        self._parameters = {name: codec(kind) for name, kind in hints.items() if kind != OnProgress}

    def bind(self, *args: Any, **kwargs: Any) -> tuple[Json, OnProgress]:
        """The arguments of a call as they cross the channel, and its callback."""
        bound = self._signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        values = bound.arguments
        on_progress: OnProgress = values.get("on_progress", ignore_progress)
        return {name: one.encode(values[name]) for name, one in self._parameters.items()}, on_progress

    def arguments(self, values: Json, on_progress: OnProgress) -> list[Any]:
        """The arguments of a call, in the order in which its function in the process takes them; a callback is the last."""
        arguments = [one.decode(values[name]) for name, one in self._parameters.items()]
        return [*arguments, on_progress] if "on_progress" in self._signature.parameters else arguments

    def reply(self, job: int, result: Any) -> Message:
        """The message with what the function returned."""
        if self._result is bytes:
            return Message({"job": job, "result": None}, result)
        if self._result is Content:
            return Message({"job": job, "result": _CONTENT.encode(result)}, fd=result.descriptor)
        return Message({"job": job, "result": codec(self._result).encode(result)})

    def result(self, message: Message) -> Any:
        """What the function returned.

        Raises:
            CameraError: what it raised.
        """
        if (failure := message.header.get("error")) is not None:
            raise _decode_error(failure)
        data = message.header["result"]
        if self._result is bytes:
            return message.data
        if self._result is Content:
            return _CONTENT.decode({**data, "descriptor": message.fd})
        return codec(self._result).decode(data)


_CONTENT = codec(Content)
_VERBS: dict[str, Verb] = {}

# Reads change nothing: they may be asked again of the process that follows one that was lost.
_LOST = (CameraDisconnected,)


def verb(deadline_s: float, again: tuple[type[CameraError], ...] = ()) -> Callable[[Method[P, R]], Method[P, R]]:
    """Declare a method of `RemoteCamera`; see `Verb`."""

    def declare(method: Method[P, R]) -> Method[P, R]:
        declared = _VERBS[method.__name__] = Verb(method, deadline_s, again)

        async def call(camera: RemoteCamera, /, *args: P.args, **kwargs: P.kwargs) -> R:
            result: R = await camera.call(declared, *declared.bind(*args, **kwargs))
            return result

        update_wrapper(call, method)
        return call

    return declare


def verb_of(method: Callable[..., Any]) -> Verb:
    """How a method of `RemoteCamera` crosses the channel."""
    return _VERBS[method.__name__]


class RemoteCamera:
    """A camera, through its process or the one that follows it where it is lost. Every method raises CameraError.

    Args:
        call: carries out a verb with these arguments, at the process that the camera has at the time.
        renew: closes the camera, and opens it again in a new process.
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
        """Every setting with its path."""

    @verb(10.0)
    async def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """Change a setting; the setting as read back. Raises ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported."""

    @verb(45.0)  # in addition to the exposure
    async def capture(self, on_progress: OnProgress) -> list[CapturedFile]:
        """Release the shutter once; every file of the shot.

        Args:
            on_progress: called with the exposure in seconds just before the shutter may be released.

        Raises:
            CaptureUnknown: the shutter may have been released, and no file was seen.
        """

    @verb(5.0, again=_LOST)
    async def preview(self, orientation: Orientation) -> bytes:
        """One frame of live view as JPEG. Raises NotSupported."""

    @verb(10.0)
    async def start_live_view(self, fps: float, orientations: frozenset[Orientation], seq: int) -> None:
        """Send frames as events, or change their rate and orientations; numbered on from `seq`. Raises NotSupported."""

    @verb(10.0)
    async def stop_live_view(self) -> None:
        """Send no more frames, and switch live view off at the camera."""

    @verb(15.0, again=(*_LOST, CameraIO))  # without a byte more
    async def fetch(
        self, path: str, orientation: Orientation, digest: bool, on_progress: OnProgress = ignore_progress
    ) -> Content:
        """A whole file, with its SHA-256 where `digest` asks for it. Raises FileNotFound, InvalidPath."""

    @verb(30.0, again=_LOST)
    async def thumbnail(self, path: str, orientation: Orientation) -> bytes:
        """The small JPEG that the camera keeps of a picture. Raises FileNotFound, InvalidPath, NotSupported."""

    @verb(30.0, again=_LOST)
    async def list_files(self, folder: str) -> FolderContent:
        """What is in a folder, with sizes. Raises FileNotFound, InvalidPath."""

    # Shorter: a card is read folder by folder in the background, and others wait for the camera meanwhile.
    @verb(15.0)
    async def list_names(self, folder: str) -> FolderNames:
        """What is in a folder, without sizes, each of which may cost an exchange. Raises FileNotFound."""

    @verb(30.0)
    async def delete_file(self, path: str) -> None:
        """Delete a file. Raises FileNotFound, InvalidPath."""

    @verb(30.0, again=_LOST)
    async def storage(self) -> list[Storage]:
        """The camera's cards."""

    @verb(10.0, again=_LOST)
    async def keep_alive(self) -> None:
        """Do something that the camera takes for use, so that it does not switch itself off."""


# -- from the server to the process


def request(job: int, verb: Verb, arguments: Json) -> Json:
    """The header that asks for a job."""
    return {"job": job, "verb": verb.name, "arguments": arguments}


CLOSE: Json = {"close": True}


@dataclass(frozen=True, slots=True)
class Job:
    """A job for the process: the function that serves its verb, and how to call it."""

    number: int
    verb: Verb
    function: Callable[..., Any]
    values: Json

    def run(self, on_progress: OnProgress) -> Message:
        """Carry it out; the reply. Raises CameraError."""
        return self.verb.reply(self.number, self.function(*self.verb.arguments(self.values, on_progress)))


Served = tuple[Verb, Callable[..., Any]]


def serve(method: Method[P, R], function: Callable[P, R]) -> Served:
    """Have a function serve a verb; its parameters and its result are the verb's."""
    return verb_of(method), function


class JobTable:
    """The functions that serve the verbs, each of which there is once."""

    def __init__(self, *served: Served) -> None:
        self._functions = {verb.name: function for verb, function in served}
        if missing := _VERBS.keys() - self._functions.keys():
            raise NotImplementedError(f"no function serves {', '.join(missing)}")

    def job_of(self, message: Message) -> Job | None:
        """The job that a message asks for; None: the camera is to be closed."""
        header = message.header
        if "close" in header:
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
    """The process does not hang."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The camera is lost, and the process ends."""

    error: CameraError


@dataclass(frozen=True, slots=True)
class Progress:
    """A job goes on, and needs so many seconds in addition to its deadline."""

    job: int
    needs_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a job, which `Verb.result` reads; with `lost` the camera is lost as well."""

    job: int
    message: Message
    lost: CameraError | None
    failed: bool


_EVENTS: dict[str, Codec] = {
    kind.__name__: codec(kind) for kind in (Opened, Alive, FileAdded, ConfigChanged, Learned, LiveViewEnded)
}
_ERRORS: dict[str, Codec] = {kind.__name__: codec(cast(Any, kind)) for kind in errors.kinds()}


def progress(job: int, needs_s: float) -> Json:
    """The header that reports progress."""
    return {"job": job, "progress": needs_s}


def failure(job: int, error: CameraError, lost: bool) -> Json:
    """The header of a job that failed."""
    return {"job": job, "error": _encode_error(error), "lost": lost}


def event(value: FromCamera | Opened | Alive | Lost) -> Message:
    """The message of an event."""
    if isinstance(value, Frame):
        head = {
            "seq": value.seq,
            "time_us": value.time_us,
            "orientation": [value.orientation.rotation, value.orientation.flip],
        }
        return Message({"event": "Frame", **head}, bytes(value.data))
    kind = type(value).__name__
    if isinstance(value, Lost):
        return Message({"event": kind, "error": _encode_error(value.error)})
    return Message({"event": kind, "values": _EVENTS[kind].encode(value)})


def incoming(message: Message) -> Reply | Progress | Opened | Alive | Lost | FromCamera:
    """What a message of the process says.

    Raises:
        ChannelBroken: nothing that this server knows.
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
        lost = _decode_error(error) if error and header["lost"] else None
        return Reply(header["job"], message, lost, failed=error is not None)
    kind = header["event"]
    if kind == "Frame":
        return Frame(message.data, header["seq"], header["time_us"], Orientation(*header["orientation"]))
    if kind == "Lost":
        return Lost(_decode_error(header["error"]))
    value: Opened | Alive | FromCamera = _EVENTS[kind].decode(header["values"])
    return value


def _encode_error(error: CameraError) -> Json:
    kind = type(error).__name__
    return {"kind": kind, **_ERRORS[kind].encode(error)}


def _decode_error(data: Json) -> CameraError:
    values = {**data}
    error: CameraError = _ERRORS[values.pop("kind")].decode(values)
    return error
