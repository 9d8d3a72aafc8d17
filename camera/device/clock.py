"""Sets the clock of an open camera to the time of this machine. Runs in the camera process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from camera.device import time_zone
from camera.device.configuration import Configuration
from camera.errors import NotSupported
from camera.model import ClockSet, ConfigItem

# The clock in UTC comes first: the camera calculates its local time from it with its own time zone. A camera without it
# has only a local time, which libgphoto2 converts with the time zone of this machine. The settings syncdatetime and
# syncdatetimeutc are not used: the first writes UTC into the local time (libgphoto2 camlibs/ptp2/config.c,
# _put_Canon_SyncTime).
_NAMES = ("datetimeutc", "datetime")
_HALF_S = 0.5  # the clock shows a second from its start to its end


class Clock:
    """The clock of a camera, which counts whole seconds.

    Args:
        settings: the settings of the camera.
        pump: processes events for the given number of milliseconds.
    """

    def __init__(self, settings: Configuration, pump: Callable[[int], object]) -> None:
        self._settings = settings
        self._pump = pump
        # What the clock has shown, and when, in monotonic seconds. The driver of a Canon EOS keeps the value that the
        # camera has sent when it was opened, because the camera sends no event when its clock advances.
        self._known: tuple[int, float] | None = None

    def remember(self, at: float) -> None:
        """Note what the clock has shown at `at` (monotonic seconds), for a driver that does not read it again."""
        if found := self._find():
            self._known = found[2], at

    def set_to_this_machine(self) -> ClockSet:
        """Set the clock at the start of the next full second. Takes up to a second, and the camera's time to answer.

        Raises:
            NotSupported: the camera has no clock that can be set.
            ConfigReadonly, InvalidValue: the camera does not allow it now.
        """
        with time_zone.fixed_at(time.time()):
            found = self._find()
            if found is None:
                raise NotSupported("The camera has no clock that can be set.")
            item, widget, shown = found
            was_off_s = self._estimate(shown) - time.time()
            time.sleep(1 - time.time() % 1)
            now = round(time.time())
            self._settings.set(item, widget, None, now, self._pump)
            self._known = now, time.monotonic() + _HALF_S  # it was set at the start of this second
        return ClockSet(item.name, round(was_off_s), now)

    def _find(self) -> tuple[ConfigItem, Any, int] | None:
        """The setting, its widget, and its value in seconds since 1970."""
        for name in _NAMES:
            found = self._settings.find_alone(name)
            if found is not None and found[0].type == "date" and isinstance(found[0].value, int):
                return *found, found[0].value
        return None

    def _estimate(self, shown: int) -> float:
        """The camera's time now in seconds since 1970, from the value that its driver reports."""
        if self._known is None or shown != self._known[0]:
            return shown + _HALF_S
        return shown + _HALF_S + time.monotonic() - self._known[1]
