"""Gives callers access to a camera, one after the other, and refuses it to clients during a bulb exposure."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from camera.errors import CameraDisconnected, CameraError, CameraExposing
from camera.events import ExposureEnded, ExposureStarted
from camera.remote import RemoteCamera


class Turns:
    """A lock that callers get in the order of their requests. `refuse` rejects all callers that are not `patient`."""

    def __init__(self) -> None:
        self._refusal: CameraError | None = None
        self._taken = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    @property
    def taken(self) -> bool:
        """Whether a caller has the lock now."""
        return self._taken

    async def take(self, patient: bool) -> None:
        """Wait for the lock. Until `allow`, raises the error of `refuse`, unless `patient`."""
        if self._refusal is not None and not patient:
            raise self._refusal
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, patient))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it had just got the lock
                self.give_back()
            raise

    def give_back(self) -> None:
        """Release the lock. The caller that has waited longest gets it."""
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False

    def refuse(self, error: CameraError) -> None:
        """Raise an error for all callers that are not patient: those that wait now, and new ones until `allow`."""
        self._refusal = error
        for turn, patient in self._waiting:
            if not patient and not turn.done():
                turn.set_exception(error)

    def allow(self) -> None:
        """End the effect of `refuse`."""
        self._refusal = None


@dataclass(frozen=True, slots=True)
class Access:
    """Exclusive access to a camera.

    Attributes:
        for_client: for the request of a client. Raises CameraExposing during a bulb exposure.
        patient: for work that no client waits for. Waits until the exposure has ended.
    """

    for_client: Callable[[], AbstractAsyncContextManager[RemoteCamera]]
    patient: Callable[[], AbstractAsyncContextManager[RemoteCamera]]


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
