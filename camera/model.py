"""What a camera is and gives, as frozen values that cross layers and the channel to the camera process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from camera.orientation import AS_IS, Orientation

WidgetType = Literal["window", "section", "text", "range", "toggle", "radio", "menu", "button", "date"]
ConfigValue = str | int | float | None
State = Literal["opening", "ready", "live", "capturing", "recovering", "needs_attention", "absent"]


@dataclass(frozen=True, slots=True)
class ConfigRange:
    """Limits of a range widget, in the widget's own unit; max is included."""

    min: float
    max: float
    step: float


@dataclass(frozen=True, slots=True)
class ConfigItem:
    """One configuration widget as the camera reports it.

    Attributes:
        name: the bare widget name, for example "iso".
        label: the words the driver shows for it.
        type: the widget type of libgphoto2.
        value: str for text, radio and menu; 0, 1 or 2 (unknown) for toggle; float for range; Unix seconds
            for date; None for button, section, window and for a value that the camera does not report.
        readonly: the camera refuses to change it at the moment.
        choices: what radio and menu allow, in the camera's order.
        range: limits, for range widgets only.
        path: place in the tree, for example "/main/imgsettings/iso"; empty where the tree was not read.
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
    """What a camera can do: what its driver claims (libgphoto2's abilities flags), then what was tried.

    Attributes:
        capture, live_view, config, delete: as in the protocol.
        events: it reports what happens at its body, such as a picture of its own button; no flag claims that.
    """

    capture: bool = False
    live_view: bool = False
    config: bool = False
    delete: bool = False
    events: bool = False

    @property
    def names(self) -> list[str]:
        """What it can do, by the names above."""
        return [one.name for one in fields(self) if getattr(self, one.name)]


@dataclass(frozen=True, slots=True)
class DetectedCamera:
    """A camera that detection found: model name, where it is now, what it can do; the serial where USB tells."""

    model: str
    port: str
    capabilities: Capabilities
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Detected:
    """What one detection found: the version of libgphoto2, and the cameras."""

    library: str
    cameras: list[DetectedCamera]


@dataclass(frozen=True, slots=True)
class CameraIdentity:
    """Who an opened camera is, read from the camera itself. `serial` is None where it tells none."""

    model: str
    manufacturer: str
    version: str
    serial: str | None
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class Storage:
    """One card or memory of the camera; sizes in bytes, None where the camera does not tell."""

    path: str
    label: str
    capacity: int | None
    free: int | None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """A file on the camera: absolute path in the camera, size in bytes (None: not told), MIME type."""

    path: str
    size: int | None
    mimetype: str

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Frame:
    """One live-view picture.

    Attributes:
        data: the JPEG as the camera sent it.
        seq: counts the frames of one camera since the server started, from 1.
        time_us: when the camera process had it, microseconds since the epoch.
        orientation: how it was rotated and mirrored on its way here.
        encodings: messages built from this frame, kept with it so that each is built once for all viewers.
    """

    data: bytes | memoryview
    seq: int
    time_us: int
    orientation: Orientation = AS_IS
    encodings: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


# libgphoto2 takes numeric IPv4 only; with one port given, events still go to 15740.
NETWORK_ADDRESS = re.compile(r"ptpip:(\d{1,3}\.){3}\d{1,3}(:\d{1,5}(:\d{1,5})?)?")

_PATH = re.compile(r"(/[^/\x00-\x1f]+)+")


def is_camera_path(path: str) -> bool:
    """Whether a path is absolute, without empty, `.` or `..` parts and without control characters."""
    return _PATH.fullmatch(path) is not None and not {".", ".."} & set(path.split("/"))


def camera_path(folder: str, name: str) -> str:
    """The path of a file in a folder of the camera."""
    return f"{folder.rstrip('/')}/{name}"


# libgphoto2 names some raw formats application/x-unknown; browsers and file managers know these.
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
}


def mimetype_of(filename: str) -> str:
    """The MIME type by a file name's ending; application/octet-stream where the ending says nothing."""
    return _RAW_TYPES.get(filename.rpartition(".")[2].lower(), "application/octet-stream")
