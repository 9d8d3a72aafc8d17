"""The movie that this process records: its timer, and its end whatever happens to the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from camera.channel import ChannelClosed
from camera.device.driver import Driver
from camera.device.holding import Holding
from camera.device.movie import Movie
from camera.errors import CameraError, CameraRecording, NoMovie
from camera.events import MovieEnded, MovieStarted
from camera.model import ConfigItem, MovieEnd
from camera.remote import OnProgress, ignore_progress
from camera.values import WantedValue

_log = logging.getLogger("camera.device.recording")

# How often the camera is asked whether it still records, in seconds. A Canon answers from the driver's cache.
_LOOK_EVERY_S = 1.0
# Settings that would end the movie or release the shutter: orders, and those of live view and of the camera's mode.
_KEPT = frozenset((
    "movie", "movierecordtarget", "viewfinder", "output", "evfmode", "capturetarget", "bulb", "capture", "eosremoterelease",
    "opcode", "eosmoviemode", "applicationmode", "controlmode", "recordingmedia", "autofocus", "expprogram",
    "autoexposuremode",
))  # fmt: skip


@dataclass(slots=True)
class _Running:
    started: float  # monotonic seconds
    ends: float
    event: MovieStarted
    look_due: float


class Recording:
    """Records at most one movie at a time.

    Args:
        driver: the camera.
        movie: starts and stops movies.
        holding: keeps the process alive if the server ends.
        send: sends an event to the server.
    """

    def __init__(
        self, driver: Driver, movie: Movie, holding: Holding, send: Callable[[MovieStarted | MovieEnded], None]
    ) -> None:
        self._driver = driver
        self._movie = movie
        self._holding = holding
        self._send = send
        self._running: _Running | None = None

    @property
    def running(self) -> bool:
        """Whether a movie is in progress."""
        return self._running is not None

    @property
    def due(self) -> float:
        """When `check` has to be called next, in monotonic seconds; infinite without a movie."""
        running = self._running
        return float("inf") if running is None else min(running.ends, running.look_due)

    # -- the verbs

    def start(self, max_s: float, on_progress: OnProgress = ignore_progress) -> None:
        """See `RemoteCamera.start_movie`."""
        self._refuse_during_a_movie()
        self._holding.hold(max_s)  # from now on, because the server may end while the movie starts
        try:
            self._movie.start(lambda: on_progress(0.0))
        except BaseException:
            self._holding.let_go()
            raise
        now, clock = time.monotonic(), datetime.now(UTC)
        ends_at = clock + timedelta(seconds=max_s)
        event = MovieStarted(
            max_s, clock.isoformat(timespec="milliseconds"), ends_at.isoformat(timespec="milliseconds")
        )
        self._running = _Running(now, now + max_s, event, now + _LOOK_EVERY_S)
        self._send(event)

    def stop(self) -> None:
        """See `RemoteCamera.stop_movie`."""
        if self._running is None:
            raise NoMovie("No movie is in progress.")
        self._end("stopped")

    def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """See `RemoteCamera.set_config`. Rejects values that would end the movie."""
        if name.rpartition("/")[2] in _KEPT:
            self._refuse_during_a_movie()
        return self._driver.set_config(name, value)

    # -- the timer

    def check(self) -> None:
        """Stop the movie if its time is over, and report it if the camera has ended it.

        Raises:
            CameraError: the movie could not be stopped.
        """
        running = self._running
        if running is None:
            return
        now = time.monotonic()
        if now >= running.ends:
            self._end("max_s")
        elif now >= running.look_due:
            running.look_due = now + _LOOK_EVERY_S
            try:
                recording = self._movie.recording()
            except CameraError:  # if the camera is lost, the next look for events shows it
                return
            if recording is False:
                full = self._movie.card_is_full()
                self._movie.ended()
                self._over("card_full" if full else "camera")

    def stop_at_the_end(self) -> None:
        """Called when the process ends: stop a movie that is in progress, in the time that is left."""
        if self._running is None:
            return
        self._holding.limit_the_rest()
        try:
            self._movie.stop()
        except CameraError as error:
            _log.warning("Movie could not be stopped: %s", error)
        with suppress(ChannelClosed):
            self._over("stopped")

    def _end(self, reason: MovieEnd) -> None:
        self._movie.stop()
        self._over(reason)

    def _over(self, reason: MovieEnd) -> None:
        running, self._running = self._running, None
        assert running is not None, "a movie was in progress"
        self._send(MovieEnded(round(time.monotonic() - running.started, 3), reason))
        self._holding.let_go()

    def _refuse_during_a_movie(self) -> None:
        if (running := self._running) is not None:
            event = running.event
            words = f"The camera records a movie until {event.ends_at} at most."
            raise CameraRecording(words, started_at=event.started_at, ends_at=event.ends_at)
