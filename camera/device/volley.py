"""Releases the shutter at a given moment, so that several cameras can be released together.

Each camera has its own process. All of them wait for the same time of CLOCK_MONOTONIC, which is one clock for all
processes of a machine.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import Protocol

from camera.device import kernel
from camera.device.drive_mode import MIRROR_SETTLES_S
from camera.device.driver import Driver
from camera.device.holding import Holding
from camera.device.shutter import TimedRelease
from camera.device.wires import Wire
from camera.errors import (
    CAPTURE_UNKNOWN,
    NO_TIME_FOR_MIRROR,
    CameraBusy,
    CameraError,
    CaptureUnknown,
    ConfigNotFound,
    NotReady,
    NotSupported,
    ShutterStuck,
)
from camera.remote import Fired, OnProgress

# This long before the deadline, the process reads the waiting events again, in seconds: a picture that the camera's own
# button has taken meanwhile would be the first file after the release.
_LOOKS_S = 0.25
# Until this long before the deadline, the process listens to the server, in seconds. Then it sleeps until the deadline,
# because Python needs up to 0.3 ms to return from a wait on a socket.
_LISTENS_S = 0.005
# The kernel may wake the processes of a volley up to this long after the time for which they wait, in seconds. So it wakes
# all of them with one interrupt, at the end of this period, which is the deadline. With exact timers, the first one to
# wake would delay the others (measured on 2 busy cores: a median skew of 2.4 ms instead of 0.2 ms with 4 cameras).
_TOGETHER_S = 0.0005
# A process that wakes later than this does not release the shutter any more, in seconds. Usual are 0.1 ms, and some
# milliseconds on a busy machine.
_TOO_LATE_S = 0.05


_NO_HALF_PRESS = "The shutter button of this camera cannot be half pressed by remote control."


class Trigger(Protocol):
    """Releases the shutter without waiting for the picture."""

    def press(self) -> object:
        """Press the button, or what replaces it. Raises CameraError."""

    def release(self) -> object:
        """Release the button, also if it is half pressed, and also after a failed `press`.

        Raises CameraError if it may still be pressed.
        """


class Volley:
    """Releases the shutter of one open camera at a given moment.

    Args:
        driver: the camera.
        holding: waits for messages of the server.
        wire: releases the shutter instead of the driver, if the camera has one.
    """

    def __init__(self, driver: Driver, holding: Holding, wire: Wire | None) -> None:
        self._driver = driver
        self._holding = holding
        self._wire = wire

    def wire_problem(self) -> str | None:
        """See `RemoteCamera.wire_problem`."""
        if self._wire is not None:
            try:
                self._wire.open()
            except CameraError as error:
                return error.message
        return None

    def plan(self, half_press: bool) -> float:
        """See `RemoteCamera.plan_fire`."""
        if half_press and not self._can_half_press:
            raise NotSupported(_NO_HALF_PRESS)
        self._trigger()
        return self._driver.prepares_s

    def fire(self, at: float, half_press: bool, confirmed: bool, on_progress: OnProgress) -> Fired:
        """See `RemoteCamera.fire`."""
        _check_time(at)
        self._holding.confirmed = not confirmed
        trigger = self._trigger()
        exposure_s = self._driver.exposure_s()
        shot = _Shot(at, trigger)
        with ExitStack() as stack:
            if half_press or trigger is not None:
                # Without a pressed button, the server's end may end this process at once.
                stack.enter_context(self._holding.outliving_the_server(at - time.monotonic() + 2 * exposure_s))

            def prepare(_: float) -> None:
                if shot.commanded_at is not None:  # the camera has refused the release, because it was busy
                    raise CameraBusy("The camera was busy at the deadline, so it was not released.")
                if self._driver.prepares_s and time.monotonic() + MIRROR_SETTLES_S > at:
                    raise NotReady(NO_TIME_FOR_MIRROR)
                on_progress(max(0.0, at - time.monotonic()) + exposure_s)
                if half_press:
                    self._half_press(stack, shot)
                on_progress(max(0.0, at - time.monotonic()) + exposure_s)
                shot.commanded_at = time.monotonic()  # a release that should only raise the mirror may take the picture

            def wait() -> None:
                self._wait(at)
                shot.commanded_at = time.monotonic()

            def press() -> str:
                shot.release()
                return self._first_file(exposure_s)

            files = self._driver.capture(prepare, TimedRelease(wait, None if trigger is None else press))
        assert shot.commanded_at is not None, "there are files"
        return Fired(files, shot.commanded_at, shot.accepted_at)

    def _trigger(self) -> Trigger | None:
        """The fastest way to release the shutter; None if the driver has only its usual capture. Raises CameraError."""
        if self._wire is not None:
            self._wire.open()
            return self._wire
        button = self._driver.quirks.button
        if button is None:
            return None
        with suppress(ConfigNotFound, NotSupported):
            return self._driver.held_button(button)
        return None

    @property
    def _can_half_press(self) -> bool:
        if self._wire is not None:
            return self._wire.has_half_press
        return self._driver.quirks.focus.half_press is not None

    def _half_press(self, stack: ExitStack, shot: _Shot) -> None:
        """Half press the button. At the end of `stack`, it is released, unless `shot` has released it."""
        if not self._can_half_press:
            raise NotSupported(_NO_HALF_PRESS)

        def release() -> None:
            if shot.let_go:
                return
            try:
                self._press_half(False)
            except ConfigNotFound:  # then it could not be pressed either
                return
            except CameraError as error:  # the shutter may have been released
                raise _stuck(error) from None

        stack.callback(release)
        self._press_half(True)

    def _press_half(self, pressed: bool) -> None:
        half = self._driver.quirks.focus.half_press
        if self._wire is not None:
            self._wire.press_half(pressed)
        elif half is not None:
            self._driver.perform(*(half.press if pressed else half.release))

    def _wait(self, at: float) -> None:
        """Return at `at`.

        Raises:
            NotReady: it is too late, or the server has sent a stop message.
            Closing, ChannelClosed: see `Holding.until`.
        """
        _check_time(at)
        waits = time.monotonic() < at - _LOOKS_S
        stopped = self._holding.until(at - _LOOKS_S)
        if waits and not stopped:
            self._driver.read_waiting_events()
        if stopped or self._holding.until(at - _LISTENS_S):
            raise NotReady("The release was cancelled before the deadline, so the camera was not released.")
        if not self._holding.confirmed:
            raise NotReady("The release was not confirmed, so the camera was not released.")
        slack = kernel.timer_slack()
        kernel.prctl(kernel.SET_TIMER_SLACK, int(_TOGETHER_S * 1e9))
        time.sleep(max(0.0, at - _TOGETHER_S - time.monotonic()))
        kernel.prctl(kernel.SET_TIMER_SLACK, slack)
        if time.monotonic() > at + _TOO_LATE_S:
            raise NotReady("The server was too busy at the deadline, so the camera was not released.")

    def _first_file(self, exposure_s: float) -> str:
        # Noise reduction takes as long as the exposure. `until` notices the end of the server.
        path = self._driver.wait_for_file(2 * exposure_s, lambda: self._holding.until(0.0))
        if path is None:
            raise CaptureUnknown(CAPTURE_UNKNOWN, doing="fire", reason="No file appeared after the release.")
        return path


class _Shot:
    """One release: the times when it was commanded and accepted, in monotonic seconds, and whether it has ended."""

    def __init__(self, at: float, trigger: Trigger | None) -> None:
        self.commanded_at: float | None = None
        self.accepted_at: float | None = None
        self.let_go = False
        self._at = at
        self._trigger = trigger

    def release(self) -> None:
        """Press the button and release it again, also if it was half pressed before.

        Raises:
            ShutterStuck: the button may still be pressed.
            CameraError: the button could not be pressed, and is released.
        """
        assert self._trigger is not None
        try:
            self._trigger.press()
            self.accepted_at = time.monotonic()
        finally:
            try:
                self._trigger.release()
            except ShutterStuck:
                raise
            except CameraError as error:
                raise _stuck(error) from None
            self.let_go = True


def _stuck(error: CameraError) -> ShutterStuck:
    return ShutterStuck(CAPTURE_UNKNOWN, gp=error.gp, doing="fire", reason=error.message)


def _check_time(at: float) -> None:
    late_s = time.monotonic() - at
    if late_s > 0:
        words = f"The camera was ready {late_s * 1000:.0f} ms after the deadline, so it was not released."
        raise NotReady(words)
