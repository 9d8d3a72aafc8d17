"""The release of the shutter of an open camera, and the signs that it fired. Runs in the camera process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from camera.device.calls import BUSY_PAUSE_S
from camera.device.configuration import Configuration
from camera.device.drive_mode import MIRROR_SETTLES_S, DriveMode
from camera.device.gp_codes import (
    before_the_release,
    card_read_only,
    is_busy,
    of_a_release,
    setting_refused,
    shutter_did_not_fire,
)
from camera.device.queue import EventQueue
from camera.device.quirks import Quirks
from camera.device.raw_calls import CAPTURE_COMPLETE, FILE_ADDED, TIMEOUT, UNKNOWN
from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureUnknown, CardFull, GpFailure, NotReady, NotSupported
from camera.exposure import LONGEST_S, seconds
from camera.model import Storage

# How long each call waits for the next file of a shot with several files; how long it waits for more files after the
# last expected file; and the longest total wait. On a slow card, the RAW file may appear seconds after the JPEG.
_NEXT_FILE_MS, _SETTLED_MS, ALL_FILES_S = 200, 1, 10.0
# How long the camera may need to write the first file after a release, in seconds.
WRITE_S = 40.0
_BUSY_RELEASE_S = 2.0
# If the shutter has fired, the camera reports within _SIGNS_S seconds that it is busy or that it has a new file.
_SIGNS_S, _SIGN_PAUSE_MS = 0.4, 50
# How long the order that raises the mirror takes, at most, in seconds.
_MIRROR_RISES_S = 0.5
# libgphoto2's general error, and a text that stands for a refused release (see `shutter_did_not_fire`).
_NO_REASON, _REFUSED = -1, "press failed"
# The size of a shot (RAW and JPEG) with the largest sensors. A card with less free space may refuse the next shot.
_LARGEST_SHOT_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class ReleaseCalls:
    """Two ways to release the shutter.

    Attributes:
        fire: waits for the first file, and returns its path.
        trigger: does not wait for a file.
    """

    fire: Callable[[], str]
    trigger: Callable[[], None]


@dataclass(frozen=True, slots=True)
class TimedRelease:
    """A release at a given time.

    Attributes:
        wait: returns at this time. Raises NotReady if it is too late.
        fire: releases the shutter, waits for the first file, and returns its path; None for the driver's capture.
    """

    wait: Callable[[], None]
    fire: Callable[[], str] | None


class Shutter:
    """Releases the shutter, and finds the files of the shot.

    Args:
        release: releases the shutter.
        storage: reads the camera's storages.
        settings, queue, drive_mode, quirks: the settings, the event queue, the drive mode and the quirks of the camera.
    """

    def __init__(
        self,
        release: ReleaseCalls,
        storage: Callable[[], list[Storage]],
        settings: Configuration,
        queue: EventQueue,
        drive_mode: DriveMode,
        quirks: Quirks,
    ) -> None:
        self._calls = release
        self._storage = storage
        self._settings = settings
        self._queue = queue
        self._drive_mode = drive_mode
        self._quirks = quirks
        # Image formats that promise two files although the camera has offered only one, as some cameras do.
        self._one_file: set[str] = set()
        self._mirror_up_until = 0.0  # then the camera takes the picture by itself, in monotonic seconds

    def release(self, on_release: Callable[[float], None], timed: TimedRelease | None = None) -> list[str]:
        """Release the shutter once; returns the path of every file of the shot.

        Args:
            on_release: called just before the shutter may fire, also before each retry of a refused release, with the
                longest time in seconds until the exposure has ended. If it raises, the shutter is not released.
            timed: when and how to release the shutter; by default at once, by the driver's capture.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was seen.
            CameraError: the shutter certainly did not fire.
        """
        return self.with_other_files(self.first_file(on_release, timed))

    def next_file(self) -> str | None:
        """The path of the next new file; None if the camera reports none within 0.2 s."""
        event, data = self._queue.wait(_NEXT_FILE_MS)
        if event == FILE_ADDED and data is not None:
            return data
        if event == TIMEOUT:
            time.sleep(BUSY_PAUSE_S)  # because a driver without events returns at once
        else:
            self._queue.keep(event, data)
        return None

    def wait_for_file(self, seconds: float, meanwhile: Callable[[], object]) -> str | None:
        """The path of the next new file; None if none comes in this time, in addition to that for writing.

        Args:
            seconds: how long the camera may need before it writes the file.
            meanwhile: called again and again during the wait. If it raises, the wait ends.
        """
        deadline = time.monotonic() + seconds + WRITE_S
        while time.monotonic() < deadline:
            if (path := self.next_file()) is not None:
                return path
            meanwhile()
        return None

    def with_other_files(self, path: str) -> list[str]:
        """The path of the first file of a shot, and of the other files of the same shot."""
        self._mirror_up_until = 0.0
        paths = [path]
        with suppress(CameraError):  # the files found so far are returned; the next job gets the error
            self._add_other_files(paths)
        return paths

    def first_file(self, on_release: Callable[[float], None], timed: TimedRelease | None = None) -> str:
        """Release the shutter once; returns the path of the first file. See `release`."""
        try:
            return self._first_file(on_release, timed)
        except CaptureUnknown:
            raise
        except CameraError as error:
            raise self.after_mirror(error) from None

    def _first_file(self, on_release: Callable[[float], None], timed: TimedRelease | None) -> str:
        exposure = self.exposure_s()
        deadline = time.monotonic() + _BUSY_RELEASE_S
        while True:
            on_release(exposure)
            try:
                return self.raise_mirror(exposure) or self._fire(timed)
            except (CaptureUnknown, NotReady):
                raise
            except CameraError as raised:
                error = of_a_release(raised)
                if timed is not None and timed.fire is not None:
                    error = self.with_reason(error)
                if (path := self.file_despite(error, exposure)) is not None:
                    return path
                if isinstance(error, NotSupported):
                    raise replace(
                        error, message="The shutter of this camera cannot be released by remote control."
                    ) from None
                if not is_busy(error) or time.monotonic() > deadline:
                    raise error from None
            self._queue.pump(50)
            time.sleep(BUSY_PAUSE_S)

    def _fire(self, timed: TimedRelease | None) -> str:
        if timed is None:
            return self._calls.fire()
        timed.wait()
        return (timed.fire or self._calls.fire)()

    @property
    def prepares_s(self) -> float:
        """How long a camera that raises its mirror first needs for that, in seconds; 0 for others."""
        return _MIRROR_RISES_S + MIRROR_SETTLES_S if self._drive_mode.raises_mirror_first else 0.0

    def raise_mirror(self, exposure: float) -> str | None:
        """Release the shutter if that only raises the mirror, and wait until the mirror does not shake any more.

        Returns the path of the new file, if the camera has taken a picture nevertheless.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was seen.
            CameraError: the camera has refused the release.
        """
        if not self._drive_mode.raises_mirror_first:
            return None
        self._calls.trigger()
        fired, path = self.signs_of_a_shot(exposure, MIRROR_SETTLES_S)
        if fired and path is None:
            raise CaptureUnknown(CAPTURE_UNKNOWN, doing="capture")
        self._mirror_up_until = 0.0 if fired else time.monotonic() + (self._quirks.mirror_up_s or 0.0)
        return path

    def after_mirror(self, error: CameraError) -> CameraError:
        """The error of a release that did not fire, for a camera that takes the picture by itself after `raise_mirror`."""
        left_s = self._mirror_up_until - time.monotonic()
        if left_s <= 0:
            return error
        words = f"{error.message} Its mirror is up, so it takes the picture by itself within {left_s:.0f} s."
        return CaptureUnknown(words, gp=error.gp, doing=error.doing, reason=error.message)

    def file_despite(self, error: CameraError, exposure: float) -> str | None:
        """The path of the new file after a release that reported an error; None if the shutter certainly did not fire.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was seen.
        """
        refused = shutter_did_not_fire(error, self._quirks.busy_means_not_fired)
        unknown = not (refused or self._card_explains(error))
        if not unknown and not before_the_release(error):
            # Some cameras report an error although the shutter opened. The events that follow show whether it opened.
            unknown, path = self.signs_of_a_shot(exposure)
            if path is not None:
                return path
        if unknown:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing="capture", reason=error.message) from None
        return None

    def with_reason(self, error: CameraError) -> CameraError:
        """The error of a refused button. For a button, the driver reports no reason: neither the PTP code nor a text.

        If the camera still answers, it has refused the release.
        """
        if not setting_refused(error):
            return error
        try:
            cards = self._storage()
        except CameraError:
            return error
        reason, words = _REFUSED, "The camera refused to release the shutter."
        if cards and all(card.read_only for card in cards):
            reason, words = "store read only", "The card is write-protected."
        elif self.card_full():
            return CardFull("The card is full. Delete files or change the card.", gp=GpFailure(-115), doing="capture")
        return replace(error, message=words, gp=GpFailure(_NO_REASON, reason))

    def signs_of_a_shot(self, exposure: float, within_s: float = _SIGNS_S) -> tuple[bool, str | None]:
        """What the camera reports after a release that may not have taken a picture.

        Args:
            exposure: the longest time in seconds until the exposure has ended.
            within_s: how long to wait for the first sign of a shot, in seconds.

        Returns:
            Whether the shutter may have fired, and the path of the new file, if the camera has reported one.
        """
        deadline = time.monotonic() + within_s
        fired = False
        while time.monotonic() < deadline:
            try:
                event, data = self._queue.wait(_SIGN_PAUSE_MS)
            except CameraError:
                return True, None
            if event == FILE_ADDED and data is not None:
                return True, data
            if event == CAPTURE_COMPLETE or (event == UNKNOWN and data and data.startswith("Camera Status")):
                if not fired:
                    fired, deadline = True, time.monotonic() + 2 * exposure + ALL_FILES_S
            elif event == TIMEOUT:
                time.sleep(BUSY_PAUSE_S)  # because a driver without events returns at once
            else:
                self._queue.keep(event, data)
        return fired, None

    def _card_explains(self, error: CameraError) -> bool:
        """Whether the release was refused because the card is full or write-protected, as the storage data confirms.

        This check is needed because Nikon's message does not show which step was refused.
        """
        full, locked = isinstance(error, CardFull), card_read_only(error)
        if not (full or locked):
            return False
        if locked:
            cards = self._cards()
            return bool(cards) and all(card.read_only for card in cards)
        return self.card_full()

    def card_full(self) -> bool:
        """Whether every card may be too full for the next shot; False if the camera does not report that."""
        cards = self._cards()
        return bool(cards) and all(card.free is not None and card.free < _LARGEST_SHOT_BYTES for card in cards)

    def _cards(self) -> list[Storage]:
        """The cards; none if they cannot be read."""
        try:
            return self._storage()
        except CameraError:
            return []

    def exposure_s(self) -> float:
        """The longest time from the release until the exposure has ended, in seconds."""
        try:
            exposure = seconds(str(self._settings.get(self._quirks.shutter_speed).value))
        except CameraError:
            exposure = LONGEST_S
        return exposure + self._drive_mode.delay_s

    def _add_other_files(self, paths: list[str]) -> None:
        image_format = self._format_with_several_files()
        expected = 1 if image_format is None else 2
        deadline = time.monotonic() + ALL_FILES_S
        while time.monotonic() < deadline:
            event, data = self._queue.wait(_NEXT_FILE_MS if len(paths) < expected else _SETTLED_MS)
            if event == FILE_ADDED and data is not None and (data in paths or _of_one_shot(paths[0], data)):
                if data not in paths:
                    paths.append(data)
            elif event != TIMEOUT:
                self._queue.keep(event, data)
            elif len(paths) >= expected or image_format in self._one_file or not self._queue.supported:
                break
        if image_format is not None:
            (self._one_file.discard if len(paths) > 1 else self._one_file.add)(image_format)

    def files_per_picture(self) -> int:
        """How many files each picture has, according to the settings and to earlier shots: 2 for RAW and JPEG, else 1."""
        image_format = self._format_with_several_files()
        return 1 if image_format is None or image_format in self._one_file else 2

    def _format_with_several_files(self) -> str | None:
        """The current image format, if a shot with it makes more than one file."""
        for name in self._quirks.image_format:
            try:
                value = str(self._settings.get(name).value)
            except CameraError:
                continue
            return value if re.search(self._quirks.several_files, value) is not None else None
        return None


def _of_one_shot(first: str, other: str) -> bool:
    """Whether two new files can belong to the same shot.

    If not, `other` belongs to a shot with the camera's own button. RAW and JPEG of a shot have the same name with
    different file extensions, and copies on two cards have the same name. Files in the
    camera's RAM have no folder, and the driver numbers each of them. For these files, it is enough that the extensions
    differ.
    """
    (folder, _, name), (_, _, other_name) = first.rpartition("/"), other.rpartition("/")
    (stem, _, ending), (other_stem, _, other_ending) = name.rpartition("."), other_name.rpartition(".")
    return ending != other_ending if not folder else stem == other_stem
