"""The settings of a Canon EOS 550D: codes, data types, choices and factory values.

Sources of the codes and values: ptp.h and config.c of libgphoto2, and the file in libgphoto2 that lists the properties
of a real 550D (cameras/canon-eos550d.txt).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

from .. import datasets
from ..card import Layout
from ..datasets import INT32, STRING, UINT8, UINT16, UINT32
from ..lens import Optics
from ..settings import Setting, Value

FILE_LIST = 0x4006
"""The data type of the image format: Canon sends the files of a shot as an array of 32-bit numbers."""

LAYOUT = Layout(0x00020001, "CANON", "IMG_", "MVI_")

OPTICS = Optics(far=1000, subject=700, picture=(5184, 3456))
"""The size of the coordinate system is that of the largest still of a 550D, whatever the size of the simulated stills."""

HALF_PRESS, FULL_PRESS = 1, 2
"""The bits of the parameter of RemoteReleaseOn and RemoteReleaseOff for the half and fully pressed button."""

LENS_STEPS = {1: -4, 2: -20, 3: -100, 0x8001: 4, 0x8002: 20, 0x8003: 100}
"""How far each parameter of DriveLens moves the focus. Bit 15 means far. The distances are invented."""

ZOOMS = (1, 5, 10)
"""The magnifications of live view. At magnification 1, the focus frame has the size of the part at magnification 5."""

APERTURE, SHUTTER_SPEED, ISO, EXPOSURE_COMPENSATION = 0xD101, 0xD102, 0xD103, 0xD104
EXPOSURE_MODE, DRIVE_MODE, METERING_MODE, FOCUS_MODE = 0xD105, 0xD106, 0xD107, 0xD108
WHITE_BALANCE, BATTERY, CAMERA_TIME = 0xD109, 0xD111, 0xD113
OWNER, ARTIST, COPYRIGHT, SERIAL_NUMBER, LENS_NAME = 0xD115, 0xD1D0, 0xD1D1, 0xD1AF, 0xD1D8
AVAILABLE_SHOTS, CAPTURE_DESTINATION, CURRENT_FOLDER = 0xD11B, 0xD11C, 0xD11F
IMAGE_FORMAT, SHUTTER_COUNTER, LIVE_VIEW_OUTPUT, FOCUS_INFO = 0xD120, 0xD1AC, 0xD1B0, 0xD1D3

UTC_TIME, MOVIE_TARGET = 0xD17C, 0xD1B8
MIRROR_LOCK, MIRROR_LOCK_STATE = 0xD13A, 0xD1BF

NO_MOVIE, MOVIE_TO_CARD = 0, 4
"""Values of MOVIE_TARGET. While the value is MOVIE_TO_CARD, the body records."""

TO_CARD, TO_HOST = 2, 4
"""Values of CAPTURE_DESTINATION."""

FRAME_SCALES = {2: 1.0, 4: 3 / 4, 8: 1 / 2}
"""The bits of LIVE_VIEW_OUTPUT that send frames to the host, and the relative size of the frames: large, medium, small."""

_OUTPUTS: dict[str, Value] = {"Off": 0, "TFT": 1, "PC": 2, "TFT + PC": 3}
_SMALLER_OUTPUTS: dict[str, Value] = {"MOBILE": 4, "TFT + MOBILE": 5, "MOBILE2": 8, "TFT + MOBILE2": 9}

MANUAL_FOCUS = 3

BATTERY_VALUES = {100: 2, 75: 4, 50: 1, 25: 5, 0: 0}
"""The value of BATTERY for each level in per cent."""

MANUAL, BULB = 3, 4
"""Values of EXPOSURE_MODE. A 550D has bulb exposures on the dial position M; other models have the position B."""

SPEED_BULB = 0x0C
"""The value of SHUTTER_SPEED with which the shutter stays open as long as the button is pressed."""

_APERTURES = {
    "3.5": 0x24, "4": 0x28, "4.5": 0x2C, "5.6": 0x30, "6.7": 0x34, "8": 0x38, "9.5": 0x3C, "11": 0x40,
    "13": 0x44, "16": 0x48, "19": 0x4C, "22": 0x50,
}  # fmt: skip
_SHUTTER_SPEEDS = {
    "bulb": SPEED_BULB, "30": 0x10, "25": 0x13, "20": 0x15, "15": 0x18, "13": 0x1B, "10": 0x1C, "8": 0x20,
    "6": 0x24, "5": 0x25, "4": 0x28, "3.2": 0x2B, "2.5": 0x2D, "2": 0x30, "1.6": 0x33, "1.3": 0x35,
    "1": 0x38, "0.8": 0x3B, "0.6": 0x3D, "0.5": 0x40, "0.4": 0x43, "0.3": 0x45, "1/4": 0x48, "1/5": 0x4B,
    "1/6": 0x4D, "1/8": 0x50, "1/10": 0x53, "1/13": 0x55, "1/15": 0x58, "1/20": 0x5B, "1/25": 0x5D,
    "1/30": 0x60, "1/40": 0x63, "1/50": 0x65, "1/60": 0x68, "1/80": 0x6B, "1/100": 0x6D, "1/125": 0x70,
    "1/160": 0x73, "1/200": 0x75, "1/250": 0x78, "1/320": 0x7B, "1/400": 0x7D, "1/500": 0x80, "1/640": 0x83,
    "1/800": 0x85, "1/1000": 0x88, "1/1250": 0x8B, "1/1600": 0x8D, "1/2000": 0x90, "1/2500": 0x93,
    "1/3200": 0x95, "1/4000": 0x98,
}  # fmt: skip
_ISO = {"Auto": 0x00, **{str(100 << stop): 0x48 + 8 * stop for stop in range(7)}}
_COMPENSATIONS = {
    f"{'-' if steps < 0 else ''}{abs(steps) // 3}{('', '.3', '.6')[abs(steps) % 3]}":
        ((abs(steps) // 3 * 8 + (0, 3, 5)[abs(steps) % 3]) * (1 if steps > 0 else -1)) & 0xFF
    for steps in range(15, -16, -1)
}  # fmt: skip
IMAGE_FORMATS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "L": ((1, 0, 3),), "cL": ((1, 0, 2),), "M": ((1, 1, 3),), "cM": ((1, 1, 2),), "S": ((1, 2, 3),),
    "cS": ((1, 2, 2),), "RAW + L": ((6, 0, 4), (1, 0, 3)), "RAW": ((6, 0, 4),),
}  # fmt: skip
"""For each file of a shot: type (1 JPEG, 6 raw), size (0 L, 1 M, 2 S), compression (2 normal, 3 fine)."""

_SHIFT = {str(step): step for step in range(-9, 10)}
_MODES = {"P": 0, "TV": 1, "AV": 2, "Manual": MANUAL, "Bulb": BULB, "A_DEP": 5, "Green": 9}
_BALANCES = {
    "Auto": 0, "Daylight": 1, "Shadow": 8, "Cloudy": 2, "Tungsten": 3, "Fluorescent": 4, "Flash": 5,
    "Manual": 6,
}  # fmt: skip
_STYLES = {
    "Standard": 0x81, "Portrait": 0x82, "Landscape": 0x83, "Neutral": 0x84, "Faithful": 0x85,
    "Monochrome": 0x86, "User defined 1": 0x21, "User defined 2": 0x22, "User defined 3": 0x23,
}  # fmt: skip
_BRACKETS = {"off": 0, "+/- 1/2": 4, "+/- 1": 8, "+/- 1 1/2": 0x0C, "+/- 2": 0x10}
_POWER_OFF = {str(seconds): seconds for seconds in (0, 30, 60, 120, 240, 480, 900)}
_REVIEW = {"None": 0, "2 seconds": 2, "4 seconds": 4, "8 seconds": 8, "Hold": 0xFF}
_DRIVE: dict[str, Value] = {"Single": 0, "Continuous": 1, "Timer 10 sec": 0x10, "Timer 2 sec": 0x11}
_MORE_DRIVES: dict[str, Value] = {**_DRIVE, "Continuous high speed": 4, "Continuous low speed": 5}

AEB = 0xD1D9
BRACKETS_EV = {4: Fraction(1, 2), 8: Fraction(1), 0x0C: Fraction(3, 2), 0x10: Fraction(2)}
"""The values of `aeb`, with the distance of the three pictures in EV."""

BURST_SPEEDS = {1: 1.0, 4: 2.0, 5: 0.5}
"""The drive modes in which the body takes pictures as long as the button is held, and their speeds."""

_FOCUS = {"One Shot": 0, "AI Focus": 2, "AI Servo": 1, "Manual": MANUAL_FOCUS}
_METERING = {"Evaluative": 3, "Partial": 4, "Spot": 1, "Center-weighted average": 5}

SETTINGS: dict[int, Setting] = {
    setting.code: setting
    for setting in (
        Setting(APERTURE, "aperture", UINT16, 0x30, _APERTURES),
        Setting(SHUTTER_SPEED, "shutterspeed", UINT16, 0x70, _SHUTTER_SPEEDS),
        Setting(ISO, "iso", UINT16, 0x48, _ISO),
        Setting(EXPOSURE_COMPENSATION, "exposurecompensation", UINT8, 0, _COMPENSATIONS),
        Setting(EXPOSURE_MODE, "autoexposuremode", UINT16, 3, _MODES),
        Setting(DRIVE_MODE, "drivemode", UINT16, 0, _DRIVE),
        Setting(METERING_MODE, "meteringmode", UINT8, 3, _METERING),
        Setting(FOCUS_MODE, "focusmode", UINT32, MANUAL_FOCUS, _FOCUS),
        Setting(WHITE_BALANCE, "whitebalance", UINT8, 0, _BALANCES),
        Setting(0xD10B, "whitebalanceadjusta", INT32, 0, _SHIFT),
        Setting(0xD10C, "whitebalanceadjustb", INT32, 0, _SHIFT),
        Setting(0xD10D, "whitebalancexa", UINT32, 0, writable=False),
        Setting(0xD10E, "whitebalancexb", UINT32, 0, writable=False),
        Setting(0xD10F, "colorspace", UINT16, 1, {"sRGB": 1, "AdobeRGB": 2}),
        Setting(0xD110, "picturestyle", UINT8, 0x81, _STYLES),
        Setting(
            BATTERY,
            "batterylevel",
            UINT16,
            2,
            {f"{k}%": v for k, v in BATTERY_VALUES.items()},
            writable=False,
        ),
        Setting(CAMERA_TIME, "datetime", UINT32, 0),
        Setting(0xD114, "autopoweroff", INT32, 60, _POWER_OFF),
        Setting(OWNER, "ownername", STRING, ""),
        Setting(0xD116, "model", UINT32, 0x80000270, writable=False),
        Setting(0xD119, "ptpversion", UINT16, 0x0100, writable=False),
        Setting(AVAILABLE_SHOTS, "availableshots", UINT32, 0, writable=False),
        Setting(CAPTURE_DESTINATION, "capturedestination", UINT32, TO_CARD, {"card": TO_CARD, "host": TO_HOST}),
        Setting(0xD11D, "bracketmode", UINT16, 0xFFFF, writable=False),
        Setting(0xD11E, "storageid", UINT32, LAYOUT.storage, writable=False),
        Setting(CURRENT_FOLDER, "currentfolder", UINT32, 0, writable=False),
        Setting(IMAGE_FORMAT, "imageformat", FILE_LIST, "L", {name: name for name in IMAGE_FORMATS}),
        Setting(MIRROR_LOCK, "mirrorlock", UINT32, 0, {"0": 0, "1": 1}),
        Setting(MIRROR_LOCK_STATE, "mirrorlockstatus", UINT32, 0, writable=False),
        Setting(0xD1A9, "reviewtime", UINT16, 2, _REVIEW),
        Setting(SHUTTER_COUNTER, "shuttercounter", UINT32, 0, writable=False),
        Setting(SERIAL_NUMBER, "eosserialnumber", STRING, "", writable=False),
        Setting(LIVE_VIEW_OUTPUT, "output", UINT32, 0, _OUTPUTS),
        Setting(0xD1B1, "evfmode", UINT16, 1, {"0": 0, "1": 1}),
        Setting(MOVIE_TARGET, "movierecordtarget", UINT16, NO_MOVIE, {"None": NO_MOVIE, "Card": MOVIE_TO_CARD}),
        Setting(0xD1BA, "afmethod", UINT32, 1, {"Quick": 0, "Live": 1, "LiveFace": 2}),
        Setting(ARTIST, "artist", STRING, ""),
        Setting(COPYRIGHT, "copyright", STRING, ""),
        Setting(LENS_NAME, "lensname", STRING, "EF-S18-55mm f/3.5-5.6 IS", writable=False),
        Setting(AEB, "aeb", UINT16, 0, _BRACKETS),
    )
}


def settings_of(model: str) -> dict[int, Setting]:
    """All settings of a model by code. A mirrorless body has more frame sizes and drive modes, and a clock in UTC."""
    if not model.startswith(("Canon EOS R", "Canon EOS M")):
        return SETTINGS
    output = replace(SETTINGS[LIVE_VIEW_OUTPUT], choices=_OUTPUTS | _SMALLER_OUTPUTS)
    drive = replace(SETTINGS[DRIVE_MODE], choices=_MORE_DRIVES)
    return {
        **SETTINGS,
        LIVE_VIEW_OUTPUT: output,
        DRIVE_MODE: drive,
        UTC_TIME: Setting(UTC_TIME, "datetimeutc", UINT32, 0),
    }


def fixed_by_mode(mode: Value) -> frozenset[int]:
    """The settings that have no choices in this exposure mode, because the body chooses their values."""
    return {
        MANUAL: frozenset[int](),
        BULB: frozenset({SHUTTER_SPEED}),
        1: frozenset({APERTURE}),
        2: frozenset({SHUTTER_SPEED}),
    }.get(mode if isinstance(mode, int) else 0, frozenset({APERTURE, SHUTTER_SPEED}))  # fmt: skip


def as_fraction(label: Value) -> Fraction:
    """The number in a label such as ``1/125``, ``5.6`` or ``-0.3``; 0 for ``bulb`` and ``Auto``."""
    try:
        return Fraction(str(label))
    except ValueError:
        return Fraction(0)


def text(words: str) -> bytes:
    """Text as an EOS sends it: plain bytes and a NUL, padded to a multiple of 4 bytes."""
    data = datasets.plain_bytes(words) + b"\0"
    return data + b"\0" * (-len(data) % 4)


def pack(setting: Setting, value: Value) -> bytes:
    """``value`` as an EOS sends it, padded to a multiple of 4 bytes."""
    if setting.type == FILE_LIST:
        files = IMAGE_FORMATS[str(value)]
        return struct.pack("<I", len(files)) + b"".join(struct.pack("<4I", 0x10, *file) for file in files)
    if isinstance(value, str):
        return text(value)
    return datasets.integer(setting.type, value).ljust(4, b"\0")


def parse(setting: Setting, data: bytes) -> Value | None:
    """The value in ``data``; None if there are too few bytes or the image format does not exist."""
    if setting.type == FILE_LIST:
        return _image_format(data)
    if setting.type == STRING:
        return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return datasets.read_integer(setting.type, data)


def _image_format(data: bytes) -> str | None:
    numbers = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
    if not numbers or len(numbers) < 1 + 4 * numbers[0]:
        return None
    files = tuple(numbers[start : start + 3] for start in range(2, 1 + 4 * numbers[0], 4))
    return next((name for name, known in IMAGE_FORMATS.items() if known == files), None)
