"""One camera: serves callers one after the other, and survives the loss of camera processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, assert_never

from background import log_failure
from camera.errors import CameraDisconnected, CameraError, CameraTimeout, NoExposure, NoMovie
from camera.events import (
    CameraConnected,
    CameraEvent,
    CameraGone,
    CameraLost,
    CameraOpened,
    ConfigChanged,
    ExposureEnded,
    ExposureStarted,
    FileAdded,
    Happening,
    Learned,
    LiveViewEnded,
    MovieEnded,
    MovieStarted,
    OtherCamera,
    Reachable,
    StateChanged,
    StateMayDiffer,
)
from camera.live_view import Feed, LiveView
from camera.model import CameraIdentity, Capabilities, ClockSet, ConfigItem, DetectedCamera, Frame, State
from camera.options import SessionOptions
from camera.photos.finding import Finding
from camera.photos.iso import OperatorsIso
from camera.photos.movies import MovieResult
from camera.photos.open_shot import Body
from camera.photos.shots import FromPhotos, Owner, Photos
from camera.reconnect import FromReconnect, Reconnect
from camera.remote import RemoteCamera
from camera.turns import Access, BulbExposure, MovieInProgress, Turns
from camera.upkeep import Upkeep
from camera.values import WantedValue
from system_clock import Trust

_log = logging.getLogger("camera.session")

# The longest time for restoring the ISO when the session stops, in seconds.
_LAST_ISO_S = 1.0
_CLEAN_UP_EVERY_S = 15.0
# How long stop_exposure waits for the shutter to open and to close, in seconds.
_OPENING_S, _STOP_EXPOSURE_S = 20.0, 20.0


@dataclass(frozen=True, slots=True)
class Status:
    """Identity and state of a camera.

    Attributes:
        port: the current port.
        name: libgphoto2's name of the model; it never changes.
        identity: the identity that the camera reports; None until the camera was first opened.
        can: its capabilities. The claims of the driver are corrected by the results of earlier operations.
        state: its state.
        connected: whether it is open and answers.
        viewers: number of its live-view viewers.
        file_count: number of files on its card; None until they were counted.
        attempts: number of failed attempts to open it since it was last open.
        last_error: why it is not open; None while it is open.
        last_io: time of its last successful operation, in seconds since 1970.
        warnings: problems that will soon make it unusable, one sentence each.
        finding: the result of the check after the last shot with an unknown outcome.
        occupied: whether a bulb exposure or a movie keeps the camera busy.
    """

    port: str
    name: str
    identity: CameraIdentity | None
    can: Capabilities
    state: State
    connected: bool
    viewers: int
    file_count: int | None
    attempts: int
    last_error: CameraError | None
    last_io: float | None
    warnings: tuple[str, ...]
    finding: Finding | None
    occupied: bool

    @property
    def model(self) -> str | None:
        """The model as the camera reports it; None until the camera was first opened."""
        return self.identity.model if self.identity is not None else None

    @property
    def serial(self) -> str | None:
        """The serial number, if the camera has reported one."""
        return self.identity.serial if self.identity is not None else None

    @property
    def title(self) -> str:
        """The name of the model for people: from the camera, or libgphoto2's name until the camera was first opened."""
        return self.model or self.name


class Session:
    """One camera, identified by its serial number. Its port may change.

    Args:
        camera: the result of the detection.
        options: options for all cameras.
        expected: called with a port and the serial number of the camera on it; returns whether this is the expected
            camera.
        emit: receives every event.

    Attributes:
        detected: the result of the detection; its `serial` comes from USB.
        reconnect: keeps the camera open.
        live: its live view.
        photos: its pictures.
    """

    def __init__(
        self,
        camera: DetectedCamera,
        options: SessionOptions,
        expected: Callable[[str, str], bool],
        emit: Callable[[CameraEvent], None],
    ) -> None:
        self.detected = camera
        self.reconnect = Reconnect(camera.port, camera.model, options, expected, self._from_reconnect)
        self.live = LiveView(self._switch_live_view)
        self._iso = OperatorsIso(options.preview_iso, options.capture_iso)
        access = Access(self.exclusive, self._patient, self.in_movie)
        self.photos = Photos(options.photos, self._iso, access, self._owner, self._from_photos)
        self._upkeep = Upkeep(options, self._patient, self._idle_process, self._emit_here, lambda: self.port)
        self._clock_trust = options.clock_trust
        # The corrected capabilities of each model. They are kept when the process is replaced, because in a new process
        # the driver makes the same wrong claims.
        self._learned: dict[str, dict[str, bool]] = {}
        self._emit = emit
        self._turns = Turns()
        self._exposure = BulbExposure(self._turns)
        self._movie = MovieInProgress(self._turns)
        self._tasks: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.Task[None] | None = None

    @property
    def port(self) -> str:
        """The current port."""
        return self.reconnect.port

    @property
    def key(self) -> str:
        """The key of the camera in `JobInfos`; see `Body.key`. Its serial number may be known only after it was opened."""
        return self._owner().body.key

    @property
    def status(self) -> Status:
        """The current identity and state."""
        reconnect = self.reconnect
        return Status(
            port=reconnect.port,
            name=reconnect.driver_model,
            identity=reconnect.identity,
            can=self._can(),
            state=self._state(),
            connected=reconnect.connected,
            viewers=self.live.viewers,
            file_count=self.photos.file_count,
            attempts=reconnect.attempts,
            last_error=reconnect.last_error,
            last_io=reconnect.last_io,
            warnings=self._upkeep.warnings,
            finding=self.photos.finding,
            occupied=self._exposure.running is not None or self._movie.active,
        )

    def start(self) -> None:
        """Start to open the camera and keep it open."""
        self.reconnect.start()
        self._start(self._upkeep.run(), "upkeep")
        self._start(self._clean_up(), "clean up")

    async def stop(self) -> None:
        """Release the camera and cancel its tasks; takes at most 2.5 s longer than `CLOSE_DEADLINE_S`."""
        for task in tuple(self._tasks):  # a cancelled task gives up its access to the camera
            task.cancel()
            await asyncio.wait((task,))
        await self.photos.stop()
        if self.reconnect.connected and self._iso.before_preview is not None:
            with suppress(TimeoutError, CameraError):  # while a job hangs, the camera accepts no other job
                async with asyncio.timeout(_LAST_ISO_S), self._patient() as camera:
                    await self._iso.end_preview(camera)
        await self.live.stop()
        await self.reconnect.stop()

    async def drain(self) -> None:
        """Wait until the job in progress and all jobs that already wait have ended."""
        await self._turns.take(patient=True, in_movie=True)
        self._turns.give_back()

    @asynccontextmanager
    async def exclusive(self, patient: bool = False, in_movie: bool = False) -> AsyncIterator[RemoteCamera]:
        """Exclusive access to the camera. Callers get it in the order of their requests.

        The yielded camera stays usable if its process is lost and replaced.

        Args:
            patient: whether to wait for the end of a bulb exposure or a movie.
            in_movie: whether to use the camera also during a movie.

        Raises:
            CameraExposing: the camera makes a bulb exposure.
            CameraRecording: the camera records a movie, or writes it.
            CameraError: the camera could not be opened; attempts continue.
        """
        await self._turns.take(patient, in_movie)
        try:
            await self.reconnect.process()
            yield RemoteCamera(self.reconnect.call, self.reconnect.renew)
        finally:
            self._turns.give_back()

    def _patient(self) -> AbstractAsyncContextManager[RemoteCamera]:
        return self.exclusive(patient=True)

    def in_movie(self) -> AbstractAsyncContextManager[RemoteCamera]:
        """Exclusive access for what a camera can do while it records a movie."""
        return self.exclusive(in_movie=True)

    async def stop_exposure(self, keep: bool) -> float:
        """End the bulb exposure early. Returns its length in seconds, when the shutter has closed.

        Args:
            keep: if False, the picture is deleted.

        Raises:
            NoExposure: there is none.
            CameraError: the camera was lost; the server closes the shutter when it connects again.
        """
        if self.photos.exposing_soon and self._exposure.running is None:  # it is being prepared
            await asyncio.wait((self._exposure.opened,), timeout=_OPENING_S)
        process = self.reconnect.current
        if self._exposure.running is None or self._exposure.ended.done() or process is None:
            raise NoExposure("No bulb exposure is in progress.")
        if not keep:
            self.photos.discard_exposure()
        ended = self._exposure.ended
        await process.stop_exposure()
        try:
            async with asyncio.timeout(_STOP_EXPOSURE_S):
                return await asyncio.shield(ended)
        except TimeoutError:
            words = "The camera did not close its shutter in time. The server opens it again, which closes the shutter."
            error = CameraTimeout(words, doing="stop_exposure")
            await process.kill(error)
            raise error from None

    async def confirm_release(self, confirmed: bool) -> None:
        """Confirm the release for which the camera waits, or cancel it. Without effect if the camera was lost."""
        process = self.reconnect.current
        if process is not None:
            with suppress(CameraDisconnected):
                await (process.confirm_release() if confirmed else process.stop_exposure())

    async def start_movie(self, max_s: float) -> tuple[MovieStarted, int | None]:
        """Start a movie of `max_s` seconds at most. Returns it, and the number of its record.

        Raises:
            MovieUnavailable, CardFull, NotSupported, CameraBusy: no movie was started.
            CameraError: the camera was lost. The server stops the movie when it connects again.
        """
        number = await self.photos.movies.start(max_s)
        if (running := self._movie.running) is None:
            raise CameraDisconnected("The movie has ended just after its start.")
        return running, number

    async def stop_movie(self) -> MovieResult:
        """Stop the movie. Returns when its file is on the card, or after three times `write_time_s` without it.

        Raises:
            NoMovie: there is none.
            CameraError: the camera was lost. The server stops the movie when it connects again.
        """
        if self._movie.running is None and not self.photos.movies.starting:
            raise NoMovie("No movie is in progress.")
        return await self.photos.movies.stop()

    async def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """Change a setting permanently. Returns the setting, read back from the camera after the change.

        Raises:
            ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported: the setting was not changed.
        """
        async with self.in_movie() as camera:
            item = await camera.set_config(name, value)
            # in the exclusive block: else the earlier value of an interrupted shot could be restored over this one
            await self.photos.setting_chosen(item.name)
        if item.name == "iso":
            self._iso.before_preview = None  # an explicit change is not reverted after live view
        if item.name == "capturetarget":
            self.reconnect.capture_target = str(item.value)  # new processes must set it again
        self._emit_here(ConfigChanged(item.name, item.value))
        return item

    @property
    def clock_trust(self) -> Trust:
        """Whether the clock of this machine is right."""
        return self._clock_trust()

    async def sync_clock(self) -> ClockSet:
        """Set the camera's clock to the time of this machine, even if that is wrong.

        Raises:
            NotSupported: the camera has no clock that can be set.
            ConfigReadonly, InvalidValue: the camera does not allow it now.
        """
        return await self._upkeep.sync_clock(self.exclusive)

    # -- state

    def _state(self) -> State:
        if not self.reconnect.connected:
            return self.reconnect.state
        if self._movie.active:
            return "recording"
        if self.photos.capturing:
            return "capturing"
        return "live" if self.live.running else "ready"

    def _can(self) -> Capabilities:
        identity = self.reconnect.identity
        if identity is None:
            return self.detected.capabilities
        return replace(identity.capabilities, **self._learned.get(identity.model, {}))

    def _owner(self) -> Owner:
        reconnect = self.reconnect
        identity = reconnect.identity
        model, serial = (identity.model, identity.serial) if identity is not None else (reconnect.driver_model, None)
        return Owner(reconnect.title, Body(model, serial, self.port))

    def _idle_process(self) -> int | None:
        process = self.reconnect.current
        busy = self._turns.taken or self.live.running or self.live.viewers or self._movie.active
        return None if process is None or busy else process.pid

    async def _clean_up(self) -> None:
        while True:
            await asyncio.sleep(_CLEAN_UP_EVERY_S)
            self.photos.forget_old()
            await self.photos.write_outcomes()
            if self.reconnect.connected:
                self.photos.complete_soon()

    # -- events

    def _emit_here(self, what: Happening) -> None:
        self._emit(CameraEvent(self.port, what))

    def _from_reconnect(self, event: FromReconnect) -> None:
        match event:
            case Frame():
                self.live.publish(event)
            case FileAdded(path):
                self.photos.added(path)
            case ConfigChanged() | OtherCamera():
                self._emit_here(event)
            case ExposureStarted():
                self._exposure.started(event)
                self._emit_here(event)
            case ExposureEnded():
                self._exposure.closed(event.exposed_s)
                self.photos.exposure_ended(event.exposed_s)
                self._emit_here(event)
            case MovieStarted():
                self._movie.started(event)
                self._emit_here(event)
                self._report_state()
            case MovieEnded():
                self._movie.ended()
                self._emit_here(event)
                self.photos.movies.ended(event)
            case Learned(model, can):
                self._learned.setdefault(model, {}).update(can)
            case LiveViewEnded():
                self.live.paused()
                self.live.end("camera_error")
                self._report_state()
                self._start(self._end_preview(), "end preview")
            case CameraOpened():
                if (movie := self._movie.interrupted()) is not None:
                    self._emit_here(movie)
                if (interrupted := self._exposure.interrupted()) is not None:
                    self._emit_here(interrupted)
                self.photos.opened(event)
                self._upkeep.opened()
                self._resuming = self._start(self._resume(), "resume")
            case CameraLost():
                if self._resuming is not None:
                    self._resuming.cancel()
                self.live.paused()
                self._exposure.lost()
                self._movie.finished()
                self.photos.lost()
            case StateMayDiffer():
                self._report_state()
            case Reachable(reachable):
                status = self.status
                self._emit_here(CameraConnected(status.name, status.model) if reachable else CameraGone())
            case _:
                assert_never(event)

    def _from_photos(self, event: FromPhotos) -> None:
        # If the process is lost, the state is not emitted here: the event for the loss follows soon.
        process = self.reconnect.current
        if not self.photos.capturing:
            self._exposure.finished()
        if not self.photos.movies.awaited:
            self._movie.finished()
        if not isinstance(event, StateMayDiffer):
            self._emit_here(event)
        elif process is None or not process.lost.done():
            self._report_state()

    def _report_state(self) -> None:
        reconnect = self.reconnect
        if reconnect.connected:
            self._emit_here(StateChanged(self._state()))
        else:
            self._emit_here(StateChanged(self._state(), reconnect.attempts, reconnect.last_error))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{name} {self.port}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)
        return task

    async def _resume(self) -> None:
        """Continue after the camera was opened: restart streams, restore the ISO, read the card."""
        await self.live.resume()
        # First the settings of interrupted shots: they may contain the ISO of live view, which _end_preview replaces.
        await self.photos.restore_settings()
        await self._end_preview()
        await self.photos.read_card()

    async def _end_preview(self) -> None:
        """Restore the ISO after the camera has ended live view."""
        if not self.live.viewers and self._iso.before_preview is not None:
            with suppress(CameraError):  # if the camera is lost again, this is repeated after the next opening
                async with self._patient() as camera:
                    await self._iso.end_preview(camera)

    async def _switch_live_view(self, feed: Feed | None) -> None:
        if feed is None and not self.reconnect.connected:
            return
        async with self.in_movie() as camera:
            process = self.reconnect.current
            if feed is None:
                await camera.stop_live_view()
                await self._iso.end_preview(camera)
            else:
                await camera.start_live_view(feed.fps, feed.orientations, self.live.last_seq)
                await self._iso.begin_preview(camera)
                if process is None or process.lost.done():  # lost in begin_preview, which ignores errors
                    raise CameraDisconnected("The camera was disconnected while live view was starting.")
        if self._movie.active:
            return  # the state stays "recording"
        self._emit_here(StateChanged("ready" if feed is None else "live"))
