"""Shutter speeds in the notations of several makers."""

from __future__ import annotations

import pytest

from camera.exposure import LONGEST_S, seconds


@pytest.mark.parametrize(
    ("speed", "exposure"),
    [("1/60", 1 / 60), ("30", 30), ("0.3", 0.3), ("0.0020s", 0.002), ("2.5 s", 2.5), ("1/0", 1),
     ("bulb", LONGEST_S), ("Auto", LONGEST_S), ("", LONGEST_S), ("None", LONGEST_S)],
)  # fmt: skip
def test_a_shutter_speed_is_converted_to_seconds(speed: str, exposure: float) -> None:
    assert seconds(speed) == pytest.approx(exposure)
