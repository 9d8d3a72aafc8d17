"""Data about cameras, as frozen dataclasses. All layers use them, and they are sent to and from camera processes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from camera.orientation import AS_IS, Orientation, Point

WidgetType = Literal["window", "section", "text", "range", "toggle", "radio", "menu", "button", "date"]
ConfigValue = str | int | float | None
FocusSize = Literal["small", "medium", "large"]
State = Literal["opening", "ready", "live", "capturing", "recording", "recovering", "needs_attention", "absent"]


@dataclass(frozen=True, slots=True)
class ConfigRange:
    """Limits of a range widget, in the widget's own unit; `max` is included."""

    min: float
    max: float
    step: float


@dataclass(frozen=True, slots=True)
class ConfigItem:
    """One configuration widget, as the camera reports it.

    Attributes:
        name: the name without the path, for example "iso".
        label: the display name of the setting, as the driver reports it.
        type: the widget type of libgphoto2.
        value: str for text, radio and menu; 0, 1 or 2 (unknown) for toggle; float for range; Unix seconds for date;
            None for button, section, window, and if the camera does not report a value.
        readonly: whether the camera currently rejects changes.
        choices: the allowed values of radio and menu, in the camera's order.
        range: only for range widgets.
        path: the path in the tree, for example "/main/imgsettings/iso"; empty if it is not known.
    """

    name: str
    label: str
    type: WidgetType
    value: ConfigValue
    readonly: bool
    choices: tuple[str, ...] = ()
    range: ConfigRange | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a camera can do, as its driver claims (libgphoto2's abilities) and as attempts have shown.

    Attributes:
        capture, live_view, config, delete: see the protocol.
        events: the camera reports events, such as a picture that was taken with its own button. Drivers make no claim
            about events, so only attempts show this.
    """

    capture: bool = False
    live_view: bool = False
    config: bool = False
    delete: bool = False
    events: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the available capabilities."""
        return [one.name for one in fields(self) if getattr(self, one.name)]


@dataclass(frozen=True, slots=True)
class DetectedCamera:
    """A detected camera: model, port, capabilities, and the serial number if USB reports it."""

    model: str
    port: str
    capabilities: Capabilities
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Detected:
    """The result of a detection: the version of libgphoto2, and the cameras."""

    library: str
    cameras: list[DetectedCamera]


@dataclass(frozen=True, slots=True)
class CameraIdentity:
    """Identity of an opened camera, read from the camera. `serial` is None if it reports no serial number."""

    model: str
    manufacturer: str
    version: str
    serial: str | None
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The clock of a camera was set: the name of its setting, and the new time in seconds since 1970.

    `was_off_s`: how far it was ahead before, in whole seconds; negative if it was behind.
    """

    config_name: str
    was_off_s: int
    set_to: int


@dataclass(frozen=True, slots=True)
class Storage:
    """One card or memory of the camera. `capacity` and `free` are in bytes; None if the camera does not report them."""

    path: str
    label: str
    capacity: int | None
    free: int | None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """A file on the camera: absolute path, size in bytes (None if not reported), MIME type."""

    path: str
    size: int | None
    mimetype: str

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class BurstLength:
    """How long a burst is: a number of pictures, or for how many milliseconds the button is held. The other is None."""

    frames: int | None = None
    hold_ms: int | None = None

    def lasts_s(self, exposure_s: float) -> float:
        """The longest time in seconds that the camera needs for it, without delays of the card.

        Args:
            exposure_s: the exposure of each picture in seconds.
        """
        # Half a second between two pictures is a slow body, for example with quiet release.
        return (self.hold_ms or 0) / 1000 + exposure_s + (self.frames or 0) * (exposure_s + 0.5)

    def exposure_s(self, lasts_s: float) -> float:
        """The exposure of each picture in seconds, from what `lasts_s` has returned."""
        frames = self.frames or 0
        return max(0.0, lasts_s - (self.hold_ms or 0) / 1000 - frames * 0.5) / (1 + frames)


@dataclass(frozen=True, slots=True)
class BurstTaken:
    """The pictures of a burst.

    Attributes:
        pictures: the files of each picture, in the order in which they were taken.
        counted: how often the shutter was released, by the camera's own counter; None if it has none.
        warnings: what was not as ordered, one sentence each.
    """

    pictures: list[list[CapturedFile]]
    counted: int | None
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Frame:
    """One live-view picture.

    Attributes:
        data: the JPEG in the given orientation.
        seq: number of the frame, from 1, counted for each camera since the server started.
        time_us: when the camera process received the picture, in microseconds since 1970.
        orientation: how the picture was rotated and mirrored.
        encodings: messages that contain this frame, so that each message is built only once for all viewers.
    """

    data: bytes | memoryview
    seq: int
    time_us: int
    orientation: Orientation = AS_IS
    encodings: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FocusMove:
    """A movement of the focus.

    Attributes:
        moved: the number of steps that the camera has carried out; negative towards near.
        at_limit: whether the lens is at a limit, or the step was too small for it; None if the camera does not report
            that.
    """

    moved: int
    at_limit: bool | None


# Why a movie has ended: stop_movie; its limit; the camera ended it because its card is full, or for another reason (its
# own button or limit, heat, a write error); the camera or its process was lost.
MovieEnd = Literal["stopped", "max_s", "card_full", "camera", "interrupted"]


@dataclass(frozen=True, slots=True)
class Magnified:
    """How much live view is magnified, and the centre of its visible part in the whole picture; None: not known."""

    factor: float
    centre: Point | None


# libgphoto2 accepts only numeric IPv4 addresses. The first port is for commands, the second for events. Without a
# second port, events use port 15740.
NETWORK_ADDRESS = re.compile(r"ptpip:(\d{1,3}\.){3}\d{1,3}(:\d{1,5}(:\d{1,5})?)?")

_PATH = re.compile(r"(/[^/\x00-\x1f]+)+")


def is_camera_path(path: str) -> bool:
    """Whether a path is absolute and has no empty, `.` or `..` parts and no control characters."""
    return _PATH.fullmatch(path) is not None and not {".", ".."} & set(path.split("/"))


def camera_path(folder: str, name: str) -> str:
    """The path of a file in a folder on the camera."""
    return f"{folder.rstrip('/')}/{name}"


# libgphoto2 reports application/x-unknown for some formats. Browsers and file managers know the types in this table.
_RAW_TYPES = {
    "cr2": "image/x-canon-cr2",
    "cr3": "image/x-canon-cr3",
    "crw": "image/x-canon-crw",
    "nef": "image/x-nikon-nef",
    "nrw": "image/x-nikon-nrw",
    "arw": "image/x-sony-arw",
    "raf": "image/x-fuji-raf",
    "orf": "image/x-olympus-orf",
    "rw2": "image/x-panasonic-rw2",
    "dng": "image/x-adobe-dng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "heif": "image/heif",
    "heic": "image/heic",
    "hif": "image/heif",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "avi": "video/x-msvideo",
    "mts": "video/mp2t",
    "mxf": "application/mxf",
    "crm": "video/x-canon-crm",
    "nev": "video/x-nikon-nev",
    "r3d": "video/x-red-r3d",
}


def is_raw(filename: str) -> bool:
    """Whether a file with this name is a RAW file, by its extension."""
    return mimetype_of(filename).startswith("image/x-")


def is_movie(filename: str) -> bool:
    """Whether a file with this name is a movie, by its extension."""
    return mimetype_of(filename).startswith("video/") or mimetype_of(filename) == "application/mxf"


def mimetype_of(filename: str) -> str:
    """The MIME type for a file name, from its extension; application/octet-stream if the extension is unknown."""
    return _RAW_TYPES.get(filename.rpartition(".")[2].lower(), "application/octet-stream")


_LINE = re.compile(r"(gpiochip\d{1,4})/(\d{1,4})(?:/(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class ShutterLine:
    """Lines of a GPIO chip that close the contacts of a camera's remote socket.

    Attributes:
        chip: the name of the chip below /dev.
        release: the number of the line that releases the shutter.
        half_press: the number of the line that half presses the button; None if there is none.
    """

    chip: str
    release: int
    half_press: int | None = None

    @classmethod
    def parse(cls, text: str) -> ShutterLine:
        """The lines from text such as "gpiochip0/17" or "gpiochip0/17/27". Raises ValueError."""
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(f"a chip and a line, such as gpiochip0/17, not {text!r}")
        line = cls(match[1], int(match[2]), None if match[3] is None else int(match[3]))
        if line.release == line.half_press:
            raise ValueError(f"two different lines, not {text!r}")
        return line

    @property
    def node(self) -> Path:
        """The device file of the chip."""
        return Path("/dev", self.chip)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The numbers of all its lines."""
        return (self.release,) if self.half_press is None else (self.half_press, self.release)

    def __str__(self) -> str:
        return "/".join((self.chip, str(self.release), *(() if self.half_press is None else (str(self.half_press),))))
