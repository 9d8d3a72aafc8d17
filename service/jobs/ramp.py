"""The exposure of a time-lapse that follows the light ("holy grail"). Functions without side effects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from service.jobs.exposures import ExposureSetting, Step

# Middle grey, as a part of the brightest value, before the gamma.
_GREY = 0.18
_GAMMA = 2.2
# The darkest brightness that is measured, as a part of the brightest value.
_BLACK = 1e-4
# The exposure changes by one rung, of about a third of an EV, when the brightness is off by this, in EV: more than half a
# rung. A change in the other direction needs more, because in a steep tone curve, a rung is up to 0.6 EV. Otherwise, the
# exposure would change to and fro in constant light.
_THRESHOLD_EV, _REVERSED_EV = 0.27, 0.45
# The light is the median of so many pictures. So a flash or a lamp in one picture changes nothing.
_REMEMBERED = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """An exposure: values of shutter speed and ISO, and both together in EV, relative to 1 s and ISO 100."""

    shutterspeed: str
    iso: str
    ev: float


@dataclass(frozen=True, slots=True)
class Ramp:
    """How the exposure may change.

    Attributes:
        ladder: the allowed exposures, from dark to bright, about a third of an EV apart.
        ev_per_hour: the limit for changes.
    """

    ladder: tuple[Rung, ...]
    ev_per_hour: float


@dataclass(frozen=True, slots=True)
class RampState:
    """Where a ramp is.

    Attributes:
        rung: the index of the exposure of the next picture in the ladder.
        target_ev: the brightness that is kept, in EV relative to middle grey; None: that of the first picture.
        lights: the light in the last pictures, in EV.
        changed_s: when the exposure last changed, in seconds of any clock; None if it has not changed.
        direction: of the last change: 1 for brighter, -1 for darker, 0 if there was none.
    """

    rung: int
    target_ev: float | None
    lights: tuple[float, ...] = ()
    changed_s: float | None = None
    direction: int = 0


def brightness_ev(histogram: Sequence[int]) -> float:
    """The mean brightness of a picture in EV relative to middle grey, from the histogram of its 256 grey values."""
    pixels = max(1, sum(histogram))
    mean = sum(count * (value / 255) ** _GAMMA for value, count in enumerate(histogram)) / pixels
    return math.log2(max(mean, _BLACK) / _GREY)


def ladder_of(shutters: Sequence[Step], isos: Sequence[Step], order: Sequence[ExposureSetting]) -> tuple[Rung, ...]:
    """The allowed exposures from dark to bright. The first setting of `order` is used before the second one.

    In most cameras, ISO has steps of 1 EV. Then shutter speed and ISO change together.
    """
    if order[0] == "shutterspeed":
        pairs = [(shutter, iso) for iso in isos for shutter in shutters]
    else:
        pairs = [(shutter, iso) for shutter in shutters for iso in isos]
    rungs: dict[int, Rung] = {}
    for shutter, iso in pairs:
        ev = shutter.ev + iso.ev
        rungs.setdefault(round(ev * 3), Rung(shutter.value, iso.value, ev))
    return tuple(rungs[third] for third in sorted(rungs))


def first_rung(ladder: Sequence[Rung], ev: float) -> int:
    """The index of the exposure that is nearest to `ev`."""
    return min(range(len(ladder)), key=lambda index: abs(ladder[index].ev - ev))


def follow(ramp: Ramp, state: RampState, brightness: float, now_s: float) -> RampState:
    """The state for the next picture.

    Args:
        ramp: how the exposure may change.
        state: the state for the last picture.
        brightness: the measured brightness of the last picture, from `brightness_ev`.
        now_s: the time, in seconds of the clock of `RampState.changed_s`.
    """
    current = ramp.ladder[state.rung].ev
    lights = (*state.lights, brightness - current)[-_REMEMBERED:]
    target = brightness if state.target_ev is None else state.target_ev
    following = replace(state, target_ev=target, lights=lights)
    error = median(lights) + current - target
    direction = 1 if error < 0 else -1
    other = state.rung + direction
    if not 0 <= other < len(ramp.ladder):
        return following
    step = abs(ramp.ladder[other].ev - current)
    threshold = _REVERSED_EV if direction == -state.direction else _THRESHOLD_EV
    if abs(error) < threshold * max(1.0, step * 3):  # some cameras have larger steps
        return following
    if state.changed_s is not None and now_s - state.changed_s < step / ramp.ev_per_hour * 3600:
        return following
    return RampState(other, target, lights, now_s, direction)
