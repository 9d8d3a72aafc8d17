"""Live view of one camera: one source for all viewers; each viewer gets the newest frame at its own rate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from camera.errors import CameraError, CameraExposing, NotSupported
from camera.model import Frame
from camera.orientation import Orientation

_log = logging.getLogger("camera.live_view")

# Live view stays on this long after the last viewer was removed, in seconds. If a page is reloaded or another viewer
# starts in this time, the mirror does not have to move down and up again.
_LINGER_S = 1.0
_RESUME_TRIES, _RESUME_PAUSE_S = 5, 1.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What is requested from the camera process: the highest frame rate in frames per second, and the orientations.

    Each frame is sent once in each of the orientations.
    """

    fps: float
    orientations: frozenset[Orientation]

    def serves(self, other: Feed) -> bool:
        """Whether this feed contains everything that the other feed needs."""
        return self.fps >= other.fps and self.orientations >= other.orientations


class Viewer(Protocol):
    """A viewer. `fps` is its highest frame rate in frames per second; `orientation` is that of its frames."""

    fps: float
    orientation: Orientation

    def offer(self, frame: Frame) -> None:
        """Accept a frame without waiting, or skip it if the viewer is not ready."""

    def ended(self, reason: str) -> None:
        """Called when no more frames follow; `reason` is an error code."""


class _ViewerState:
    """A viewer, and when its next frame is due."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.ready = False
        self.end_reason: str | None = None
        self._due = 0.0

    def offer(self, frame: Frame, now: float, period: float) -> None:
        """Pass the frame to the viewer, unless the viewer's next frame is due more than half a `period` later.

        Args:
            frame: the frame.
            now: the current monotonic time.
            period: seconds between the camera's frames.
        """
        if now + period / 2 < self._due:
            return
        # Counting from the due time, not from now, keeps the average rate. A due time that is long past is not used,
        # because it would cause a burst of frames.
        self._due = max(self._due, now - period) + 1 / self.viewer.fps
        self.viewer.offer(frame)


class LiveView:
    """The live view of one camera.

    Args:
        switch: called with a feed, starts or changes live view on the camera; called with None, stops it.
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
        """Whether live view was switched on, and is not known to have ended."""
        return self._feed is not None

    @property
    def viewers(self) -> int:
        """The number of viewers."""
        return len(self._viewers)

    async def add(self, viewer: Viewer, started: Callable[[], Awaitable[None]]) -> None:
        """Add a viewer.

        Args:
            viewer: receives the frames from now on.
            started: awaited when live view runs, before this viewer gets its first frame.

        Raises:
            CameraError: live view could not be started; the viewer was not added.
        """
        async with self._switching:
            wanted = _feed_of((*self._viewers, viewer))
            if self._feed is None or not self._feed.serves(wanted):
                await self._switch(wanted)
                self._feed = wanted
            state = self._viewers[viewer] = _ViewerState(viewer)
        # Outside the lock, so that a client that reads its reply slowly does not delay others.
        try:
            await started()
        except BaseException:
            self.remove(viewer)  # otherwise live view might stay on without a viewer
            raise
        if state.end_reason is not None:
            viewer.ended(state.end_reason)
        state.ready = True

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer.

        A second later, live view is reduced to what the remaining viewers need, or switched off if there are none.
        """
        self._viewers.pop(viewer, None)
        self._left_at = time.monotonic()
        if self.running and (self._linger is None or self._linger.done()):
            self._linger = asyncio.create_task(self._reduce_after_linger(), name="live view linger")

    def publish(self, frame: Frame) -> None:
        """Offer a new frame to each viewer that wants this orientation and whose next frame is due."""
        self.last_seq = frame.seq
        now = time.monotonic()
        period = min(now - self._last_at.get(frame.orientation, 0.0), 0.2)
        self._last_at[frame.orientation] = now
        for state in tuple(self._viewers.values()):
            if state.ready and state.viewer.orientation == frame.orientation:
                state.offer(frame, now, period)

    def paused(self) -> None:
        """Called when the camera is disconnected. `resume` is called when it is connected again."""
        self._feed = None

    async def resume(self) -> None:
        """Start live view again for the remaining viewers. If that is not possible, their streams end."""
        tries = 0
        while True:
            async with self._switching:
                if not self._viewers or self._feed is not None:
                    return
                wanted = _feed_of(self._viewers)
                try:
                    await self._switch(wanted)
                except CameraExposing:
                    pass  # tried again after the exposure; meanwhile others must not wait for the lock
                except CameraError as error:
                    _log.warning("Live view could not be restarted: %s", error)
                    tries += 1
                    if isinstance(error, NotSupported) or tries == _RESUME_TRIES:
                        self.end("camera_error")
                        return
                else:
                    self._feed = wanted
                    return
            await asyncio.sleep(_RESUME_PAUSE_S)  # if the camera is lost again, this task is cancelled here

    def end(self, reason: str) -> None:
        """End the stream of every viewer."""
        viewers, self._viewers = self._viewers, {}
        for viewer, state in viewers.items():
            if state.ready:
                viewer.ended(reason)
            else:
                state.end_reason = reason  # `add` calls the viewer's `ended` after `started` has returned

    async def stop(self) -> None:
        """Cancel a pending change of live view. Live view on the camera ends when the camera process is closed."""
        if self._linger is not None:
            self._linger.cancel()
            await asyncio.wait((self._linger,))

    async def _reduce_after_linger(self) -> None:
        rest = _LINGER_S
        while rest > 0:  # another viewer may have been removed during the sleep
            await asyncio.sleep(rest)
            rest = self._left_at + _LINGER_S - time.monotonic()
        tries = 0
        while tries < _RESUME_TRIES:
            async with self._switching:
                wanted = _feed_of(self._viewers) if self._viewers else None
                if self._feed is None or wanted == self._feed:
                    return
                try:
                    await self._switch(wanted)
                except CameraExposing:
                    pass  # tried again after the exposure; meanwhile others must not wait for the lock
                except CameraError as error:  # tried again, because the mirror must not stay up
                    tries += 1
                    _log.info("Live view could not be changed to %s: %s", wanted, error)
                else:
                    self._feed = wanted
                    return
            await asyncio.sleep(_RESUME_PAUSE_S)


def _feed_of(viewers: Iterable[Viewer]) -> Feed:
    """The feed that satisfies all viewers."""
    all_viewers = tuple(viewers)
    return Feed(max(viewer.fps for viewer in all_viewers), frozenset(viewer.orientation for viewer in all_viewers))
