"""A shutter button that this process holds: pressed and released by settings of the camera."""

from __future__ import annotations

import logging
import time

from camera.device.burst_quirks import Button
from camera.device.calls import BUSY_PAUSE_S
from camera.device.configuration import Configuration
from camera.device.quirks import Quirks
from camera.errors import CAPTURE_UNKNOWN, CameraBusy, CameraError, CameraRefused, ShutterStuck
from camera.model import ConfigValue

_log = logging.getLogger("camera.device.button")

_RELEASE_TRIES, _RELEASE_PAUSE_S = 3, 0.2
# How long a busy camera is asked again to open the shutter, in seconds.
_BUSY_S = 2.0


class HeldButton:
    """The shutter button of a camera, or another setting that keeps its shutter open.

    The setting is read now, once for pressing and once for releasing, because reading takes time.

    Args:
        settings, quirks: the settings and the quirks of the camera.
        button: the button.
        doing: what the button is for, in one word.
        again: whether a busy camera is asked again to press it.
    """

    def __init__(self, settings: Configuration, quirks: Quirks, button: Button, doing: str, again: bool = True) -> None:
        self._settings = settings
        self._quirks = quirks
        self._press, self._release = button.press, button.release
        self._doing = doing
        self._again = again and quirks.busy_means_not_fired
        self._name = button.setting
        self._to_press, self._to_release = settings.find(button.setting), settings.find(button.setting)

    def press(self) -> float:
        """Press the button. A busy camera is asked again. Returns the time of the last attempt, in monotonic seconds."""
        deadline = time.monotonic() + _BUSY_S
        while True:
            pressed_at = time.monotonic()
            try:
                self._settings.write(*self._to_press, self._press, doing=self._doing)
            except CameraBusy:
                if pressed_at > deadline or not self._again:
                    raise
                time.sleep(BUSY_PAUSE_S)
                self._to_press = self._settings.find(self._name)
            else:
                return pressed_at

    def release(self) -> float:
        """Release the button. Returns the time of the attempt that has succeeded, in monotonic seconds.

        With several values, each one is tried, and the time is that of the first one.

        Raises:
            ShutterStuck: the button could not be released.
        """
        times: list[float] = []
        stuck: ShutterStuck | None = None
        for number, value in enumerate(self._release):
            try:
                times.append(self._let_go(value, was_read=number == 0))
            except ShutterStuck as error:
                stuck = stuck or error
        if stuck is not None:
            raise stuck
        return times[0]

    def _let_go(self, value: ConfigValue, was_read: bool) -> float:
        for tries_left in reversed(range(_RELEASE_TRIES)):
            released_at = time.monotonic()
            try:
                if not was_read or tries_left < _RELEASE_TRIES - 1:
                    self._to_release = self._settings.find(self._name)
                self._settings.write(*self._to_release, value)
            except CameraError as error:
                if isinstance(error, CameraBusy) and self._quirks.busy_means_closed:
                    return released_at
                if not tries_left:
                    _log.warning("Shutter could not be closed: %s", error)
                    raise ShutterStuck(CAPTURE_UNKNOWN, gp=error.gp, doing=self._doing, reason=error.message) from None
                time.sleep(_RELEASE_PAUSE_S)
            else:
                break
        return released_at

    def release_once(self) -> None:
        """Release the button after it could not be pressed, for the case that the camera has pressed it nevertheless.

        Each value is tried once.

        Raises:
            ShutterStuck: the camera has refused the last one of several values, so the button may still be half pressed.
        """
        failed: CameraError | None = None
        for value in self._release:
            failed = None
            try:
                self._settings.write(*self._settings.find(self._name), value)
            except CameraError as error:
                failed = error
        # A camera that refuses the only value was usually not pressed. A lost camera is opened again anyway.
        if len(self._release) > 1 and isinstance(failed, CameraBusy | CameraRefused):
            raise ShutterStuck(CAPTURE_UNKNOWN, gp=failed.gp, doing=self._doing, reason=failed.message)
