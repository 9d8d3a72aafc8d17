"""Values of shutter speed and ISO in EV."""

from __future__ import annotations

import pytest

from service.jobs.exposures import aeb_ev, ev_of, nearest, steps_of


def test_rounded_values_are_thirds_of_an_ev() -> None:
    speeds = ["1/60", "1/50", "1/40", "1/30", "1/15", "1/10", "0.3", "0.4", "0.5", "1", "1.3", "2.5s", "30"]
    evs = [-6, -17 / 3, -16 / 3, -5, -4, -10 / 3, -5 / 3, -4 / 3, -1, 0, 1 / 3, 4 / 3, 5]
    assert [ev_of("shutterspeed", speed) for speed in speeds] == pytest.approx(evs)
    assert [ev_of("iso", iso) for iso in ("100", "125", "3200")] == pytest.approx([0, 1 / 3, 5])


def test_half_steps_stay_what_they_are() -> None:
    assert ev_of("shutterspeed", "1/45") == pytest.approx(-5.49, abs=0.01)


@pytest.mark.parametrize("value", ["bulb", "Auto", "", "0"])
def test_other_values_have_no_exposure(value: str) -> None:
    assert ev_of("shutterspeed", value) is None
    assert ev_of("iso", value) is None


def test_steps_are_sorted_and_the_nearest_one_is_found() -> None:
    steps = steps_of("shutterspeed", ["bulb", "1", "1/2", "1/4", "0.5"])
    assert [step.value for step in steps] == ["1/4", "1/2", "1"]
    assert nearest(steps, -1.3) == steps[1]
    assert nearest(steps, 1.0) is None


def test_the_distances_of_a_cameras_own_bracketing() -> None:
    choices = ["off", "+/- 1/3", "+/- 1", "+/- 1 2/3", "+/- 3"]
    distances = [aeb_ev(choice) for choice in choices]
    assert distances[0] is None
    assert distances[1:] == pytest.approx([1 / 3, 1, 5 / 3, 3])
