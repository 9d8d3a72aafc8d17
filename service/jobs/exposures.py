"""Steps of exposure: which values of shutter speed and ISO a camera has, in EV. Functions without side effects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from camera.exposure import seconds_if_known

ExposureSetting = Literal["shutterspeed", "iso"]

# Cameras show rounded numbers: 1/60 stands for 1/64 s. A value this close to a third of an EV is that third.
_ROUNDED_EV = 0.12
# A value of a bracket may differ by this from what was ordered, in EV.
TOLERANCE_EV = 0.4
_ISO = re.compile(r"\d+")
_AEB = re.compile(r"\+/-\s*(?:(\d+(?:\.\d+)?)(?!/))?\s*(?:(\d)/(\d))?")


@dataclass(frozen=True, slots=True)
class Step:
    """A value of a setting, and its exposure in EV relative to 1 s, or to ISO 100."""

    value: str
    ev: float


def ev_of(setting: ExposureSetting, value: str) -> float | None:
    """The exposure of a value in EV relative to 1 s, or to ISO 100; None for values such as bulb or Auto."""
    if setting == "iso":
        number = float(value) / 100 if _ISO.fullmatch(value.strip()) else None
    else:
        number = seconds_if_known(value)
    if not number:
        return None
    exact = math.log2(number)
    third = round(exact * 3) / 3
    return third if abs(exact - third) <= _ROUNDED_EV else exact


def steps_of(setting: ExposureSetting, values: Iterable[str]) -> tuple[Step, ...]:
    """The values with a known exposure, from dark to bright. Of values with the same exposure, only the first."""
    steps: dict[float, Step] = {}
    for value in values:
        if (ev := ev_of(setting, value)) is not None:
            steps.setdefault(round(ev, 3), Step(value, ev))
    return tuple(steps[ev] for ev in sorted(steps))


def nearest(steps: Sequence[Step], ev: float) -> Step | None:
    """The step that is nearest to an exposure; None if none is within `TOLERANCE_EV`."""
    best = min(steps, key=lambda step: abs(step.ev - ev), default=None)
    return None if best is None or abs(best.ev - ev) > TOLERANCE_EV else best


def aeb_ev(choice: str) -> float | None:
    """The distance of the pictures of a camera's own bracketing in EV, for a value such as "+/- 1 1/3"."""
    match = _AEB.fullmatch(choice.strip())
    if match is None or not any(match.groups()):
        return None
    whole, numerator, denominator = match.groups()
    return float(whole or 0) + (int(numerator) / int(denominator) if numerator else 0.0)
