"""Exposures that this process times itself (bulb): opens the shutter, closes it at the right time, finds the files."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from camera.device.burst_quirks import Button
from camera.device.button import HeldButton
from camera.device.configuration import Configuration
from camera.device.gp_codes import camera_answered, setting_refused
from camera.device.quirks import Quirks
from camera.device.shutter import ALL_FILES_S, WRITE_S, Shutter
from camera.errors import (
    CAPTURE_UNKNOWN,
    BulbUnavailable,
    CameraError,
    CameraIO,
    CameraTimeout,
    CaptureUnknown,
    ConfigNotFound,
    ConfigReadonly,
    NotSupported,
)
from camera.model import ConfigItem, ConfigValue
from camera.remote import BulbPlan

_log = logging.getLogger("camera.device.bulb")

# The settings that open and close the shutter, in the order in which they are tried. "bulb" is a toggle. Newer Canons have
# only the other one.
_BUTTONS = (Button("bulb", 1, (0,)), Button("eosremoterelease", "Press Full MF", ("Release Full", "Release Half")))
# Releases the half and fully pressed button of a Canon (RemoteReleaseOff). Before this operation, "eosremoterelease" of a
# new session sets where pictures are stored, which a camera that is exposing refuses. "opcode" sets nothing. On PTP/IP,
# libgphoto2 then waits 2.5 s for the answer.
_CANON_RELEASE = ("opcode", "0x9129,0x3")
_BULB = re.compile(r"bulb\b", re.IGNORECASE)
# What libgphoto2 reports if the dial of a Canon is in a wrong position (camlibs/ptp2/config.c, _put_Canon_EOS_Bulb).
_WRONG_DIAL = "for bulb capture to work"
_TURN_THE_DIAL = "Turn the mode dial to M, or to B if the camera has that position."
_NO_BULB = "The driver cannot hold the shutter of this camera open. Use one of the camera's own shutter speeds."


@dataclass(frozen=True, slots=True)
class BulbHooks:
    """Functions that an exposure calls while it runs. If one of them raises, the shutter is closed first.

    Attributes:
        opening: called just before the shutter may open.
        opened: called when the shutter is open.
        until: waits until a time (in monotonic seconds), or until the exposure has to end early; returns whether it has
            to end early. Called with times in the past while the process waits for the file.
        closed: called when the shutter is closed, with the length of the exposure in seconds, whether `until` has
            ended it early, and the seconds that the files may still need.
    """

    opening: Callable[[], None]
    opened: Callable[[], None]
    until: Callable[[float], bool]
    closed: Callable[[float, bool, float], None]


class Bulb:
    """Bulb exposures with an open camera.

    Args:
        settings, shutter, quirks: the settings, the shutter and the quirks of the camera.
    """

    def __init__(self, settings: Configuration, shutter: Shutter, quirks: Quirks) -> None:
        self._settings = settings
        self._shutter = shutter
        self._quirks = quirks

    def plan(self) -> BulbPlan:
        """Which settings have to be changed before a bulb exposure, and which are changed by the exposure itself.

        Raises:
            BulbUnavailable: the camera has no bulb exposures, or not with the current position of its mode dial.
        """
        self._button()
        if self._quirks.bulb_changes:
            return BulbPlan({}, tuple(name for name in self._quirks.bulb_changes if self._item(name) is not None))
        speed = self._item(self._quirks.shutter_speed)
        if speed is None or self._is_bulb(speed) or self._is_bulb(self._item("autoexposuremode")):
            return BulbPlan({}, ())
        bulb = next(filter(_BULB.match, speed.choices), None)
        if bulb is None or speed.readonly:
            raise _unavailable("The camera has no bulb exposures in this mode.", _TURN_THE_DIAL)
        return BulbPlan({speed.name: bulb}, ())

    def expose(self, seconds: float, hooks: BulbHooks) -> tuple[list[str], float]:
        """Open the shutter, close it after `seconds`, and wait for the files.

        Returns:
            The paths of the files, and the exposure in seconds (0 if the camera refused, but took a picture).

        Raises:
            BulbUnavailable, or another CameraError: the shutter did not open.
            CaptureUnknown: the shutter may have opened, but no file was seen.
        """
        button = HeldButton(self._settings, self._quirks, self._button(), "expose")
        hooks.opening()
        try:
            if (path := self._shutter.raise_mirror(0.0)) is not None:
                return self._shutter.with_other_files(path), 0.0
            pressed_at = button.press()
        except CameraError as error:
            button.release_once()
            return self._despite(error), 0.0
        # A Canon gets the two commands after equally long preparations by the driver, so the time between the calls is
        # the length of the exposure. With other makers, only opening needs preparations.
        opened_at = pressed_at if self._quirks.bulb_prepares_both else time.monotonic()
        aborted = True
        try:
            hooks.opened()
            aborted = hooks.until(opened_at + seconds)
        finally:
            exposed = button.release() - opened_at
        hooks.closed(exposed, aborted, exposed + WRITE_S + ALL_FILES_S)
        try:
            return self._files(exposed, hooks), exposed
        except CameraError as error:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing="expose", reason=error.message) from None

    def release_button(self) -> frozenset[str]:
        """Close a shutter that an earlier process may have left open, and release a pressed button.

        Returns:
            The settings with which this was done.

        Raises:
            CameraIO, CameraTimeout: the transfer failed, so the camera has to be opened again.
        """
        bulb, remote = _BUTTONS
        toggle, (closed,), canon, (full, half) = bulb.setting, bulb.release, remote.setting, remote.release
        released = [toggle] if self._write(toggle, closed) else []
        if self._item(canon) is not None and (self._release_canon(canon, full, half) or self._write(*_CANON_RELEASE)):
            released.append(canon)
        if released:
            names = ", ".join(released)
            _log.warning("Shutter button released by %s, because an earlier process may have left it pressed", names)
        return frozenset(released)

    def _release_canon(self, name: str, full: ConfigValue, half: ConfigValue) -> bool:
        """Release the fully and the half pressed button of a Canon, also while it takes pictures.

        Before it releases the button, the driver sets where pictures are stored, if that differs from its own setting (of a
        new process: in the camera's memory). A camera that takes pictures refuses that, so the other value is tried too.
        """
        target = self._item("capturetarget")
        if target is None:
            return self._write(name, full)
        try:
            for place in sorted(target.choices, key=lambda choice: choice == target.value):
                if self._write("capturetarget", place, "release") and self._write(name, full, "release"):
                    return self._write(name, half, "release")
            return False
        finally:
            self._write("capturetarget", target.value, "release")

    def _write(self, name: str, value: ConfigValue, doing: str = "set_config") -> bool:
        try:
            self._settings.write(*self._settings.find(name), value, doing)
        except (ConfigNotFound, NotSupported):
            return False
        except (CameraIO, CameraTimeout):
            raise
        except CameraError as error:
            _log.info("%s could not be set to release the shutter button: %s", name, error)
            return False
        return True

    def _button(self) -> Button:
        for button in _BUTTONS:
            item = self._item(button.setting)
            if item is not None and (not item.choices or button.press in item.choices):
                return button
        raise _unavailable("The camera has no bulb exposures.", _NO_BULB)

    def _item(self, name: str) -> ConfigItem | None:
        with suppress(ConfigNotFound, NotSupported):
            return self._settings.get(name)
        return None

    @staticmethod
    def _is_bulb(item: ConfigItem | None) -> bool:
        return item is not None and _BULB.match(str(item.value)) is not None

    def _despite(self, error: CameraError) -> list[str]:
        """The files of an exposure that the camera has refused. See `Shutter.signs_of_a_shot`."""
        fired, path = self._shutter.signs_of_a_shot(0.0)
        if path is not None:
            return self._shutter.with_other_files(path)
        wrong_dial = error.gp is not None and _WRONG_DIAL in error.gp.text.lower()
        refused = wrong_dial or isinstance(error, NotSupported | ConfigReadonly) or camera_answered(error)
        refused = refused or setting_refused(error)
        if fired or not refused:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing="expose", reason=error.message) from None
        if wrong_dial:
            unavailable = _unavailable("The camera refused a bulb exposure.", _TURN_THE_DIAL)
            unavailable.gp = error.gp
            raise self._shutter.after_mirror(unavailable) from None
        raise self._shutter.after_mirror(self._shutter.with_reason(error)) from None

    def _files(self, exposed: float, hooks: BulbHooks) -> list[str]:
        # Noise reduction takes as long as the exposure. `until` notices the end of the server.
        path = self._shutter.wait_for_file(exposed, lambda: hooks.until(0.0))
        if path is None:
            raise CameraTimeout("No file appeared after the exposure.")
        return self._shutter.with_other_files(path)


def _unavailable(what: str, how: str) -> BulbUnavailable:
    return BulbUnavailable(f"{what} {how}", how=how)
