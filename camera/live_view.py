"""Live view of one camera: one producer for everybody, the newest frame for each viewer at its own rate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from camera.errors import CameraError, NotSupported
from camera.model import Frame
from camera.orientation import Orientation

_log = logging.getLogger("camera.live_view")

# A page that is loaded again, or the next guest: the mirror need not go down and up for that.
_LINGER_S = 1.0
_RESUME_TRIES, _RESUME_PAUSE_S = 5, 1.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What the camera process is asked for: frames a second at most, and each frame turned in these ways."""

    fps: float
    orientations: frozenset[Orientation]

    def serves(self, other: Feed) -> bool:
        """Whether everything the other one wants is in this one."""
        return self.fps >= other.fps and self.orientations >= other.orientations


class Viewer(Protocol):
    """Somebody who watches. `fps` is the highest rate wanted, in frames per second; `turn` how the picture is wanted."""

    fps: float
    orientation: Orientation

    def offer(self, frame: Frame) -> None:
        """Take a frame, now and without waiting; whoever is not ready loses it."""

    def ended(self, reason: str) -> None:
        """No more frames will come."""


class _ViewerState:
    """A viewer and when its next frame is due."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.ready = False
        self.end_reason: str | None = None
        self._due = 0.0

    def offer(self, frame: Frame, now: float, period: float) -> None:
        """Pass the frame on unless it comes more than half a source frame too early for this viewer."""
        if now + period / 2 < self._due:
            return
        # One interval from when it was due keeps the average rate; never from long ago, that would make a burst.
        self._due = max(self._due, now - period) + 1 / self.viewer.fps
        self.viewer.offer(frame)


class LiveView:
    """The stream of one camera.

    Args:
        switch: starts or changes live view at the camera, or ends it (None).
    """

    def __init__(self, switch: Callable[[Feed | None], Awaitable[None]]) -> None:
        self._switch = switch
        self._viewers: dict[Viewer, _ViewerState] = {}
        self._switching = asyncio.Lock()
        self._feed: Feed | None = None
        self._linger: asyncio.Task[None] | None = None
        self._last_at: dict[Orientation, float] = {}
        self._left_at = 0.0
        self.last_seq = 0

    @property
    def running(self) -> bool:
        """Whether live view is on at the camera, as far as we know."""
        return self._feed is not None

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    async def add(self, viewer: Viewer, started: Callable[[], Awaitable[None]]) -> None:
        """Let somebody watch.

        Args:
            viewer: gets the frames from now on.
            started: awaited once live view runs, before the first frame goes to this viewer.

        Raises:
            CameraError: live view could not be started; nobody was added.
        """
        async with self._switching:
            wanted = _feed_of((*self._viewers, viewer))
            if self._feed is None or not self._feed.serves(wanted):
                await self._switch(wanted)
                self._feed = wanted
            state = self._viewers[viewer] = _ViewerState(viewer)
        # Outside: a client that is slow to take its reply must not keep others from starting.
        try:
            await started()
        except BaseException:
            self.remove(viewer)  # nobody may be left to watch what was just started
            raise
        if state.end_reason is not None:
            viewer.ended(state.end_reason)
        state.ready = True

    def remove(self, viewer: Viewer) -> None:
        """Let somebody go; a second later the camera does no more than the others need, without any it is off."""
        self._viewers.pop(viewer, None)
        self._left_at = time.monotonic()
        if self.running and (self._linger is None or self._linger.done()):
            self._linger = asyncio.create_task(self._reduce_after_linger(), name="live view linger")

    def publish(self, frame: Frame) -> None:
        """Offer a new frame to everybody who wants it turned like this and whose turn it is."""
        self.last_seq = frame.seq
        now = time.monotonic()
        period = min(now - self._last_at.get(frame.orientation, 0.0), 0.2)
        self._last_at[frame.orientation] = now
        for state in tuple(self._viewers.values()):
            if state.ready and state.viewer.orientation == frame.orientation:
                state.offer(frame, now, period)

    def paused(self) -> None:
        """The camera is gone for the moment; `resume` follows once it is back."""
        self._feed = None

    async def resume(self) -> None:
        """Start again for those who still watch. They are told when the camera cannot any more."""
        async with self._switching:
            if not self._viewers or self._feed is not None:
                return
            wanted = _feed_of(self._viewers)
            for attempt in range(1, _RESUME_TRIES + 1):
                try:
                    await self._switch(wanted)
                except CameraError as error:
                    _log.warning("Live view could not be restarted: %s", error)
                    if isinstance(error, NotSupported) or attempt == _RESUME_TRIES:
                        break
                    await asyncio.sleep(_RESUME_PAUSE_S)  # a camera that is lost again ends this task here
                else:
                    self._feed = wanted
                    return
            self.end("camera_error")

    def end(self, reason: str) -> None:
        """Tell every viewer that it is over."""
        viewers, self._viewers = self._viewers, {}
        for viewer, state in viewers.items():
            if state.ready:
                viewer.ended(reason)
            else:
                state.end_reason = reason  # told once it knows that it began

    async def stop(self) -> None:
        """End the pending switch-off, if any. The camera is released elsewhere."""
        if self._linger is not None:
            self._linger.cancel()
            await asyncio.wait((self._linger,))

    async def _reduce_after_linger(self) -> None:
        rest = _LINGER_S
        while rest > 0:  # somebody may have come and gone meanwhile
            await asyncio.sleep(rest)
            rest = self._left_at + _LINGER_S - time.monotonic()
        for _ in range(_RESUME_TRIES):
            async with self._switching:
                wanted = _feed_of(self._viewers) if self._viewers else None
                if self._feed is None or wanted == self._feed:
                    return
                try:
                    await self._switch(wanted)
                except CameraError as error:  # busy: the mirror must not stay up for ever
                    _log.info("Live view could not be changed to %s: %s", wanted, error)
                else:
                    self._feed = wanted
                    return
            await asyncio.sleep(_RESUME_PAUSE_S)


def _feed_of(viewers: Iterable[Viewer]) -> Feed:
    """What all of them need together."""
    all_viewers = tuple(viewers)
    return Feed(max(viewer.fps for viewer in all_viewers), frozenset(viewer.orientation for viewer in all_viewers))
