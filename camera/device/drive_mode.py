"""What delays an exposure after the release: the self-timer and the mirror lock-up. Runs in the camera process."""

from __future__ import annotations

import re

from camera.device.configuration import Configuration
from camera.device.quirks import Quirks
from camera.errors import CameraError, ConfigNotFound, NotSupported

# The longest self-timer of common cameras, for self-timers whose length is not known.
_LONGEST_TIMER_S = 20.0
# How long the camera shakes after it has raised its mirror, in seconds.
MIRROR_SETTLES_S = 1.0
_LENGTH = re.compile(r"(\d+)\s*s", re.IGNORECASE)


class DriveMode:
    """The drive mode of an open camera. It is read once, and again after a change or a failed read.

    Args:
        settings, quirks: the settings and the quirks of the camera.
    """

    def __init__(self, settings: Configuration, quirks: Quirks) -> None:
        self._settings = settings
        self._quirks = quirks
        self._names = {*quirks.drive_mode, quirks.self_timer_length, quirks.mirror_lock} - {None}
        self._known: tuple[float, bool] | None = None
        self._failed = False

    @property
    def delay_s(self) -> float:
        """The longest time from the release until the exposure starts, in seconds; usually 0."""
        return self._read()[0]

    @property
    def raises_mirror_first(self) -> bool:
        """Whether the first release only raises the mirror, and the second one takes the picture."""
        return self._read()[1]

    def changed(self, name: str) -> None:
        """Called after a change of a setting. `name` may be a PTP code that the driver does not know."""
        if name in self._names or not name.isalpha():
            self._known = None

    def _read(self) -> tuple[float, bool]:
        if self._known is None:
            self._failed = False
            modes = [mode.lower() for name in self._quirks.drive_mode if (mode := self._value(name))]
            mirror = any("mirror" in mode for mode in modes) or self._value(self._quirks.mirror_lock) not in ("", "0")
            timer = max((self._timer_s(mode) for mode in modes), default=0.0)
            mirror_s = self._quirks.mirror_up_s or MIRROR_SETTLES_S
            read = timer + (mirror_s if mirror else 0.0), mirror
            if self._failed:
                return read
            self._known = read
        return self._known

    def _timer_s(self, mode: str) -> float:
        found = _LENGTH.search(mode)
        if "timer" in mode and found is None:
            found = _LENGTH.search(self._value(self._quirks.self_timer_length))
            return float(found[1]) if found is not None else _LONGEST_TIMER_S
        return float(found[1]) if found is not None else 0.0

    def _value(self, name: str | None) -> str:
        """The value of a setting; empty if the camera has no such setting, or does not answer."""
        if name is None:
            return ""
        try:
            value = self._settings.get(name).value
        except (ConfigNotFound, NotSupported):
            return ""
        except CameraError:  # the release itself will show whether the camera answers
            self._failed = True
            return ""
        return "" if value is None else str(value)
