"""Takes several pictures in a row: holds the shutter button, or lets the camera count, and finds the files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from camera import values
from camera.device.burst_pictures import Pictures
from camera.device.burst_quirks import BurstQuirks, Button
from camera.device.button import HeldButton
from camera.device.configuration import Configuration
from camera.device.gp_codes import of_a_release
from camera.device.quirks import Quirks
from camera.device.shutter import ALL_FILES_S, WRITE_S, Shutter
from camera.errors import (
    CAPTURE_UNKNOWN,
    CameraError,
    CaptureUnknown,
    ConfigNotFound,
    InvalidValue,
    NotSupported,
)
from camera.model import BurstLength, ConfigItem
from camera.remote import BurstPlan
from camera.values import WantedValue

_log = logging.getLogger("camera.device.burst")

# How long the camera may need for the next file while its memory is full and its card slow, in addition to the
# exposure, in seconds. After this time without a file, the burst counts as ended by the camera.
_STALLED_S = 6.0
# How long to wait for further files if nothing shows how many there are, and how long if all expected files are there:
# a picture that was being exposed when the button was released is counted only at its end. In addition to the exposure.
_QUIET_S, _SETTLED_S = 3.0, 0.5
_NO_BURST = "This server cannot take several pictures in a row with this camera. Take single pictures."
_NO_HOLD = "The driver cannot hold the shutter button of this camera. Order a number of frames."


@dataclass(frozen=True, slots=True)
class BurstHooks:
    """Functions that a burst calls while it runs. If one of them raises, the button is released first.

    Attributes:
        releasing: called with the length of the burst in seconds, just before the shutter may open.
        until: waits until a time (in monotonic seconds), or until the burst has to end early; returns whether it has to
            end early. Called with times in the past while the process waits for files.
        released: called when the button is released, before the wait for the remaining files.
    """

    releasing: Callable[[float], None]
    until: Callable[[float], bool]
    released: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Result:
    """The paths of the files of each picture, the camera's own count, and warnings. See `BurstTaken`."""

    pictures: list[list[str]]
    counted: int | None
    warnings: list[str]


class Burst:
    """Bursts with an open camera.

    Args:
        settings, shutter, quirks: the settings, the shutter and the quirks of the camera.
    """

    def __init__(self, settings: Configuration, shutter: Shutter, quirks: Quirks) -> None:
        self._settings = settings
        self._shutter = shutter
        self._quirks = quirks

    @property
    def holds_button(self) -> bool:
        """Whether a burst holds the shutter button. Otherwise, it ends by itself."""
        return self._quirks.burst is not None and self._quirks.burst.button is not None

    def plan(self, length: BurstLength) -> BurstPlan:
        """The settings that a burst needs.

        Raises:
            NotSupported: the camera cannot take a burst, or its button cannot be held.
            InvalidValue: the camera cannot take so many pictures in a row.
        """
        burst = self._checked(length)
        self._check_memory(burst, length)
        preferred: dict[str, WantedValue] = {}
        drive = self._item(burst.drive)
        if drive is not None and drive.value not in burst.continuous and not drive.readonly:
            fastest = next((mode for mode in burst.continuous if mode in drive.choices), None)
            if fastest is not None:
                preferred[drive.name] = fastest
        if burst.count is None or length.frames is None:
            return BurstPlan(preferred, {})
        return BurstPlan(preferred, {burst.count: length.frames})

    def take(self, length: BurstLength, hooks: BurstHooks) -> Result:
        """Take the pictures, and wait for their files.

        Raises:
            CaptureUnknown: the shutter may have opened, but no file was seen, or the camera was lost.
            CameraError: the shutter certainly did not open.
        """
        burst = self._checked(length)
        exposure = self._shutter.exposure_s()
        in_memory = burst.in_memory if self._target_in_memory() is not None else 0
        pictures = Pictures(self._shutter.files_per_picture(), in_memory)
        before = self._count(burst)
        if burst.button is None:
            pictures.add(self._shutter.first_file(lambda _: hooks.releasing(length.lasts_s(exposure))))
        else:
            self._hold(burst.button, length, pictures, hooks)
            hooks.released()
        try:
            counted = self._wait_for_files(burst, length, before, pictures, hooks)
        except CameraError as error:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing="burst", reason=error.message) from None
        if not pictures:
            if (failed := pictures.failed) is not None:
                raise CaptureUnknown(CAPTURE_UNKNOWN, gp=failed.gp, doing="burst", reason=failed.message)
            reason = f"The shutter button was held, and the camera counted {counted or 0} releases."
            raise CaptureUnknown(CAPTURE_UNKNOWN, doing="burst", reason=reason)
        return Result(pictures.paths, counted, self._warnings(burst, length, pictures, counted))

    # -- before the release

    def _checked(self, length: BurstLength) -> BurstQuirks:
        burst = self._quirks.burst
        needed = burst and (burst.button.setting if burst.button else burst.count)
        item = self._item(needed) if needed else None
        if burst is None or item is None:
            raise NotSupported(_NO_BURST)
        if burst.button is None and length.frames is None:
            raise NotSupported(_NO_HOLD)
        if burst.button is not None and item.choices and burst.button.press not in item.choices:
            raise NotSupported(_NO_BURST)
        most = item.range.max if item.range is not None else None
        if most is not None and length.frames is not None and length.frames > most:
            raise InvalidValue(
                f"The camera takes at most {most:g} pictures in a row.",
                config_name=item.name,
                range={"min": 2, "max": most, "step": 1},
            )
        return burst

    def _check_memory(self, burst: BurstQuirks, length: BurstLength) -> None:
        """Reject bursts of pictures that would wait in the camera's memory, if there may be too many for it."""
        target = self._target_in_memory()
        if target is None:
            return
        # A slow camera process releases the button late, which makes one more picture.
        most = burst.in_memory // self._shutter.files_per_picture() - 1
        if most < 2:
            most = 0
        if length.frames is not None and length.frames <= most:
            return
        cards = [choice for choice in target.choices if not values.same_value(choice, "internal ram")]
        fewer = f"Order at most {most} frames, or store" if most else "Store"
        raise InvalidValue(
            "The pictures of this burst would wait in the camera's memory, from which the driver keeps only few."
            f" {fewer} the pictures on the card ({target.name}: {', '.join(cards)}).",
            config_name=target.name,
            choices=tuple(cards),
            range={"min": 2, "max": most, "step": 1} if most else None,
        )

    def _target_in_memory(self) -> ConfigItem | None:
        """The setting with the place of new pictures, if they wait in the camera's memory."""
        target = self._item("capturetarget")
        in_memory = target is not None and values.same_value(str(target.value), "internal ram")
        return target if in_memory else None

    def _item(self, name: str) -> ConfigItem | None:
        with suppress(ConfigNotFound, NotSupported):
            return self._settings.get(name)
        return None

    # -- with a held button

    def _hold(self, button: Button, length: BurstLength, pictures: Pictures, hooks: BurstHooks) -> None:
        """Hold the button until there are enough pictures, or until the time is over."""
        exposure = self._shutter.exposure_s()
        held = HeldButton(self._settings, self._quirks, button, "burst")
        hooks.releasing(length.lasts_s(exposure))
        try:
            if (path := self._shutter.raise_mirror(exposure)) is not None:
                pictures.add(path)
                return
            pressed_at = held.press()
        except CameraError as error:
            held.release_once()
            pictures.add(self._despite(error, exposure))
            return
        try:
            if length.hold_ms is not None:
                hooks.until(pressed_at + length.hold_ms / 1000)
            else:
                self._until_enough(length.frames or 0, exposure + _STALLED_S, pictures, hooks)
        except CameraError as error:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing="burst", reason=error.message) from None
        finally:
            held.release()

    def _despite(self, error: CameraError, exposure: float) -> str:
        """The first file of a burst that the camera has refused. Raises the error if there is none."""
        refused = self._shutter.with_reason(of_a_release(error))
        path = self._shutter.file_despite(refused, exposure)
        if path is None:
            raise refused from None
        return path

    def _until_enough(self, frames: int, stalled_s: float, pictures: Pictures, hooks: BurstHooks) -> None:
        deadline = time.monotonic() + stalled_s
        while len(pictures) + pictures.missing < frames and time.monotonic() < deadline:
            if self._take_file(pictures):
                deadline = time.monotonic() + stalled_s
            if hooks.until(0.0):
                return

    def _take_file(self, pictures: Pictures) -> bool:
        """Add the next new file, if there is one within 0.2 s; returns whether there was one.

        For pictures in the camera's memory, the driver reads the file before it reports it.
        """
        try:
            path = self._shutter.next_file()
        except CameraError as error:
            pictures.miss(error)
            return True
        if path is not None:
            pictures.add(path)
        return path is not None

    # -- after the release

    def _wait_for_files(
        self, burst: BurstQuirks, length: BurstLength, before: int | None, pictures: Pictures, hooks: BurstHooks
    ) -> int | None:
        """Wait until the files of all pictures are there. Returns how many pictures the camera has counted."""
        exposure, last = self._shutter.exposure_s(), time.monotonic()
        counted: int | None = None
        while True:
            hooks.until(0.0)
            if self._take_file(pictures):
                last = time.monotonic()
                continue
            counted = self._counted(burst, before)
            expected = counted if burst.button is not None else length.frames
            found = len(pictures) + pictures.missing
            if time.monotonic() - last > exposure + _patience(found, expected, pictures.complete, counted):
                return counted

    def _count(self, burst: BurstQuirks) -> int | None:
        """The camera's counter of releases; None if it has none."""
        item = None if burst.counter is None else self._item(burst.counter)
        return int(str(item.value)) if item is not None and str(item.value).isdecimal() else None

    def _counted(self, burst: BurstQuirks, before: int | None) -> int | None:
        """How many releases were counted since `before`; None if the counter shows none: some bodies update it later."""
        after = None if before is None else self._count(burst)
        return after - before if before is not None and after is not None and after > before else None

    def _warnings(self, burst: BurstQuirks, length: BurstLength, pictures: Pictures, counted: int | None) -> list[str]:
        warnings, found = [], len(pictures)
        taken = max(found + pictures.missing, counted or 0)
        if pictures.failed is not None:
            number = f"{pictures.missing} {'picture is' if pictures.missing == 1 else 'pictures are'} missing"
            warnings.append(f"{number}, because the camera's memory could not be read: {pictures.failed}")
        if counted is not None and counted != found:
            warnings.append(
                f"The camera counted {counted} releases of its shutter, and files of {found} pictures were found."
            )
        if taken == 1:
            warnings.append(f"The camera took only one picture.{self._reason(burst)}")
        elif length.frames is not None and taken < length.frames:
            warnings.append(f"The camera stopped after {taken} of {length.frames} pictures.{self._reason(burst)}")
        elif length.frames is not None and taken > length.frames:
            warnings.append(f"The camera took {taken} pictures until its button was released.")
        return warnings

    def _reason(self, burst: BurstQuirks) -> str:
        """Why the camera took fewer pictures than ordered, as far as it shows that."""
        drive = self._item(burst.drive)
        if drive is not None and drive.value not in burst.continuous:
            return f" Its drive mode is {drive.value}. Set it to continuous on the camera."
        if self._shutter.prepares_s:
            return " Its mirror lock-up is on."
        return " Its card is full." if self._shutter.card_full() else ""


def _patience(found: int, expected: int | None, complete: bool, counted: int | None) -> float:
    """How long to wait for the next file, in addition to the exposure, in seconds."""
    if expected is None:
        return _QUIET_S
    if found < expected:
        return WRITE_S if counted is not None else _QUIET_S
    return _SETTLED_S if complete else ALL_FILES_S
