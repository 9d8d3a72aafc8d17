"""Focusing: moves the focus, runs the autofocus, sets the focus point, magnifies live view, presses the button halfway.

Runs in the camera process. Points are those of the picture as the sensor sees it. No camera reports the position of its
focus, so none is returned.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from camera.device.calls import BUSY_PAUSE_S
from camera.device.driver import Driver
from camera.device.focus_quirks import EOS_ZOOMS, FocusPoint, Order, canon_still
from camera.device.holding import Holding
from camera.device.jpeg import SMALL_PIXELS, checked_size
from camera.errors import (
    CameraBusy,
    CameraError,
    CameraIO,
    CameraRefused,
    ConfigNotFound,
    LiveViewNeeded,
    NotSupported,
    OutOfStep,
)
from camera.model import FocusMove, FocusSize, Magnified
from camera.orientation import Point
from camera.remote import OnProgress, ignore_progress

# How long to wait for the result after an order to focus, in seconds. A half press returns when the autofocus has ended
# (libgphoto2 camlibs/ptp2/library.c, EOS capture). In live view, the order returns earlier.
_RESULT_S, _RESULT_IN_LIVE_VIEW_S = 0.5, 3.0
_EVENT_MS = 50
# A camera that does not report its result gets this time to focus, in seconds.
_FOCUSING_S = 1.5
# What the driver reports: 1. the lens is at a limit, or the step too small; 2. the autofocus has failed; 3. the camera
# must be in live view.
_AT_LIMIT = re.compile(r"at limit|stepping too small")
_OUT_OF_FOCUS = re.compile(r"out of focus|auto-?focus")
_NOT_IN_LIVE_VIEW = re.compile(r"only in liveview|0xa00b")
# The events of a Canon: the focus points that are in focus, and six bytes with the state of the autofocus. In these,
# byte 4 is 1 if the camera is in focus, and 2 if the autofocus has failed (libgphoto2 camlibs/ptp2/ptp-pack.c).
_POINTS = re.compile(r"Focus Points \{(.*)\}")
_STATE = re.compile(r"Focus Info 0{8}(01|02)")
_NO_LIVE_VIEW = "The camera does this only while live view runs."


@dataclass(frozen=True, slots=True)
class _Part:
    """The visible part of a magnified live view: the factor, and the centre in the whole picture (None: not known)."""

    factor: float
    centre: Point | None

    def in_whole(self, point: Point) -> Point:
        """Where a point of the visible part is in the whole picture."""
        centre = self.centre or _MIDDLE
        return Point(centre.x + (point.x - 0.5) / self.factor, centre.y + (point.y - 0.5) / self.factor)


_MIDDLE = Point(0.5, 0.5)
_WHOLE = _Part(1.0, None)


def release_half_press(driver: Driver, released: Collection[str]) -> None:
    """Release a half-pressed button that an earlier process may have left. Without effect if it is not pressed.

    Args:
        driver: the camera.
        released: the settings whose buttons were released already.

    Raises:
        CameraError: the camera is busy, or the connection failed.
    """
    half = driver.quirks.focus.half_press
    if half is not None and half.release[0] not in released:
        with suppress(ConfigNotFound, NotSupported, CameraRefused):
            driver.perform(*half.release)


class Focus:
    """Focuses one open camera.

    Args:
        driver: the camera.
        streaming: whether live-view frames are being sent.
        meanwhile: sends frames and heartbeats that are due; called between the steps of a long movement.
        holding: waits while the button is pressed.
    """

    def __init__(
        self,
        driver: Driver,
        streaming: Callable[[], bool],
        meanwhile: Callable[[], None],
        holding: Holding,
    ) -> None:
        self._driver = driver
        self._quirks = driver.quirks.focus
        self._streaming = streaming
        self._meanwhile = meanwhile
        self._holding = holding
        self._part = _WHOLE
        self._part_of = 0  # the number of the live view to which `_part` belongs

    # -- the verbs

    def drive(self, steps: int, size: FocusSize, on_progress: OnProgress = ignore_progress) -> FocusMove:
        """See `RemoteCamera.drive_focus`."""
        drive = self._quirks.drive
        if drive is None:
            _unsupported("The focus of this camera cannot be moved by remote control.")
        near, far = drive.moves[size]
        order = (drive.setting, far if steps > 0 else near)
        sign, moved = (1 if steps > 0 else -1), 0
        while moved < abs(steps):
            try:
                self._order(order, self._quirks.needs_live_view)
            except CameraBusy:
                if not moved:
                    raise
                return FocusMove(sign * moved, False if drive.reports_limit else None)
            except CameraError as error:
                if not _says(error, _AT_LIMIT):
                    raise
                return FocusMove(sign * moved, True)
            moved += 1
            on_progress(0.0)
            self._meanwhile()
        return FocusMove(sign * moved, False if drive.reports_limit else None)

    def autofocus(self, point: Point | None, on_progress: OnProgress = ignore_progress) -> bool | None:
        """See `RemoteCamera.autofocus`."""
        quirks, press = self._quirks, self._quirks.half_press
        if quirks.autofocus is None and press is None:
            _unsupported("The autofocus of this camera cannot be started by remote control.")
        if point is not None:
            self._aim(point)
        self._skip_events()
        if quirks.autofocus is not None and (press is None or self._in_live_view):
            return self._focus(quirks.autofocus)
        assert press is not None
        with self._half_pressed(0.0, on_progress):
            return self._result(_RESULT_S)

    def half_press(self, hold_ms: int, on_progress: OnProgress = ignore_progress) -> None:
        """See `RemoteCamera.half_press`."""
        if self._quirks.half_press is None:
            _unsupported(
                "The shutter button of this camera cannot be half pressed by remote control. Use the autofocus."
            )
        hold_s = hold_ms / 1000
        with self._half_pressed(hold_s, on_progress):
            self._holding.until(time.monotonic() + hold_s)

    def zoom(self, factor: float, point: Point | None) -> Magnified:
        """See `RemoteCamera.zoom_live_view`."""
        match self._quirks.zoom:
            case "eoszoom":
                part = self._zoom_eos(factor, point)
            case "ratio":
                part = self._zoom_ratio(factor, point)
            case None:
                _unsupported("Live view of this camera cannot be magnified by remote control.")
        self._part, self._part_of = part, self._driver.live_views
        return Magnified(part.factor, part.centre)

    # -- orders

    def _order(self, order: Order, needs_live_view: bool) -> bool:
        """Carry out an order; returns whether it has ended (see `Driver.perform`).

        Raises:
            LiveViewNeeded: the order needs live view, and live view is off.
            CameraBusy: the camera has not accepted the order.
        """
        for last_try in (False, True):
            if needs_live_view and not self._driver.viewfinder_on:
                self._resume_live_view()
            try:
                return self._driver.perform(*order)
            except ConfigNotFound as error:
                _unsupported("The driver cannot do this with this camera.", error)
            except CameraError as error:
                if not _says(error, _NOT_IN_LIVE_VIEW):
                    raise
                if last_try:
                    raise LiveViewNeeded(_NO_LIVE_VIEW, gp=error.gp, doing=error.doing) from None
            self._resume_live_view()  # a Nikon ends live view with each shot
        raise AssertionError("the last try returns or raises")

    def _resume_live_view(self) -> None:
        """Switch live view on again if frames are being sent: after a still, it is off until the next frame."""
        if not self._streaming():
            raise LiveViewNeeded(_NO_LIVE_VIEW)
        self._driver.preview()

    @property
    def _in_live_view(self) -> bool:
        return self._driver.viewfinder_on or self._streaming()

    # -- autofocus and half press

    def _focus(self, order: Order) -> bool | None:
        try:
            ended = self._order(order, needs_live_view=False)
            if self._quirks.result == "success":
                return True if ended else None  # the lens still moves
            return self._result(_RESULT_IN_LIVE_VIEW_S)
        except CameraError as error:
            if not _says(error, _OUT_OF_FOCUS):
                raise
            return False
        finally:
            if self._quirks.cancel is not None:
                with suppress(CameraBusy, CameraRefused, ConfigNotFound, NotSupported):
                    self._driver.perform(*self._quirks.cancel)

    def _result(self, seconds: float) -> bool | None:
        """Wait for the result of the autofocus; None if the camera reports none."""
        if self._quirks.result is None:
            time.sleep(_FOCUSING_S)
            return None
        failed: bool | None = None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self._driver.next_event(_EVENT_MS) or ""
            if points := _POINTS.match(text):
                if points[1]:
                    return True
                failed = True
            elif state := _STATE.match(text):
                return state[1] == "01"
            elif not text:
                time.sleep(BUSY_PAUSE_S)  # because a driver without events returns at once
        return None if failed is None else False

    def _skip_events(self) -> None:
        """Read the waiting events, so that the result of an earlier autofocus does not count."""
        while self._driver.next_event(0) is not None:
            pass

    @contextmanager
    def _half_pressed(self, seconds: float, on_progress: OnProgress) -> Iterator[None]:
        """Half press the button during the block, which takes about `seconds`. It is released in every case."""
        half = self._quirks.half_press
        assert half is not None
        with self._holding.outliving_the_server(seconds):
            on_progress(seconds)
            try:
                self._order(half.press, needs_live_view=False)
                yield
            finally:
                self._release(half.release)

    def _release(self, order: Order) -> None:
        try:
            self._driver.perform(*order)
        except ConfigNotFound:  # then it could not be pressed either
            return
        except (CameraBusy, CameraRefused) as error:
            words = "The shutter button could not be released. The server opens the camera again and releases it."
            raise OutOfStep(words, gp=error.gp, doing=error.doing) from None

    # -- focus points and magnification

    def _visible(self) -> _Part:
        """The visible part of live view. It is the whole picture again after live view was off."""
        return self._part if self._part_of == self._driver.live_views else _WHOLE

    def _aim(self, point: Point) -> None:
        """Set the focus point; `point` is a point of the visible part of live view."""
        setting = self._quirks.point
        if setting is None:
            _unsupported("The focus point of this camera cannot be set by remote control.")
        part = self._visible()
        whole = part.in_whole(point)
        if self._quirks.zoom != "eoszoom":
            self._set_point(setting, whole)
        else:  # the focus point of a Canon is the centre of the part that would be magnified
            self._part, self._part_of = self._place(part.factor, whole), self._driver.live_views

    def _set_point(self, setting: FocusPoint, point: Point) -> None:
        width, height = setting.size or self._largest_still()
        x, y = _pixel(point.x, width), _pixel(point.y, height)
        self._order((setting.setting, setting.form.format(x=x, y=y)), needs_live_view=True)

    def _largest_still(self) -> tuple[int, int]:
        """The size of the largest still in pixels, which is the size of the coordinate system of focus points."""
        if self._quirks.zoom == "eoszoom":
            size = canon_still(self._driver.identity.model)
        else:
            try:
                choices = self._driver.get_config("imagesize").choices
            except ConfigNotFound:
                choices = ()
            sizes = [(int(match[1]), int(match[2])) for one in choices if (match := _SIZE.fullmatch(one))]
            size = max(sizes, default=None)
        if size is None:
            _unsupported("The size of this camera's pictures is not known, so points cannot be used.")
        return size

    def _place(self, factor: float, point: Point) -> _Part:
        """Move the magnified part, or the focus frame, of a Canon to a point of the whole picture.

        At factor 1 the focus frame has the size of the part at the next factor. Its top left corner is set. The camera
        ignores corners outside the picture, so the part stays inside.
        """
        setting = self._quirks.point
        assert setting is not None
        width, height = self._largest_still()
        part = max(factor, EOS_ZOOMS[1])
        left, top = _corner(point.x, width, part), _corner(point.y, height, part)
        self._order((setting.setting, setting.form.format(x=left, y=top)), needs_live_view=True)
        if factor <= 1:
            return _WHOLE
        return _Part(factor, Point((left + width / part / 2) / width, (top + height / part / 2) / height))

    def _zoom_eos(self, factor: float, point: Point | None) -> _Part:
        if point is not None:
            self._largest_still()  # raises before anything is changed
        chosen = next((zoom for zoom in EOS_ZOOMS if zoom >= factor), EOS_ZOOMS[-1])
        self._order(("eoszoom", str(chosen)), needs_live_view=True)
        if chosen == 1:
            return _WHOLE
        centre = point or self._visible().centre
        return _Part(chosen, None) if centre is None else self._place(chosen, centre)

    def _zoom_ratio(self, factor: float, point: Point | None) -> _Part:
        """Magnify live view of a Nikon, whose settings are shares of the resolution of the sensor."""
        setting = self._quirks.point
        assert setting is not None
        if not self._in_live_view:
            raise LiveViewNeeded(_NO_LIVE_VIEW)
        try:
            choices = self._driver.get_config("liveviewimagezoomratio").choices
        except ConfigNotFound as error:
            _unsupported("Live view of this camera cannot be magnified by remote control.", error)
        try:
            shown = self._largest_still()[0] / checked_size(self._driver.preview(), SMALL_PIXELS)[0]
        except ValueError as error:
            raise CameraIO(f"The camera sent an invalid live-view frame: {error}. Try again.") from error
        # 100% shows each pixel of the sensor as one pixel of the frame.
        shares = {one: int(match[1]) / 100 * shown for one in choices if (match := _PERCENT.fullmatch(one))}
        factors = {1.0: "Entire Display"} | {round(share, 2): one for one, share in shares.items() if share > 1}
        chosen = min((one for one in factors if one >= factor), default=max(factors))
        if point is not None:
            self._set_point(setting, point)
        self._driver.set_config("liveviewimagezoomratio", factors[chosen])
        return _WHOLE if chosen == 1 else _Part(chosen, point or self._visible().centre)


_SIZE = re.compile(r"(\d+)x(\d+)")
_PERCENT = re.compile(r"(\d+)%")


def _unsupported(words: str, cause: CameraError | None = None) -> NoReturn:
    raise NotSupported(words, gp=cause.gp if cause else None) from None


def _says(error: CameraError, words: re.Pattern[str]) -> bool:
    return error.gp is not None and words.search(error.gp.text.lower()) is not None


def _pixel(share: float, size: int) -> int:
    return min(max(int(share * size), 0), size - 1)


def _corner(share: float, size: int, part: float) -> int:
    """The left or top edge, in pixels, of a part of 1/`part` of the size with its centre at `share`."""
    return min(max(round((share - 0.5 / part) * size), 1), int(size - size / part))
