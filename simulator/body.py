"""The camera body, which is the same for all makers: shutter, card, RAM, live view, battery, clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from . import exposures
from .card import FILES_PER_FOLDER, Card, Layout, StoredFile
from .exposures import Exposure, Identity
from .faults import Faults, Kind
from .light import Light
from .movies import Recorder
from .pictures import Studio

log = logging.getLogger(__name__)


class ReleaseRejected(Exception):
    """The shutter does not open. The subclass gives the reason."""


class Exposing(ReleaseRejected):
    """The previous shot is not finished."""


class CardFull(ReleaseRejected):
    """The card has no space for another shot."""


class CardProtected(ReleaseRejected):
    """The card's lock switch is on."""


class OutOfFocus(ReleaseRejected):
    """The autofocus failed."""


class ShutterListener(Protocol):
    """Functions that are called at the steps of a shot. In them, the maker's dialect emits events to the driver."""

    def properties(self) -> Mapping[str, object]:
        """The values of all properties, by name, at the time when the shutter opens."""

    def exposure_started(self) -> None:
        """Called when the shutter has opened. Of a burst, only for the first picture."""

    def burst_goes_on(self) -> None:
        """Called after each exposure of a burst."""

    def picture_stored(self, stored: StoredFile) -> None:
        """Called when a picture was stored on the card."""

    def picture_in_ram(self, stored: StoredFile) -> None:
        """Called when a picture waits in RAM for the host."""

    def exposure_ended(self) -> None:
        """Called when the shot is finished."""


@dataclass(frozen=True)
class Timing:
    """The speed of a body.

    Attributes:
        fps: live-view frames/s; 0: no limit.
        shutter: seconds from release to picture.
        burst_fps: pictures/s of a burst at the usual speed.
        memory: how many pictures of a burst fit into the memory, where they wait until they are written.
        write: seconds for writing one picture of a burst to the card.
        mirror_up: how long a raised mirror stays up without a release, in seconds.
    """

    fps: float
    shutter: float
    burst_fps: float
    memory: int
    write: float
    mirror_up: float = 30.0


@dataclass(frozen=True)
class WrittenFile:
    """A file that a shot has written. `path` does not change if the file is deleted."""

    path: str
    size: int


@dataclass
class Release:
    """One opening of the shutter, for the journal of the body.

    Attributes:
        shot: the number of the shot, from 1.
        at: the time in seconds of the machine's monotonic clock.
        button: whether the camera's own button was pressed. If not, a host released the shutter.
        settings: every property by its name, with the value at the time of the release.
        files: the files of the shot, in the order in which they were written.
        exposed_s: seconds from the opening to the closing of a shutter that a host has held open (bulb). None if the
            body itself timed the exposure, or if the shutter is still open.
    """

    shot: int
    at: float
    button: bool
    settings: Mapping[str, object]
    files: list[WrittenFile] = field(default_factory=list)
    exposed_s: float | None = None


_Taken = tuple[Exposure, Release, float, float | None]
"""A picture that waits in the memory of the camera: its exposure, its release, the time of the camera's clock, and the light."""


@dataclass(frozen=True)
class _Burst:
    """A burst in progress.

    Attributes:
        exposure: returns the shot that the settings describe.
        pause: seconds from one picture to the next.
        frames: the number of pictures; None: until `released`.
        memory: the pictures that are not written yet.
        released: set when the button is released.
    """

    exposure: Callable[[], Exposure]
    pause: float
    frames: int | None
    memory: asyncio.Queue[_Taken]
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Body:
    """The state of a camera. It is kept until ``reset`` or the end of the process, even if no host is connected."""

    def __init__(self, identity: Identity, layout: Layout, studio: Studio, faults: Faults, timing: Timing) -> None:
        """Start in the factory state."""
        self.identity = identity
        self._layout = layout
        self.studio = studio
        self.faults = faults
        self._period = 1 / timing.fps if timing.fps else 0.0
        self._timing = timing
        self._tasks: set[asyncio.Task[None]] = set()
        self.card = Card(layout)
        self.recorder = Recorder(lambda: self.card, faults, self.clock)
        self.live_view_since = 0.0
        self.reset()

    def reset(self) -> None:
        """Return to the factory state: an empty card, counters at zero, live view off."""
        # Do not reuse handles: a connected host may still use the old handles.
        self.card = Card(self._layout, self.card.next_handle())
        self.recorder.reset()
        self.ram: dict[int, StoredFile] = {}
        self.file_prefix = self._layout.file
        self.shots = 0
        self.releases: list[Release] = []
        self.frames = 0
        self.battery = 100
        self.light = Light()
        self.clock_offset = 0.0
        self.exposing = False
        self._held: asyncio.Future[float] | None = None
        self._mirror_up_until = 0.0
        self._pressed: asyncio.Event | None = None
        self._writing = 0
        self.live_view = False
        self._frame_scale = 1.0
        self._next_frame_at = 0.0
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    @property
    def shutter_held(self) -> bool:
        """Whether a host holds the shutter open (bulb)."""
        return self._held is not None

    @property
    def button_held(self) -> bool:
        """Whether a host holds the button for a burst. It may be held for longer than the camera takes pictures."""
        return self._pressed is not None

    def clock(self) -> float:
        """The camera's clock in seconds since 1970."""
        return time.time() + self.clock_offset

    def find(self, handle: int) -> StoredFile | None:
        """The file or folder with that handle, on the card or in RAM."""
        return self.ram.get(handle) or self.card.get(handle)

    def free_shots(self, exposure: Exposure) -> int:
        """The number of shots like ``exposure`` that still fit on the card."""
        return self.card.free_shots(exposures.size(exposure, self.studio))

    def switch_live_view(self, on: bool, scale: float = 1.0) -> None:
        """Start or stop live view. ``scale``: the size of the frames, relative to the largest ones."""
        if on and not self.live_view:
            self._next_frame_at = 0.0
            self.live_view_since = time.monotonic()
        self.live_view = on
        self._frame_scale = scale

    async def next_frame(self) -> list[bytes]:
        """Wait until the next live-view frame is due and return it."""
        now = time.monotonic()
        if self._next_frame_at > now:
            await asyncio.sleep(self._next_frame_at - now)
        # A host that reads late gets a frame at once, but not the frames that it missed.
        self._next_frame_at = max(self._next_frame_at, time.monotonic() - self._period) + self._period
        self.frames += 1
        microseconds = time.time_ns() // 1000
        return await self.studio.live_frame(self.frames, self.identity.serial, microseconds, self._frame_scale)

    def release(
        self, exposure: Exposure, listener: ShutterListener, button: bool = False, hold: bool = False
    ) -> asyncio.Task[None]:
        """Release the shutter. The returned task ends when the pictures are stored.

        Args:
            exposure: the shot that the settings describe.
            listener: called at each step of the shot.
            button: whether the camera's own button was pressed.
            hold: whether the shutter stays open until ``close_shutter`` (bulb).

        Raises:
            ReleaseRejected: The shutter does not open.
        """
        self._admit(exposure)
        release = self._opened(listener, button)
        if hold:
            self._held = asyncio.get_running_loop().create_future()
        listener.exposure_started()
        return self._start(self._expose(exposure, listener, release))

    def burst(
        self, exposure: Callable[[], Exposure], listener: ShutterListener, speed: float = 1.0, frames: int | None = None
    ) -> None:
        """Take pictures in a row, until ``frames`` are taken, or until `release_button`.

        Args:
            exposure: returns the shot that the settings describe.
            listener: called at each step.
            speed: the speed of the drive mode, relative to the usual one.
            frames: how many pictures to take; None: as long as the button is held, and at least one.

        Raises:
            ReleaseRejected: The shutter does not open.
        """
        self._admit(exposure())
        self.exposing = True
        burst = _Burst(exposure, 1 / (self._timing.burst_fps * speed), frames, asyncio.Queue(self._timing.memory))
        if frames is None:
            self._pressed = burst.released
        listener.exposure_started()
        self._start(self._burst(burst, listener))

    def release_button(self) -> None:
        """Release the button, which ends a burst after the picture that is being taken."""
        if self._pressed is not None:
            self._pressed.set()
            self._pressed = None

    def _admit(self, exposure: Exposure) -> None:
        if self.exposing or self.recorder.recording or self.recorder.writing:
            raise Exposing
        if self.faults.take({Kind.FOCUS_FAILED}):
            raise OutOfFocus
        if not exposure.to_host:
            if self.card.write_protected:
                raise CardProtected
            if self.free_shots(exposure) < 1:
                raise CardFull

    def _opened(self, listener: ShutterListener, button: bool = False) -> Release:
        self.exposing = True
        self.shots += 1
        release = Release(self.shots, time.monotonic(), button, listener.properties())
        self.releases.append(release)
        return release

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_report)
        return task

    @property
    def mirror_up(self) -> bool:
        """Whether the mirror is up because of a mirror lock-up."""
        return time.monotonic() < self._mirror_up_until

    def raise_mirror(self, after: Callable[[], object] | None = None) -> bool:
        """Raise the mirror; returns False if it was up, so that the shutter can be released now.

        Args:
            after: called if no release follows before the mirror comes down.
        """
        raised = not self.mirror_up
        until = self._mirror_up_until = time.monotonic() + self._timing.mirror_up if raised else 0.0
        if raised and after is not None:
            self._start(self._after_mirror(until, after))
        return raised

    async def _after_mirror(self, until: float, after: Callable[[], object]) -> None:
        await asyncio.sleep(until - time.monotonic())
        if self._mirror_up_until == until:
            self._mirror_up_until = 0.0
            after()

    def close_shutter(self) -> bool:
        """Close a shutter that was held open. Returns False if it was not."""
        held, self._held = self._held, None
        if held is None:
            return False
        release = self.releases[-1]
        release.exposed_s = time.monotonic() - release.at
        held.set_result(release.exposed_s)
        return True

    async def press(self, exposure: Exposure, listener: ShutterListener) -> list[StoredFile]:
        """Press the camera's own button: release the shutter, wait until the pictures are stored, and return them.

        Raises:
            ReleaseRejected: The shutter does not open.
        """
        before = {stored.handle for stored in self._stored()}
        await asyncio.shield(self.release(exposure, listener, button=True))
        return [stored for stored in self._stored() if stored.handle not in before]

    def _stored(self) -> list[StoredFile]:
        return [*self.card.files(), *self.ram.values()]

    async def _burst(self, burst: _Burst, listener: ShutterListener) -> None:
        """Take the pictures of a burst, and write them at the same time. Another shot may follow before all are written."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write_all(burst.memory, listener))
            try:
                await self._take_all(burst, listener)
            finally:
                self.exposing = False
                listener.exposure_ended()
            await burst.memory.join()
            writer.cancel()

    async def _take_all(self, burst: _Burst, listener: ShutterListener) -> None:
        taken = 0
        while True:
            shot, due = burst.exposure(), time.monotonic() + burst.pause
            if not shot.to_host and self.free_shots(shot) <= burst.memory.qsize() + self._writing:
                return  # the card has no space for another picture
            release = self._opened(listener)
            await asyncio.sleep(shot.seconds)
            listener.burst_goes_on()
            await burst.memory.put((shot, release, self.clock(), self.light.ev()))
            taken += 1
            if taken == burst.frames:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await burst.released.wait()
                return

    async def _write_all(self, memory: asyncio.Queue[_Taken], listener: ShutterListener) -> None:
        while True:
            exposure, release, taken, light = await memory.get()
            self._writing = 1
            due = time.monotonic() + self._timing.write
            if fault := self.faults.take({Kind.LATE_PICTURE}):
                due += fault.seconds
            if not self.faults.take({Kind.NO_FILE}):
                pictures = await exposures.develop(exposure, self.studio, self.identity, release.shot, taken, light)
                await asyncio.sleep(due - time.monotonic())
                await self._store(exposure, listener, pictures, release, taken)
            self._writing = 0
            memory.task_done()

    async def _expose(self, exposure: Exposure, listener: ShutterListener, release: Release) -> None:
        taken = self.clock()
        try:
            if self._held is not None:
                exposed = await self._held
                exposure = replace(exposure, seconds=0.0, shutter=Fraction(exposed).limit_denominator(1000))
                dark = exposed if exposure.noise_reduction else 0.0
            else:
                dark = float(exposure.shutter) if exposure.noise_reduction else 0.0
            due = time.monotonic() + self._timing.shutter + exposure.seconds + dark
            if self.faults.take({Kind.NO_FILE}):
                await asyncio.sleep(due - time.monotonic())
                return
            pictures = await exposures.develop(
                exposure, self.studio, self.identity, release.shot, taken, self.light.ev()
            )
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(pictures) > 1 and self.faults.take({Kind.ONE_FILE}):
                pictures = pictures[:1]
            await self._store(exposure, listener, pictures, release, taken)
        finally:
            self.exposing = False
            listener.exposure_ended()

    async def _store(
        self,
        exposure: Exposure,
        listener: ShutterListener,
        pictures: Sequence[exposures.Picture],
        release: Release,
        taken: float,
    ) -> None:
        shot = release.shot
        number = (shot - 1) % FILES_PER_FOLDER + 1
        if number == 1 and shot > 1:
            self.card.new_folder(100 + (shot - 1) // FILES_PER_FOLDER)
        if not exposure.to_host and self.card.free_shots_limit is not None:
            self.card.free_shots_limit -= 1
        late = self.faults.take({Kind.LATE_FILE}) if len(pictures) > 1 else None
        for index, picture in enumerate(pictures):
            if index and late is not None:
                await asyncio.sleep(late.seconds)
            stored = StoredFile(
                handle=self.card.next_handle(),
                parent=0 if exposure.to_host else self.card.current_folder,
                name=f"{self.file_prefix}{number:04d}.{picture.extension}",
                format=picture.format,
                taken=taken,
                content=picture.content,
                thumbnail=picture.thumbnail,
                pixels=picture.pixels,
                shot=shot,
            )
            release.files.append(WrittenFile(self.card.path(stored), len(stored.content)))
            if exposure.to_host:
                self.ram[stored.handle] = stored
                listener.picture_in_ram(stored)
            else:
                self.card.add(stored)
                listener.picture_stored(stored)


def _report(task: asyncio.Task[None]) -> None:
    """Log a shot that failed. Nothing else reads the result of its task."""
    if not task.cancelled() and (error := task.exception()):
        log.error("a shot failed", exc_info=error)
