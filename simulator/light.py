"""The light of the scene, and how bright a picture is for it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from fractions import Fraction

_ROUNDED = 0.12
"""Cameras show rounded shutter speeds: 1/60 is 1/64 s. A value this close to a third of an EV is that third."""


class Light:
    """The light of the scene in EV at ISO 100, constant or along a curve. At first, pictures do not depend on it."""

    def __init__(self) -> None:
        """Start without a light."""
        self._curve: list[tuple[float, float]] = []
        self._since = 0.0

    def set(self, curve: Sequence[tuple[float, float]]) -> None:
        """Follow a curve of (seconds from now, EV), with straight lines between its points."""
        self._curve, self._since = sorted(curve), time.monotonic()

    def ev(self) -> float | None:
        """The light now; None if pictures do not depend on it."""
        if not self._curve:
            return None
        now = time.monotonic() - self._since
        before = [point for point in self._curve if point[0] <= now] or self._curve[:1]
        after = [point for point in self._curve if point[0] > now] or self._curve[-1:]
        (start, low), (end, high) = before[-1], after[0]
        return low if end <= start or now <= start else low + (high - low) * (now - start) / (end - start)


def brightness(light: float | None, shutter: Fraction, aperture: Fraction, iso: int) -> float:
    """How much brighter than usual a picture is, in EV. With light 0, it is usual at 1 s, f/1 and ISO 100."""
    if light is None:
        return 0.0
    exact = math.log2(shutter)
    third = round(exact * 3) / 3
    exposure = third if abs(exact - third) <= _ROUNDED else exact
    return light + exposure + math.log2(iso / 100) - 2 * math.log2(aperture or 1)
