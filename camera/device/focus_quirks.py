"""How the makers' cameras focus, as data. The names and units are those of libgphoto2 camlibs/ptp2/config.c."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from camera.model import FocusSize

Order = tuple[str, str | int | float]


@dataclass(frozen=True, slots=True)
class FocusDrive:
    """How the focus is moved.

    Attributes:
        setting: the setting that moves it.
        moves: for each size of a step, the value for one step towards near and the value for one step towards far.
        reports_limit: whether the camera reports that the lens is at a limit.
    """

    setting: str
    moves: Mapping[FocusSize, tuple[str | float, str | float]]
    reports_limit: bool = False


@dataclass(frozen=True, slots=True)
class FocusPoint:
    """How the focus point is set.

    Attributes:
        setting: the setting.
        form: the form of its value, with {x} and {y}.
        size: the size of its coordinate system; None if this is the size of the largest still.
    """

    setting: str
    form: str
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class HalfPress:
    """The orders that press the shutter button halfway with autofocus, and that release it."""

    press: Order
    release: Order


@dataclass(frozen=True, slots=True)
class FocusQuirks:
    """How one family of cameras focuses. None: these cameras cannot do it by remote control.

    Attributes:
        drive: moves the focus.
        autofocus: starts the autofocus.
        cancel: ends the autofocus.
        result: how the camera reports whether it is in focus: by the success of `autofocus`, by events, or not at all.
        half_press: presses the shutter button halfway.
        point: sets the focus point.
        zoom: how live view is magnified: with "eoszoom" by factors, with "ratio" by a share of the sensor's resolution.
        needs_live_view: whether the focus can be moved only in live view.
    """

    drive: FocusDrive | None = None
    autofocus: Order | None = ("autofocusdrive", 1)
    cancel: Order | None = None
    result: Literal["success", "events"] | None = None
    half_press: HalfPress | None = None
    point: FocusPoint | None = None
    zoom: Literal["eoszoom", "ratio"] | None = None
    needs_live_view: bool = False


# The magnifications of live view on a Canon EOS. With another factor, nothing happens.
EOS_ZOOMS = (1, 5, 10)


def _named(sizes: Mapping[FocusSize, int]) -> dict[FocusSize, tuple[str | float, str | float]]:
    return {size: (f"Near {number}", f"Far {number}") for size, number in sizes.items()}


def _numbers(sizes: Mapping[FocusSize, float]) -> dict[FocusSize, tuple[str | float, str | float]]:
    return {size: (-number, number) for size, number in sizes.items()}


CANON_FOCUS = FocusQuirks(
    drive=FocusDrive("manualfocusdrive", _named({"small": 1, "medium": 2, "large": 3})),
    cancel=("cancelautofocus", 1),
    result="events",
    half_press=HalfPress(("eosremoterelease", "Press Half AF"), ("eosremoterelease", "Release Half")),
    point=FocusPoint("eoszoomposition", "{x},{y}"),
    zoom="eoszoom",
    needs_live_view=True,
)
# One step is 10, 100 or 500 units of the lens, as in digiCamControl. Smaller steps are too small for many lenses, and
# the driver waits only 1 s for the end of a movement. The autofocus succeeds only if the camera is in focus.
NIKON_FOCUS = FocusQuirks(
    drive=FocusDrive("manualfocusdrive", _numbers({"small": 10, "medium": 100, "large": 500}), reports_limit=True),
    result="success",
    point=FocusPoint("changeafarea", "{x}x{y}"),
    zoom="ratio",
    needs_live_view=True,
)
# The values 1 to 7 are speeds. The autofocus works as long as the button is half pressed. The camera does not report
# the result. It takes a focus point only if its focus area is set to one of the spots.
SONY_FOCUS = FocusQuirks(
    drive=FocusDrive("manualfocus", _numbers({"small": 1, "medium": 4, "large": 7})),
    autofocus=None,
    half_press=HalfPress(("autofocus", 1), ("autofocus", 0)),
    point=FocusPoint("spotfocusarea", "{x},{y}", (640, 480)),
)
# The driver moves the focus of a Fuji only to a position, whose unit is not known, so it is not moved. The autofocus
# reports a failure as an error.
FUJI_FOCUS = FocusQuirks(result="success")
PANASONIC_FOCUS = FocusQuirks(
    drive=FocusDrive("manualfocusdrive", _named({"small": 1, "medium": 2, "large": 2})), autofocus=None
)
OLYMPUS_FOCUS = FocusQuirks(
    drive=FocusDrive("manualfocusdrive", _named({"small": 1, "medium": 2, "large": 3})), autofocus=None
)
OTHER_FOCUS = FocusQuirks(autofocus=None)

# The size in pixels of the largest still of Canon EOS models, because the driver reports it nowhere. Searched in this
# order, ignoring case.
_CANON_STILLS: tuple[tuple[str, tuple[int, int]], ...] = (
    (r"5DS", (8688, 5792)),
    (r"5D Mark IV|EOS R$|EOS Ra", (6720, 4480)),
    (r"5D Mark III", (5760, 3840)),
    (r"5D Mark II|1Ds Mark III", (5616, 3744)),
    (r"6D Mark II|EOS RP", (6240, 4160)),
    (r"EOS 6D|EOS 70D|7D Mark II|1D ?X Mark II+|EOS R6$", (5472, 3648)),
    (r"EOS R5( |$)", (8192, 5464)),
    (r"EOS R7( |$)|EOS 90D|EOS M6 Mark II|EOS R6 Mark III", (6960, 4640)),
    (r"EOS R(?!ebel)|EOS (M3|M5|M6|M50|M100|M200)\b", (6000, 4000)),
    (r"EOS (80D|77D|750D|760D|800D|850D|200D|250D|2000D|1500D)\b|Rebel (T6i|T6s|T7i?|T8i|SL2|SL3)\b", (6000, 4000)),
    (r"EOS (7D|60D|550D|600D|650D|700D|100D|1200D|1300D|4000D|3000D|M|M2|M10)( |$)|1D X", (5184, 3456)),
    (r"Rebel (T2i|T3i|T4i|T5i?|T6|SL1|T100)\b", (5184, 3456)),
    (r"EOS (50D|500D)\b|Rebel T1i", (4752, 3168)),
    (r"EOS (450D|1000D|1100D)\b|Rebel (XSi|XS|T3)\b", (4272, 2848)),
)


def canon_still(model: str) -> tuple[int, int] | None:
    """The size in pixels of the largest still of a Canon EOS model; None if it is not known."""
    return next((size for names, size in _CANON_STILLS if re.search(names, model, re.IGNORECASE)), None)
