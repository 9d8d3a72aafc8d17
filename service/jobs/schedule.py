"""When the slots of a job are due: slot n at start + n * interval, whatever happens to the clock or the server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from store.boot import this_boot, uptime_s

# A smaller difference between two readings of the clocks is not a change of the system clock.
_STEP_S = 0.5
# Sums of times are not exact.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time of slot 0, in two clocks.

    Attributes:
        at: in seconds since 1970.
        boot, uptime_s: in seconds since a boot of the operating system.
    """

    at: float
    boot: str
    uptime_s: float


class Schedule:
    """The slots of one job.

    The slots are counted by the time since the boot, which nobody can set. So a changed system clock neither repeats nor
    delays slots. Until slot 0, the system clock counts, because a job can be ordered for a time of day. After a new boot,
    the system clock is all that there is; if it is set forward then, the slots follow it once.

    Args:
        anchor: the time of slot 0.
        interval_s: the time between two slots, in seconds.
        boot: identifies this boot.
        uptime: returns the seconds since the boot.
    """

    def __init__(
        self,
        anchor: Anchor,
        interval_s: float,
        boot: str | None = None,
        uptime: Callable[[], float] = uptime_s,
    ) -> None:
        self.interval_s = interval_s
        self._uptime = uptime
        self._boot = this_boot() if boot is None else boot
        self._offset = time.time() - uptime()
        self._at = anchor.at
        self._start = anchor.uptime_s if anchor.boot == self._boot else anchor.at - self._offset
        # After a new boot, the clock of a machine without a battery for it is behind until it is set.
        self._may_be_behind = anchor.boot != self._boot

    @property
    def anchor(self) -> Anchor:
        """The time of slot 0, for the next server."""
        return Anchor(self._at, self._boot, self._start)

    def follow_clock(self) -> bool:
        """Notice whether the system clock was set. Returns whether the anchor has changed."""
        offset = time.time() - self._uptime()
        if self.in_s(0) > 0:
            start, self._start = self._start, self._at - offset
            self._offset = offset
            stepped = abs(self._start - start) >= _STEP_S
            self._may_be_behind = self._may_be_behind and not stepped
            return stepped
        step = offset - self._offset
        if abs(step) < _STEP_S:
            return False
        self._offset = offset
        if self._may_be_behind and step > 0:
            self._may_be_behind = False
            self._start = self._at - offset
        else:
            self._at += step
        return True

    def in_s(self, slot: int) -> float:
        """Seconds from now until a slot is due; negative if it was due before."""
        return self._start + slot * self.interval_s - self._uptime()

    def due_at(self, slot: int) -> float:
        """When a slot is due, in seconds since 1970."""
        return self._at + slot * self.interval_s

    def first_after(self, seconds: float) -> int:
        """The first slot that is due in `seconds` from now or later."""
        passed = (self._uptime() + seconds - self._start) / self.interval_s
        return max(0, math.ceil(passed - _ROUNDING))
