"""The settings of a Nikon D7100: codes, types, choices and factory values.

Sources of the codes and values: ptp.h and config.c of libgphoto2, and the file in libgphoto2 that lists the properties
of a real D7100 (cameras/nikon-d7100.txt). The labels are those of libgphoto2. Over PTP/IP, libgphoto2 does not use the
table of the model: for all models, it uses the first of its Nikon tables that has the property.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..card import Layout
from ..datasets import INT8, INT16, STRING, UINT8, UINT16, UINT32
from ..lens import Optics
from ..settings import Setting, Value

LAYOUT = Layout(0x00010001, "D7100", "DSC_", "DSC_")

OPTICS = Optics(far=4000, subject=2500, picture=(6000, 4000))
"""The size of the coordinate system is that of the largest still."""

SMALLEST_MOVE = 5
"""The lens cannot make a smaller movement. The number is invented."""

MOVE_PER_SECOND = 10000
"""How fast the lens moves. The number is invented."""

BATTERY, IMAGE_SIZE, IMAGE_QUALITY, WHITE_BALANCE, F_NUMBER = 0x5001, 0x5003, 0x5004, 0x5005, 0x5007
FOCUS_MODE, EXPOSURE_TIME, EXPOSURE_PROGRAM, ISO = 0x500A, 0x500D, 0x500E, 0x500F
EXPOSURE_COMPENSATION, DATE_TIME, BURST_NUMBER = 0x5010, 0x5011, 0x5018
NOISE_REDUCTION, ARTIST, COPYRIGHT, SHUTTER_SPEED = 0xD06B, 0xD072, 0xD073, 0xD100
RELEASE_MODE, SELF_TIMER_DELAY = 0x5013, 0xD063
RECORDING_MEDIA, AUTOFOCUS_MODE = 0xD10B, 0xD161
LIVE_VIEW_STATUS, LIVE_VIEW_ZOOM, LIVE_VIEW_PROHIBITED, SHOTS_LEFT = 0xD1A2, 0xD1A3, 0xD1A4, 0xD1F1

MOVIE_PROHIBITED, APPLICATION_MODE = 0xD0A4, 0xD1F0

NO_APPLICATION_MODE, RECORDING, CARD_PROTECTED, NOT_WRITTEN, CARD_FULL = 1 << 14, 1 << 10, 1 << 11, 1 << 9, 1 << 3
"""Bits of MOVIE_PROHIBITED: the reasons why no movie can start."""

ENLARGED = 1 << 12

TO_CARD, TO_RAM = 0, 1
SELF_TIMER, MIRROR_UP = 0x8011, 0x8012
"""Values of RELEASE_MODE."""

SELF_TIMER_SECONDS = (2.0, 5.0, 10.0, 20.0)
"""The length of the self-timer for each value of SELF_TIMER_DELAY."""
"""Values of RECORDING_MEDIA."""

BATTERY_EXHAUSTED, IMAGE_IN_RAM, SHOOTING = 1 << 8, 1 << 12, 1 << 15
"""Bits of LIVE_VIEW_PROHIBITED: the reasons why live view cannot start."""

MANUAL_FOCUS = 1
MANUAL, PROGRAM, APERTURE_PRIORITY, SHUTTER_PRIORITY = 1, 2, 3, 4

LENS = "AF-S Nikkor 18-55mm 1:3.5-F5.6G DX VR"

FOCUS_MODES = {0: 0x8010, 1: 0x8011, 2: 0x8012, 3: MANUAL_FOCUS, 4: MANUAL_FOCUS}
"""The focus mode (0x500A) of each autofocus mode (0xD161)."""

_QUALITIES: dict[str, Value] = {
    "JPEG Basic": 0, "JPEG Normal": 1, "JPEG Fine": 2, "NEF (Raw)": 4, "NEF+Basic": 5, "NEF+Normal": 6, "NEF+Fine": 7,
}  # fmt: skip
_BALANCES: dict[str, Value] = {
    "Automatic": 2, "Daylight": 4, "Fluorescent": 5, "Tungsten": 6, "Flash": 7, "Cloudy": 0x8010, "Shade": 0x8011,
    "Color Temperature": 0x8012, "Preset": 0x8013,
}  # fmt: skip
_F_NUMBERS: dict[str, Value] = {
    f"f/{value / 100:g}": value
    for value in (480, 500, 560, 630, 710, 800, 900, 1000, 1100, 1300, 1400, 1600, 1800, 2000, 2200, 2500, 2900, 3200)
}
_FOCUS: dict[str, Value] = {"Manual": MANUAL_FOCUS, "AF-S": 0x8010, "AF-C": 0x8011, "AF-A": 0x8012}
_AUTOFOCUS: dict[str, Value] = {"AF-S": 0, "AF-C": 1, "AF-A": 2, "MF (fixed)": 3, "MF (selection)": 4}
_METERING: dict[str, Value] = {"Center Weighted": 2, "Multi Spot": 3, "Center Spot": 4}
_FLASH: dict[str, Value] = {
    "Red-eye automatic": 4, "Auto": 0x8010, "Auto Slow Sync": 0x8011, "Rear Curtain Sync + Slow Sync": 0x8012,
    "Red-eye Reduction + Slow Sync": 0x8013,
}  # fmt: skip
_PROGRAMS: dict[str, Value] = {
    "M": MANUAL, "P": PROGRAM, "A": APERTURE_PRIORITY, "S": SHUTTER_PRIORITY, "Auto": 0x8010, "No Flash": 0x8016,
}  # fmt: skip
_ISO: dict[str, Value] = {
    str(value): value
    for value in (100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400)
}  # fmt: skip
_COMPENSATIONS: dict[str, Value] = {
    f"{value / 1000:g}": value for value in (int(step * 1000 / 3) for step in range(-15, 16))
}
_RELEASES: dict[str, Value] = {
    "Single Shot": 1, "Burst": 2, "Continuous Low Speed": 0x8010, "Timer": SELF_TIMER, "Mirror Up": MIRROR_UP,
    "Quiet Release": 0x8016,
}  # fmt: skip
BURST_SPEEDS = {2: 1.0, 0x8010: 0.5}
"""The release modes in which one release takes as many pictures as BURST_NUMBER, and their speeds."""

# Only models on USB have another table in libgphoto2; there, 2 is 25%.
ZOOM_RATIOS: dict[str, Value] = {
    "Entire Display": 0, "25%": 1, "33%": 2, "50%": 3, "66%": 4, "100%": 5, "Unknown value 0006": 6, "Unknown value 0007": 7,
}  # fmt: skip
_SWITCH: dict[str, Value] = {"Off": 0, "On": 1}
_TIMERS: dict[str, Value] = {f"{length:g} seconds": value for value, length in enumerate(SELF_TIMER_SECONDS)}
_SPEEDS = (
    *((1, under) for under in (8000, 6400, 5000, 4000, 3200, 2500, 2000, 1600, 1250, 1000, 800, 640, 500, 400, 320)),
    *((1, under) for under in (250, 200, 160, 125, 100, 80, 60, 50, 40, 30, 25, 20, 15, 13, 10, 8, 6, 5, 4, 3)),
    *((10, 25), (1, 2), (10, 16), (10, 13), (1, 1), (13, 10), (16, 10), (2, 1), (25, 10)),
    *((seconds, 1) for seconds in (3, 4, 5, 6, 8, 10, 13, 15, 20, 25, 30)),
)
BULB = 0xFFFFFFFF
"""The value of EXPOSURE_TIME and of SHUTTER_SPEED for bulb: the shutter stays open until the host closes it."""

_SHUTTER_SPEEDS: dict[str, Value] = {
    **{(f"{over}/{under}" if under > 1 else str(over)): over << 16 | under for over, under in _SPEEDS},
    "Bulb": BULB,
}


def exposure_time(speed: int) -> int:
    """The exposure time (0x500D, in units of 0.1 ms) of a shutter speed (0xD100; see `as_fraction`)."""
    return BULB if speed == BULB else int(10000 * as_fraction(speed))


def as_fraction(speed: int) -> Fraction:
    """A shutter speed in seconds; 1 for bulb. The upper 16 bits are the numerator, the lower 16 the denominator."""
    return Fraction(speed >> 16, speed & 0xFFFF)


EXPOSURE_TIMES: dict[int, int] = {
    exposure_time(over << 16 | under): over << 16 | under for over, under in reversed(_SPEEDS)
} | {BULB: BULB}
"""The shutter speed that each exposure time sets: the shortest speed with this exposure time."""

_TIMES: dict[str, Value] = {
    ("Bulb" if value == BULB else f"{value / 10000:.4f}s"): value for value in sorted(EXPOSURE_TIMES)
}


def settings_of(sizes: Sequence[str]) -> dict[int, Setting]:
    """All settings by code. ``sizes``: the sizes of a still in pixels, as ``WIDTHxHEIGHT``, largest first."""
    battery: dict[str, Value] = {f"{level}%": level for level in (100, 75, 50, 25, 0)}
    found = (
        Setting(BATTERY, "batterylevel", UINT8, 100, battery, False, (0, 100, 1)),
        Setting(IMAGE_SIZE, "imagesize", STRING, sizes[0], {size: size for size in sizes}),
        Setting(IMAGE_QUALITY, "imagequality", UINT8, 2, _QUALITIES),
        Setting(WHITE_BALANCE, "whitebalance", UINT16, 2, _BALANCES),
        Setting(F_NUMBER, "f-number", UINT16, 560, _F_NUMBERS),
        Setting(0x5008, "focallength", UINT32, 3500, writable=False, bounds=(1800, 5500, 1)),
        Setting(FOCUS_MODE, "focusmode", UINT16, MANUAL_FOCUS, _FOCUS, False),
        Setting(0x500B, "exposuremetermode", UINT16, 3, _METERING),
        Setting(0x500C, "flashmode", UINT16, 0x8010, _FLASH),
        Setting(EXPOSURE_TIME, "shutterspeed", UINT32, 80, _TIMES),
        Setting(EXPOSURE_PROGRAM, "expprogram", UINT16, MANUAL, _PROGRAMS),
        Setting(ISO, "iso", UINT16, 100, _ISO),
        Setting(EXPOSURE_COMPENSATION, "exposurecompensation", INT16, 0, _COMPENSATIONS),
        Setting(DATE_TIME, "datetime", STRING, ""),
        Setting(RELEASE_MODE, "capturemode", UINT16, 1, _RELEASES, False),
        Setting(BURST_NUMBER, "burstnumber", UINT16, 1, bounds=(1, 100, 1)),
        Setting(0xD032, "colorspace", UINT8, 0, {"sRGB": 0, "AdobeRGB": 1}, bounds=(0, 1, 1)),
        Setting(0xD054, "autoiso", UINT8, 0, _SWITCH, bounds=(0, 1, 1)),
        Setting(SELF_TIMER_DELAY, "selftimerdelay", UINT8, 2, _TIMERS, bounds=(0, 3, 1)),
        Setting(NOISE_REDUCTION, "longexpnr", UINT8, 0, _SWITCH, bounds=(0, 1, 1)),
        Setting(ARTIST, "artist", STRING, ""),
        Setting(COPYRIGHT, "copyright", STRING, ""),
        Setting(0xD090, "imagecomment", STRING, ""),
        Setting(0xD091, "imagecommentenable", UINT8, 0, _SWITCH, bounds=(0, 1, 1)),
        Setting(MOVIE_PROHIBITED, "movieprohibit", UINT32, 0, writable=False),
        Setting(0xD0E0, "lensname", UINT8, 154, {LENS: 154}, False),
        Setting(0xD0E3, "minfocallength", UINT32, 1800, writable=False),
        Setting(0xD0E4, "maxfocallength", UINT32, 5500, writable=False),
        Setting(0xD0E5, "apertureatminfocallength", UINT16, 350, writable=False),
        Setting(0xD0E6, "apertureatmaxfocallength", UINT16, 560, writable=False),
        Setting(SHUTTER_SPEED, "shutterspeed2", UINT32, 1 << 16 | 125, _SHUTTER_SPEEDS),
        Setting(0xD101, "acpower", UINT8, 0, _SWITCH, False, (0, 1, 1)),
        Setting(0xD109, "flexibleprogram", INT8, 0, bounds=(-30, 30, 2)),
        Setting(RECORDING_MEDIA, "recordingmedia", UINT8, TO_CARD, {"Card": TO_CARD, "SDRAM": TO_RAM}, bounds=(0, 1, 1)),
        Setting(0xD10E, "orientation", UINT8, 0, {"0'": 0, "270'": 1, "90'": 2, "180'": 3}, False, (0, 3, 1)),
        Setting(0xD126, "flashexposurecompensation", INT8, 0, bounds=(-18, 6, 2)),
        Setting(AUTOFOCUS_MODE, "focusmode2", UINT8, 3, _AUTOFOCUS, bounds=(0, 4, 1)),
        Setting(LIVE_VIEW_STATUS, "liveviewstatus", UINT8, 0, _SWITCH, False, (0, 1, 1)),
        Setting(LIVE_VIEW_ZOOM, "liveviewimagezoomratio", UINT8, 0, ZOOM_RATIOS, bounds=(0, 7, 1)),
        Setting(LIVE_VIEW_PROHIBITED, "liveviewprohibit", UINT32, 0, writable=False),
        Setting(0xD1B1, "lightmeter", INT8, 0, writable=False, bounds=(-60, 60, 1)),
        Setting(APPLICATION_MODE, "applicationmode", UINT8, 0, bounds=(0, 1, 1)),
        Setting(SHOTS_LEFT, "availableshots", UINT16, 0, writable=False, bounds=(0, 65535, 1)),
    )  # fmt: skip
    return {setting.code: setting for setting in found}
