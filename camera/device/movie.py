"""Movies: starts and stops them, and finds out whether the camera still records. Runs in the camera process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from camera.device.driver import Driver
from camera.errors import (
    CameraBusy,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraRefused,
    CameraTimeout,
    CardFull,
    ConfigNotFound,
    ConfigReadonly,
    MovieStuck,
    MovieUnavailable,
    NotSupported,
)
from camera.model import ConfigItem, ConfigValue

_log = logging.getLogger("camera.device.movie")


@dataclass(frozen=True, slots=True)
class _Switch:
    """The setting that starts and stops movies.

    Attributes:
        setting, on, off: its name, and its values for recording and for the end of it.
        shows_state: whether its value shows if the camera records.
        needs_viewfinder: whether live view must run before. Other drivers switch it on by themselves.
    """

    setting: str
    on: ConfigValue
    off: ConfigValue
    shows_state: bool = False
    needs_viewfinder: bool = False


# In the order in which they are tried: Canon EOS; Nikon, Sony, Panasonic and cameras with InitiateOpenCapture (libgphoto2
# camlibs/ptp2/config.c). While a Canon does not record, its value is "None" or "SDRAM".
_SWITCHES = (
    _Switch("movierecordtarget", "Card", "None", shows_state=True, needs_viewfinder=True),
    _Switch("movie", 1, 0),
)
# The property of a Nikon with the reasons why no movie can be started now, and its bit for a movie in progress.
_PROHIBITED, _RECORDS = "d0a4", 1 << 10
_PROHIBITED_IN_WORDS, _RECORDS_IN_WORDS = "movieprohibit", "already in movie recording"
# A Nikon with this setting shows no files on its card while it has the value 1. Its first choice is 0; without choices it
# is a text.
_APPLICATION_MODE, _NO_APPLICATION = "applicationmode", "0"

# A Canon needs live view for this time before it records. Before that, some bodies accept the order and ignore it
# (libgphoto2 issue 489).
_LIVE_VIEW_S = 1.0
# How long a Canon may need to report that it records or that it has stopped, in seconds.
_REPORT_S = 3.0
_EVENT_MS = 50
# How long a busy camera is asked again to stop, in seconds; how often a camera that refuses is asked, and the pause.
_STOP_S, _STOP_TRIES, _STOP_PAUSE_S = 10.0, 3, 0.3
# About one second of a movie in the best quality. A camera with less free space does not start.
_LEAST_BYTES = 64 * 2**20

_SWITCH_TO_MOVIES = "Switch the camera to movies, with its own switch, its mode dial or its menu."
# What libgphoto2 reports if a Nikon cannot start a movie (camlibs/ptp2/config.c, _put_Nikon_Movie), and what to do.
_PROHIBITIONS: tuple[tuple[str, str, str], ...] = (
    ("no card", "The camera has no card.", "Insert a card."),
    ("card error", "The card of the camera has an error.", "Change the card."),
    ("card not formatted", "The card is not formatted.", "Format the card in the camera."),
    ("card protected", "The card is write-protected.", "Slide the lock of the card."),
    ("already in movie recording", "The camera already records a movie, which was started with its own button.",
     "Stop it with the camera's own button."),
    ("in enlarged liveview", "Live view is magnified.", "Show the whole picture in live view."),
    ("set liveview selector", "The camera is set to pictures.", "Turn the live view selector of the camera to movies."),
    ("not in application mode", "The camera is not ready for movies.", _SWITCH_TO_MOVIES),
)  # fmt: skip


class Movie:
    """Movies with one open camera.

    Args:
        driver: the camera.
        streaming: whether live-view frames are being sent.
    """

    def __init__(self, driver: Driver, streaming: Callable[[], bool]) -> None:
        self._driver = driver
        self._streaming = streaming

    def start(self, starting: Callable[[], None]) -> None:
        """Start a movie.

        Args:
            starting: called just before the movie may run.

        Raises:
            MovieUnavailable, CardFull, NotSupported, CameraBusy: no movie was started.
            CameraError: the movie may run.
        """
        switch = self._switch()
        self._check_mode(switch)
        self._check_card()
        was_on = self._driver.viewfinder_on
        if switch.needs_viewfinder:
            if not was_on:
                self._driver.viewfinder(True)
            self._wait(_LIVE_VIEW_S - self._driver.live_view_s)
        starting()
        try:
            if not self._driver.perform(switch.setting, switch.on):
                raise CameraBusy("The camera was busy for too long, and no movie was started. Wait a moment.")
            if switch.shows_state and not self._becomes(switch, True):
                _unavailable("The camera did not start a movie.", _SWITCH_TO_MOVIES)
        except CameraError as error:
            if not _is_lost(error):
                self._undo(switch, was_on)
            raise _explained(error, switch) from None
        # Drivers that switch live view on for the movie do not report that.
        self._driver.live_view_was_switched_on()

    def stop(self) -> None:
        """Stop the movie. If it has ended already, this has no effect.

        Raises:
            MovieStuck: the camera refuses.
            CameraError: the connection failed.
        """
        self._stop(self._switch())
        self.ended()

    def ended(self) -> None:
        """Called when the movie has ended: switch live view off, unless frames are being sent."""
        if self._driver.viewfinder_on and not self._streaming():
            with suppress(NotSupported, CameraBusy):
                self._driver.viewfinder(False)

    def recording(self) -> bool | None:
        """Whether the camera records; None if it does not report that.

        Raises:
            CameraError: the connection failed.
        """
        switch = self._switch()
        if switch.shows_state:
            return self._driver.get_config(switch.setting).value == switch.on
        words = self._item(_PROHIBITED_IN_WORDS)
        if words is not None:
            return _RECORDS_IN_WORDS in str(words.value).lower()
        number = self._item(_PROHIBITED)
        if number is not None and str(number.value).isdecimal():
            return bool(int(str(number.value)) & _RECORDS)
        return None

    def card_is_full(self) -> bool:
        """Whether the card has no space for a movie, as far as the camera reports it."""
        try:
            cards = self._driver.storage()
        except CameraError:
            return False
        return bool(cards) and all(card.free is not None and card.free < _LEAST_BYTES for card in cards)

    def _check_card(self) -> None:
        try:
            cards = self._driver.storage()
        except NotSupported:
            return
        if cards and all(card.read_only for card in cards):
            _unavailable("The card is write-protected.", "Slide the lock of the card.")
        if cards and all(card.free is not None and card.free < _LEAST_BYTES for card in cards):
            raise CardFull("The card is full, so no movie was started. Delete files or change the card.")

    def _switch(self) -> _Switch:
        for switch in _SWITCHES:
            if self._item(switch.setting) is not None:
                return switch
        raise NotSupported("Movies of this camera cannot be started by remote control.")

    def _check_mode(self, switch: _Switch) -> None:
        item = self._driver.get_config(switch.setting)
        if item.readonly or (item.choices and switch.on not in item.choices):
            _unavailable("The camera does not record movies in its current mode.", _SWITCH_TO_MOVIES)

    def _item(self, name: str) -> ConfigItem | None:
        with suppress(ConfigNotFound, NotSupported):
            return self._driver.get_config(name)
        return None

    def _becomes(self, switch: _Switch, on: bool) -> bool:
        """Wait until the camera reports that it records, or no longer; returns whether it did in time."""
        deadline = time.monotonic() + _REPORT_S
        while (self._driver.get_config(switch.setting).value == switch.on) is not on:
            if time.monotonic() > deadline:
                return False
            self._driver.next_event(_EVENT_MS)
        return True

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._driver.next_event(min(_EVENT_MS, int(left * 1000) + 1))

    def _stop(self, switch: _Switch) -> None:
        deadline, tries = time.monotonic() + _STOP_S, 0
        while True:
            tries += 1
            try:
                complete = self._driver.perform(switch.setting, switch.off)
                if not switch.shows_state:
                    if not complete:
                        self._leave_application_mode()
                    return
                if self._becomes(switch, False):
                    return
                error: CameraError = CameraBusy("The camera still records.")
            except CameraError as failed:
                error = failed
            if _is_lost(error):
                raise error
            # A Nikon refuses the order if the movie has ended, and the driver remembers its state for 2 s.
            if not isinstance(error, CameraBusy) and not switch.shows_state and self._ended_by_itself():
                self._leave_application_mode()
                return
            if time.monotonic() > deadline or (tries >= _STOP_TRIES and not isinstance(error, CameraBusy)):
                raise MovieStuck(
                    "The movie could not be stopped. The server opens the camera again, which stops it.",
                    gp=error.gp, doing="stop_movie",
                )  # fmt: skip
            time.sleep(_STOP_PAUSE_S)

    def _ended_by_itself(self) -> bool:
        deadline = time.monotonic() + _REPORT_S
        while (recording := self.recording()) and time.monotonic() < deadline:
            self._wait(_STOP_PAUSE_S)
        return recording is False

    def _leave_application_mode(self) -> None:
        """Let a Nikon show its files again. After a movie without errors, the driver has done this."""
        with suppress(ConfigNotFound, NotSupported, CameraBusy, CameraRefused):
            choices = self._driver.get_config(_APPLICATION_MODE).choices
            self._driver.perform(_APPLICATION_MODE, choices[0] if choices else _NO_APPLICATION)

    def _undo(self, switch: _Switch, was_on: bool) -> None:
        """After a refused start: make sure that no movie runs, and switch live view off if it was off."""
        with suppress(CameraError):
            if switch.shows_state:
                self._driver.perform(switch.setting, switch.off)
            else:
                self._leave_application_mode()
        if not was_on:
            with suppress(CameraError):
                self._driver.viewfinder(False)


def stop_left_over(driver: Driver) -> None:
    """Stop a movie that an earlier process may have left running. Without effect if the camera does not record.

    Raises:
        CameraError: the camera is busy, or the connection failed, so the camera has to be opened again.
    """
    movie = Movie(driver, lambda: False)
    try:
        recording = movie.recording()
    except NotSupported:
        return
    if recording is False:
        return
    try:
        movie.stop()
    except MovieStuck as error:
        if recording:
            raise
        _log.info("No movie was stopped: %s", error.gp or error)  # none was running, as far as is known
    else:
        _log.warning("Movie stopped, because an earlier process may have left it running")


def _is_lost(error: CameraError) -> bool:
    return isinstance(error, CameraIO | CameraTimeout | CameraDisconnected)


def _explained(error: CameraError, switch: _Switch) -> CameraError:
    """The error of a refused start, with what to do about it."""
    text = error.gp.text.lower() if error.gp is not None else ""
    if "card full" in text:
        return CardFull("The card is full, so no movie was started. Delete files or change the card.", gp=error.gp)
    for mark, what, how in _PROHIBITIONS:
        if mark in text:
            return MovieUnavailable(f"{what} {how}", gp=error.gp, doing="start_movie", how=how)
    # A Canon that is set to pictures answers that it is busy (libgphoto2 issue 593).
    if isinstance(error, ConfigReadonly | CameraRefused) or (isinstance(error, CameraBusy) and switch.shows_state):
        what = "The camera refused to start a movie."
        return MovieUnavailable(f"{what} {_SWITCH_TO_MOVIES}", gp=error.gp, doing="start_movie", how=_SWITCH_TO_MOVIES)
    return error


def _unavailable(what: str, how: str) -> NoReturn:
    raise MovieUnavailable(f"{what} {how}", how=how)
