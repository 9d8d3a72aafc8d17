"""Gives callers access to a camera, one after the other, and refuses it during bulb exposures and movies."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from camera.errors import CameraDisconnected, CameraError, CameraExposing, CameraRecording
from camera.events import ExposureEnded, ExposureStarted, MovieEnded, MovieStarted
from camera.remote import RemoteCamera


class Turns:
    """A lock that callers get in the order of their requests. `refuse` rejects the callers that are not `patient`."""

    def __init__(self) -> None:
        self._refusal: CameraError | None = None
        self._for_movie = False  # whether the refusal is because of a movie
        self._patience: asyncio.Event | None = None  # during a movie, patient callers wait for this
        self._taken = False
        self._waiting: deque[tuple[asyncio.Future[None], bool, bool]] = deque()

    @property
    def taken(self) -> bool:
        """Whether a caller has the lock now."""
        return self._taken

    async def take(self, patient: bool, in_movie: bool = False) -> None:
        """Wait for the lock. Until `allow`, raises the error of `refuse`, unless `patient`.

        Args:
            patient: whether to wait until a bulb exposure or a movie is over.
            in_movie: whether the caller may use the camera while it records, or writes, a movie.
        """
        while True:
            if patient and not in_movie and self._patience is not None:
                await self._patience.wait()
            await self._take(patient, in_movie)
            if in_movie or not patient or self._patience is None:
                return
            self.give_back()  # a movie has started meanwhile

    async def _take(self, patient: bool, in_movie: bool) -> None:
        if self._refusal is not None and not patient and not (in_movie and self._for_movie):
            raise self._refusal
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, patient, in_movie))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it had just got the lock
                self.give_back()
            raise

    def give_back(self) -> None:
        """Release the lock. The caller that has waited longest gets it."""
        while self._waiting:
            turn, _, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False

    def refuse(self, error: CameraError, for_movie: bool = False) -> None:
        """Raise an error for all callers that are not patient: those that wait now, and new ones until `allow`.

        Args:
            error: the error.
            for_movie: whether callers with `in_movie` are admitted.
        """
        self._refusal, self._for_movie = error, for_movie
        for turn, patient, in_movie in self._waiting:
            if not patient and not (in_movie and for_movie) and not turn.done():
                turn.set_exception(error)

    def hold_back(self) -> None:
        """Let patient callers wait until `allow`, because nobody else holds the lock meanwhile."""
        self._patience = self._patience or asyncio.Event()

    def allow(self) -> None:
        """End the effect of `refuse` and `hold_back`."""
        self._refusal, self._for_movie = None, False
        if self._patience is not None:
            self._patience.set()
            self._patience = None


@dataclass(frozen=True, slots=True)
class Access:
    """Exclusive access to a camera.

    Attributes:
        for_client: for the request of a client. Raises CameraBusy during a bulb exposure or a movie.
        patient: for work that no client waits for. Waits until the exposure or the movie is over.
        in_movie: also during a movie. Raises CameraBusy during a bulb exposure.
    """

    for_client: Callable[[], AbstractAsyncContextManager[RemoteCamera]]
    patient: Callable[[], AbstractAsyncContextManager[RemoteCamera]]
    in_movie: Callable[[], AbstractAsyncContextManager[RemoteCamera]]


class BulbExposure:
    """The bulb exposure of a camera. During it, clients get no access to the camera.

    Attributes:
        running: the exposure, from the opening of the shutter until its files are known.
        opened: completes when the shutter has opened, or when the photo in progress has ended.
        ended: completes with the length of the exposure in seconds, or with an error after a loss of the camera.
    """

    def __init__(self, turns: Turns) -> None:
        self.running: ExposureStarted | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._turns = turns
        self._opened_at: float | None = None

    def started(self, event: ExposureStarted) -> None:
        """Called when the shutter has opened."""
        self.running, self._opened_at = event, time.monotonic()
        self.ended = asyncio.get_running_loop().create_future()
        self._complete_opened()
        words = f"The camera makes a bulb exposure until {event.ends_at}."
        self._turns.refuse(CameraExposing(words, ends_at=event.ends_at))

    def closed(self, exposed_s: float) -> None:
        """Called when the shutter has closed."""
        self._opened_at = None
        if not self.ended.done():
            self.ended.set_result(exposed_s)
        self._turns.refuse(CameraExposing("The camera still processes the picture of a bulb exposure."))

    def finished(self) -> None:
        """Called when no photo is being taken any more."""
        self._complete_opened()
        if self.running is not None:
            if not self.ended.done():
                words = "The shutter could not be closed. The server opens the camera again, which closes it."
                self._fail(CameraError(words))
            self.running = None
            self._turns.allow()

    def lost(self) -> None:
        """Called when the camera was lost."""
        if not self.ended.done() and self.running is not None:
            words = "The camera was lost during the exposure. The server closes the shutter when it connects again."
            self._fail(CameraDisconnected(words))
        self.finished()

    def _complete_opened(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)
        self.opened = asyncio.get_running_loop().create_future()

    def _fail(self, error: CameraError) -> None:
        self.ended.set_exception(error)
        self.ended.exception()  # so that asyncio does not report it as never retrieved

    def interrupted(self) -> ExposureEnded | None:
        """Called when the camera was opened again, which closes the shutter. Returns the end of a lost exposure."""
        opened_at, self._opened_at = self._opened_at, None
        return None if opened_at is None else ExposureEnded(round(time.monotonic() - opened_at, 3), aborted=True)


class MovieInProgress:
    """The movie of a camera. During it, clients get only limited access to the camera.

    Attributes:
        running: the movie, while the camera records.
        active: whether the camera records, or its file is awaited.
    """

    def __init__(self, turns: Turns) -> None:
        self.running: MovieStarted | None = None
        self.active = False
        self._turns = turns
        self._started_at: float | None = None

    def started(self, event: MovieStarted) -> None:
        """Called when the camera has started to record."""
        self.running, self.active, self._started_at = event, True, time.monotonic()
        words = f"The camera records a movie until {event.ends_at} at most."
        self._turns.hold_back()
        self._turns.refuse(CameraRecording(words, started_at=event.started_at, ends_at=event.ends_at), for_movie=True)

    def ended(self) -> None:
        """Called when the camera no longer records."""
        self.running, self._started_at = None, None
        self._turns.refuse(CameraRecording("The camera still writes the file of a movie."), for_movie=True)

    def finished(self) -> None:
        """Called when the file is known, or no longer awaited."""
        if self.active:
            self.running, self.active = None, False
            self._turns.allow()

    def interrupted(self) -> MovieEnded | None:
        """Called when the camera was opened again, which stops a movie. Returns the end of a lost movie."""
        started_at, self._started_at = self._started_at, None
        return None if started_at is None else MovieEnded(round(time.monotonic() - started_at, 3), "interrupted")
