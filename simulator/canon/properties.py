"""The settings of a Canon EOS 550D: codes, wire types, choices and factory values.

Codes and values: libgphoto2's ptp.h and config.c, and its record of a real 550D (cameras/canon-eos550d.txt).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from ..datasets import plain_bytes

ImageFormat = tuple[tuple[int, int, int], ...]
"""For each file of a shot: type (1 JPEG, 6 raw), size (0 L, 1 M, 2 S), compression (2 normal, 3 fine)."""

Value = int | str | ImageFormat


class Kind(Enum):
    """How a value lies in its 32-bit slot on the wire."""

    U8 = "<B"
    U16 = "<H"
    U32 = "<I"
    I32 = "<i"
    TEXT = "text"
    FORMAT = "format"


APERTURE, SHUTTER_SPEED, ISO, EXPOSURE_COMPENSATION = 0xD101, 0xD102, 0xD103, 0xD104
EXPOSURE_MODE, DRIVE_MODE, METERING_MODE, FOCUS_MODE = 0xD105, 0xD106, 0xD107, 0xD108
WHITE_BALANCE, BATTERY, CAMERA_TIME = 0xD109, 0xD111, 0xD113
OWNER, ARTIST, COPYRIGHT, SERIAL_NUMBER, LENS_NAME = 0xD115, 0xD1D0, 0xD1D1, 0xD1AF, 0xD1D8
AVAILABLE_SHOTS, CAPTURE_DESTINATION, CURRENT_FOLDER = 0xD11B, 0xD11C, 0xD11F
IMAGE_FORMAT, SHUTTER_COUNTER, LIVE_VIEW_OUTPUT, FOCUS_INFO = 0xD120, 0xD1AC, 0xD1B0, 0xD1D3

TO_CARD, TO_HOST = 2, 4
"""Values of the capture destination."""

OUTPUT_PC = 2
"""The bit of the live-view output that sends frames to the host."""

MANUAL_FOCUS = 3

BATTERY_VALUES = {100: 2, 75: 4, 50: 1, 25: 5, 0: 0}
"""Per cent to the value of the battery property."""


@dataclass(frozen=True)
class Setting:
    """One property. ``choices``: label to value; empty where any value goes. Labels are libgphoto2's."""

    code: int
    name: str
    kind: Kind
    default: Value
    choices: Mapping[str, Value] = field(default_factory=dict)
    writable: bool = True

    def pack(self, value: Value) -> bytes:
        """``value`` as it goes over the wire, filled up to 4 bytes."""
        if self.kind is Kind.TEXT:
            data = plain_bytes(str(value)) + b"\0"
            return data + b"\0" * (-len(data) % 4)
        if isinstance(value, tuple):
            return struct.pack("<I", len(value)) + b"".join(struct.pack("<4I", 0x10, *file) for file in value)
        return struct.pack(self.kind.value, value).ljust(4, b"\0")

    def parse(self, data: bytes) -> Value | None:
        """The value in ``data``; None when the bytes make no sense."""
        if self.kind is Kind.TEXT:
            return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        if self.kind is Kind.FORMAT:
            numbers = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
            if not numbers or len(numbers) < 1 + 4 * numbers[0]:
                return None
            files = (numbers[start : start + 4] for start in range(1, 1 + 4 * numbers[0], 4))
            return tuple((kind, size, compression) for _, kind, size, compression in files)
        if len(data) < struct.calcsize(self.kind.value):
            return None
        return int(struct.unpack_from(self.kind.value, data)[0])

    def label(self, value: Value) -> Value:
        """The label of ``value``; the value itself where it has none."""
        return next((label for label, choice in self.choices.items() if choice == value), value)


_APERTURES = {
    "3.5": 0x24, "4": 0x28, "4.5": 0x2C, "5.6": 0x30, "6.7": 0x34, "8": 0x38, "9.5": 0x3C, "11": 0x40,
    "13": 0x44, "16": 0x48, "19": 0x4C, "22": 0x50,
}  # fmt: skip
_SHUTTER_SPEEDS = {
    "bulb": 0x0C, "30": 0x10, "25": 0x13, "20": 0x15, "15": 0x18, "13": 0x1B, "10": 0x1C, "8": 0x20,
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
IMAGE_FORMATS: dict[str, ImageFormat] = {
    "L": ((1, 0, 3),), "cL": ((1, 0, 2),), "M": ((1, 1, 3),), "cM": ((1, 1, 2),), "S": ((1, 2, 3),),
    "cS": ((1, 2, 2),), "RAW + L": ((6, 0, 4), (1, 0, 3)), "RAW": ((6, 0, 4),),
}  # fmt: skip
_SHIFT = {str(step): step for step in range(-9, 10)}
_MODES = {"P": 0, "TV": 1, "AV": 2, "Manual": 3, "A_DEP": 5, "Green": 9}
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
_DRIVE = {"Single": 0, "Continuous": 1, "Timer 10 sec": 0x10, "Timer 2 sec": 0x11}
_FOCUS = {"One Shot": 0, "AI Focus": 2, "AI Servo": 1, "Manual": MANUAL_FOCUS}
_METERING = {"Evaluative": 3, "Partial": 4, "Spot": 1, "Center-weighted average": 5}

SETTINGS: dict[int, Setting] = {
    setting.code: setting
    for setting in (
        Setting(APERTURE, "aperture", Kind.U16, 0x30, _APERTURES),
        Setting(SHUTTER_SPEED, "shutterspeed", Kind.U16, 0x70, _SHUTTER_SPEEDS),
        Setting(ISO, "iso", Kind.U16, 0x48, _ISO),
        Setting(EXPOSURE_COMPENSATION, "exposurecompensation", Kind.U8, 0, _COMPENSATIONS),
        Setting(EXPOSURE_MODE, "autoexposuremode", Kind.U16, 3, _MODES),
        Setting(DRIVE_MODE, "drivemode", Kind.U16, 0, _DRIVE),
        Setting(METERING_MODE, "meteringmode", Kind.U8, 3, _METERING),
        Setting(FOCUS_MODE, "focusmode", Kind.U32, MANUAL_FOCUS, _FOCUS),
        Setting(WHITE_BALANCE, "whitebalance", Kind.U8, 0, _BALANCES),
        Setting(0xD10B, "whitebalanceadjusta", Kind.I32, 0, _SHIFT),
        Setting(0xD10C, "whitebalanceadjustb", Kind.I32, 0, _SHIFT),
        Setting(0xD10D, "whitebalancexa", Kind.U32, 0, writable=False),
        Setting(0xD10E, "whitebalancexb", Kind.U32, 0, writable=False),
        Setting(0xD10F, "colorspace", Kind.U16, 1, {"sRGB": 1, "AdobeRGB": 2}),
        Setting(0xD110, "picturestyle", Kind.U8, 0x81, _STYLES),
        Setting(
            BATTERY,
            "batterylevel",
            Kind.U16,
            2,
            {f"{k}%": v for k, v in BATTERY_VALUES.items()},
            writable=False,
        ),
        Setting(CAMERA_TIME, "datetime", Kind.U32, 0),
        Setting(0xD114, "autopoweroff", Kind.I32, 60, _POWER_OFF),
        Setting(OWNER, "ownername", Kind.TEXT, ""),
        Setting(0xD116, "model", Kind.U32, 0x80000270, writable=False),
        Setting(0xD119, "ptpversion", Kind.U16, 0x0100, writable=False),
        Setting(AVAILABLE_SHOTS, "availableshots", Kind.U32, 0, writable=False),
        Setting(CAPTURE_DESTINATION, "capturedestination", Kind.U32, TO_CARD, {"card": TO_CARD, "host": TO_HOST}),
        Setting(0xD11D, "bracketmode", Kind.U16, 0xFFFF, writable=False),
        Setting(0xD11E, "storageid", Kind.U32, 0x00020001, writable=False),
        Setting(CURRENT_FOLDER, "currentfolder", Kind.U32, 0, writable=False),
        Setting(IMAGE_FORMAT, "imageformat", Kind.FORMAT, IMAGE_FORMATS["L"], IMAGE_FORMATS),
        Setting(0xD1A9, "reviewtime", Kind.U16, 2, _REVIEW),
        Setting(SHUTTER_COUNTER, "shuttercounter", Kind.U32, 0, writable=False),
        Setting(SERIAL_NUMBER, "eosserialnumber", Kind.TEXT, "", writable=False),
        Setting(LIVE_VIEW_OUTPUT, "output", Kind.U32, 0, {"Off": 0, "TFT": 1, "PC": 2, "TFT + PC": 3}),
        Setting(0xD1B1, "evfmode", Kind.U16, 1, {"0": 0, "1": 1}),
        Setting(0xD1BA, "afmethod", Kind.U32, 1, {"Quick": 0, "Live": 1, "LiveFace": 2}),
        Setting(ARTIST, "artist", Kind.TEXT, ""),
        Setting(COPYRIGHT, "copyright", Kind.TEXT, ""),
        Setting(LENS_NAME, "lensname", Kind.TEXT, "EF-S18-55mm f/3.5-5.6 IS", writable=False),
        Setting(0xD1D9, "aeb", Kind.U16, 0, _BRACKETS),
    )
}


def fixed_by_mode(mode: Value) -> frozenset[int]:
    """The settings that the body chooses itself in an exposure mode, so that they offer no choice."""
    return {
        3: frozenset[int](),
        1: frozenset({APERTURE}),
        2: frozenset({SHUTTER_SPEED}),
    }.get(mode if isinstance(mode, int) else 0, frozenset({APERTURE, SHUTTER_SPEED}))  # fmt: skip


def as_fraction(label: Value) -> Fraction:
    """The number in a label such as ``1/125``, ``5.6`` or ``-0.3``; 0 for ``bulb`` and ``Auto``."""
    try:
        return Fraction(str(label))
    except ValueError:
        return Fraction(0)
