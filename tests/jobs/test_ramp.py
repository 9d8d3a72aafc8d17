"""The exposure follows the light: whole nights, plateaus, steep tone curves, flashes and limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from random import Random

import pytest

from service.jobs.exposures import steps_of
from service.jobs.ramp import Ramp, RampState, brightness_ev, first_rung, follow, ladder_of

SPEEDS = [
    "1/4000", "1/3200", "1/2500", "1/2000", "1/1600", "1/1250", "1/1000", "1/800", "1/640", "1/500", "1/400", "1/320", "1/250",
    "1/200", "1/160", "1/125", "1/100", "1/80", "1/60", "1/50", "1/40", "1/30", "1/25", "1/20", "1/15", "1/13", "1/10", "1/8",
    "1/6", "1/5", "1/4", "0.3", "0.4", "0.5", "0.6", "0.8", "1", "1.3", "1.6", "2", "2.5", "3.2", "4", "5", "6", "8", "10",
]  # fmt: skip
FULL_STOPS = ["100", "200", "400", "800", "1600", "3200", "6400"]
LADDER = ladder_of(steps_of("shutterspeed", SPEEDS), steps_of("iso", FULL_STOPS), ["shutterspeed", "iso"])
INTERVAL_S = 20.0
DAY_EV, NIGHT_EV = 12.0, -5.0


def sun(hours: float) -> float:
    """The light in EV: day at first, sunset after 6 h, a night, sunrise after 18 h. Each takes about an hour and a half."""
    night = 1 / (1 + math.exp(-(hours - 6) * 5)) - 1 / (1 + math.exp(-(hours - 18) * 5))
    return DAY_EV + (NIGHT_EV - DAY_EV) * night


def run(
    light: Callable[[int], float],
    frames: int,
    *,
    tone: float = 1.0,
    ev_per_hour: float = 30.0,
    noise: float = 0.0,
    target: float | None = None,
) -> tuple[list[float], list[int]]:
    """Take pictures of a light; returns their brightness in EV, and the rungs of their exposures.

    Args:
        light: the light by the number of the picture.
        frames: the number of pictures.
        tone: how steep the tone curve of the camera is.
        ev_per_hour: the limit of the ramp.
        noise: of the measurement, in EV.
        target: the brightness to keep; None: that of the first picture.
    """
    random = Random(550)
    ramp = Ramp(LADDER, ev_per_hour)
    state = RampState(first_rung(LADDER, -light(0)), target)
    seen, rungs = [], []
    for number in range(frames):
        brightness = light(number) + LADDER[state.rung].ev
        seen.append(brightness)
        rungs.append(state.rung)
        state = follow(ramp, state, tone * brightness + random.gauss(0, noise), number * INTERVAL_S)
    return seen, rungs


def largest_jump(values: list[float]) -> float:
    """The largest difference of two neighbours."""
    return max(abs(after - before) for before, after in itertools.pairwise(values))


def turns(rungs: list[int], within: int) -> int:
    """How often the exposure changed to and fro within so many pictures."""
    changes = [
        (number, after - before) for number, (before, after) in enumerate(itertools.pairwise(rungs)) if after != before
    ]
    return sum(
        later - earlier <= within and step * other < 0
        for (earlier, step), (later, other) in itertools.pairwise(changes)
    )


def test_the_ladder_has_thirds_of_an_ev_also_with_full_stops_of_iso() -> None:
    gaps = [after.ev - before.ev for before, after in itertools.pairwise(LADDER)]
    assert all(gap == pytest.approx(1 / 3) for gap in gaps)
    assert (LADDER[0].shutterspeed, LADDER[0].iso) == ("1/4000", "100")
    assert (LADDER[-1].shutterspeed, LADDER[-1].iso) == ("10", "6400")
    # The shutter speed is used first.
    assert {rung.iso for rung in LADDER[: len(SPEEDS)]} == {"100"}


def test_iso_can_be_used_before_the_shutter_speed() -> None:
    ladder = ladder_of(steps_of("shutterspeed", ["1/60", "1/30"]), steps_of("iso", FULL_STOPS), ["iso", "shutterspeed"])
    assert [rung.shutterspeed for rung in ladder] == ["1/60"] * 7 + ["1/30"]


@pytest.mark.parametrize("tone", [0.8, 1.0, 1.5])
def test_a_day_with_sunset_and_sunrise(tone: float) -> None:
    frames = round(24 * 3600 / INTERVAL_S)
    seen, rungs = run(lambda number: sun(number * INTERVAL_S / 3600), frames, tone=tone, noise=0.03)
    assert largest_jump(seen) <= 0.4
    assert max(abs(one - seen[0]) for one in seen) <= 0.8  # while the light changes by 17 EV
    assert turns(rungs, within=15) == 0
    assert abs(rungs[-1] - rungs[0]) <= 1
    assert max(rungs) - min(rungs) >= 3 * 15


@pytest.mark.parametrize("tone", [1.0, 1.7])
@pytest.mark.parametrize("target", [number / 30 for number in range(-10, 11)])
def test_no_changes_to_and_fro_in_constant_light(tone: float, target: float) -> None:
    _, rungs = run(lambda number: -5.0, 200, tone=tone, noise=0.03, target=target)
    assert turns(rungs, within=200) == 0
    assert abs(tone * LADDER[rungs[-1]].ev - 5 * tone - target) < 0.4


def test_a_flash_changes_nothing() -> None:
    _, rungs = run(lambda number: 3.0 if number == 50 else 0.0, 100)
    assert set(rungs) == {rungs[0]}


def test_a_step_of_the_light_is_followed_within_the_limit() -> None:
    _, rungs = run(lambda number: 0.0 if number < 10 else -4.0, 600, ev_per_hour=6.0)
    hours = [
        number * INTERVAL_S / 3600 for number, (one, other) in enumerate(itertools.pairwise(rungs)) if one != other
    ]
    assert len(hours) >= 11
    assert all(later - earlier >= 1 / 3 / 6.0 - 1e-9 for earlier, later in itertools.pairwise(hours))


def test_the_bounds_are_kept_and_left_again() -> None:
    seen, rungs = run(lambda number: -10.0 if 100 < number < 900 else 0.0, 2000, ev_per_hour=600)
    assert max(rungs) == len(LADDER) - 1
    assert rungs[-1] == pytest.approx(rungs[0], abs=1)
    assert seen[0] == pytest.approx(seen[-1], abs=0.4)


def test_the_target_can_be_given() -> None:
    state = RampState(first_rung(LADDER, 0.0), -1.0)
    for number in range(20):
        state = follow(Ramp(LADDER, 1e6), state, LADDER[state.rung].ev, float(number))
    assert LADDER[state.rung].ev == pytest.approx(-1.0, abs=0.3)


def test_the_brightness_of_histograms() -> None:
    def grey(value: int) -> list[int]:
        return [100 if one == value else 0 for one in range(256)]

    assert brightness_ev(grey(117)) == pytest.approx(0.0, abs=0.02)
    assert brightness_ev(grey(255)) == pytest.approx(2.47, abs=0.01)
    assert brightness_ev(grey(160)) - brightness_ev(grey(117)) == pytest.approx(2.2 * math.log2(160 / 117))
    assert brightness_ev(grey(0)) < -10
