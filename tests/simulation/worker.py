"""A model of a camera process: it answers the verbs of the channel like a driver, on a model camera, and can fail anywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any

from camera import remote
from camera.channel import ChannelClosed, Message
from camera.errors import (
    CAPTURE_UNKNOWN,
    BulbUnavailable,
    CameraBusy,
    CameraError,
    CameraIO,
    CameraRefused,
    CaptureUnknown,
    ConfigNotFound,
    FileNotFound,
    GpFailure,
    MovieStuck,
    MovieUnavailable,
    NoMovie,
    NotReady,
    NotSupported,
)
from camera.events import ExposureEnded, ExposureStarted, FileAdded, MovieEnded, MovieStarted
from camera.model import (
    BurstLength,
    BurstTaken,
    CameraIdentity,
    Capabilities,
    CapturedFile,
    ConfigItem,
    MovieEnd,
    Storage,
    mimetype_of,
)
from camera.orientation import Orientation
from camera.processes.spawn import ProcessOptions, WorkerProcess
from camera.remote import (
    Alive,
    BulbPlan,
    BurstPlan,
    Content,
    Exposed,
    Fired,
    FolderContent,
    FolderNames,
    Lost,
    OnProgress,
    Opened,
    RemoteCamera,
    serve,
)
from camera.values import WantedValue
from tests.simulation.body import BULB, CONTINUOUS, FOLDER, Body, Movie, Release

# The order for which the server uses the camera. It is set by the client's side and inherited by the server's tasks.
ISO_VALUES = ("50", "100", "200", "400", "800", "1600")
ORDER: ContextVar[str] = ContextVar("order", default="server")

_CAN = Capabilities(capture=True, config=True, delete=True, events=True)
_HEARTBEAT_S = 2.0
_CAPTURE_S = 40.0
_NO_SUCH_PROCESS = 2**22 + 7


class _Died(Exception):
    """The process ends without a word."""


class _Closed(Exception):
    """The server closes the camera during an exposure."""


class ModelWorker(WorkerProcess):
    """A camera process. It belongs to the run of its server, which may be killed at each step of both, and ends with it.

    Args:
        options: options of the process.
        body: the camera.
        random: decides how long everything takes.
        faults: decides what fails next.
        on_order: called with the name of the order for each job.
        again: whether this server has opened the camera before.

    Attributes:
        opened_at: when it has opened the camera, in virtual seconds.
        card_read_at: when the server has read the card with it first, in virtual seconds.
    """

    def __init__(
        self,
        options: ProcessOptions,
        body: Body,
        random: Random,
        faults: Faults,
        on_order: Callable[[str], None],
        again: bool,
    ) -> None:
        self._options = options
        self._body = body
        self._random = random
        self._faults = faults
        self._on_order = on_order
        self._again = again
        self.opened_at: float | None = None
        self.card_read_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._server: Context | None = None
        self._on_message: Callable[[Message], None] = lambda message: None
        self._on_lost: Callable[[], None] = lambda: None
        self._connected = False
        self._runs = False
        self._deliver_at = 0.0
        self._jobs: asyncio.Queue[tuple[dict[str, Any], str]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._listed: dict[str, tuple[list[str], list[str]]] = {}
        self._capturing = False
        self._order = ""  # for which the current job is done
        self._awaited: Release | None = None  # the shot of the capture in progress
        self._movie_timer: asyncio.Task[None] | None = None
        self._confirmed = False  # whether the release of the volley in progress is confirmed
        self._table = remote.JobTable(
            *(
                serve(method, function)
                for method, function in (
                    (RemoteCamera.get_config, self._get_config),
                    (RemoteCamera.get_all_config, self._get_all_config),
                    (RemoteCamera.set_config, self._set_config),
                    (RemoteCamera.capture, self._capture),
                    (RemoteCamera.plan_bulb, self._plan_bulb),
                    (RemoteCamera.expose, self._expose),
                    (RemoteCamera.plan_fire, self._plan_fire),
                    (RemoteCamera.fire, self._fire),
                    (RemoteCamera.plan_burst, self._plan_burst),
                    (RemoteCamera.burst, self._burst),
                    (RemoteCamera.start_movie, self._start_movie),
                    (RemoteCamera.stop_movie, self._stop_movie),
                    (RemoteCamera.file_info, self._file_info),
                    (RemoteCamera.preview, self._unsupported),
                    (RemoteCamera.start_live_view, self._unsupported),
                    (RemoteCamera.stop_live_view, self._unsupported),
                    (RemoteCamera.drive_focus, self._unsupported),
                    (RemoteCamera.autofocus, self._unsupported),
                    (RemoteCamera.half_press, self._half_press),
                    (RemoteCamera.zoom_live_view, self._unsupported),
                    (RemoteCamera.fetch, self._fetch),
                    (RemoteCamera.thumbnail, self._thumbnail),
                    (RemoteCamera.list_files, self._list_files),
                    (RemoteCamera.list_names, self._list_names),
                    (RemoteCamera.delete_file, self._delete_file),
                    (RemoteCamera.sync_clock, self._unsupported),
                    (RemoteCamera.storage, self._storage),
                    (RemoteCamera.wire_problem, self._unsupported),
                    (RemoteCamera.keep_alive, self._keep_alive),
                )
            )
        )

    # -- as the server uses it

    @property
    def port(self) -> str:
        """The port of the camera."""
        return self._options.port

    @property
    def pid(self) -> int | None:
        return _NO_SUCH_PROCESS if self._runs else None

    async def start(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._on_message, self._on_lost = on_message, on_lost
        self._server = copy_context()
        self._connected = self._runs = True
        self._body_joined()
        self._task = self._loop.create_task(self._live(), name="worker")
        await asyncio.sleep(0)

    async def send(self, header: dict[str, Any]) -> None:
        if not self._connected:
            raise ChannelClosed
        self._on_order(ORDER.get())
        self._jobs.put_nowait((header, ORDER.get()))

    def disconnect(self) -> None:
        self._connected = False

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def end(self) -> None:
        self.kill()
        self.disconnect()
        await asyncio.sleep(0)

    def kill(self) -> None:
        """End the process at once, as SIGKILL does. The camera goes on with what it has started."""
        if self._runs:
            self._runs = False
            self._body_left()
            if self._task is not None:
                self._task.cancel()
            if self._connected:
                self._deliver(self._lost)

    # -- the process

    async def _live(self) -> None:
        heartbeat = self._loop.create_task(self._heartbeats(), name="heartbeats")
        try:
            await self._delay(0.05, 0.4)
            self._check_reachable()
            if self._faults.take(self._body.traits.port, "open"):
                raise CameraIO("The camera did not open.", gp=GpFailure(-7))
            traits = self._body.traits
            if self._options.release_button:
                self._let_go()
            if self._options.stop_movie:
                self._body.stop_movie()
            # The server can notice this only for a camera that it has opened before.
            serial = None if self._again and self._faults.take(traits.port, "no serial") else traits.serial
            identity = CameraIdentity("Model", "Nobody", "1.0", serial, _CAN)
            self._send(remote.event(Opened(identity, "2.5.34")))
            self.opened_at = self._loop.time()
            while True:
                header, order = await self._jobs.get()
                job = self._table.job_of(Message(header))
                if job is not None:
                    await self._carry_out(job, order)
                elif remote.is_close(Message(header)):
                    raise _Closed
        except CameraError as error:
            self._send(remote.event(Lost(error)))
        except _Closed:
            if self._body.reachable:
                self._end_movie("stopped")
        except _Died:
            pass
        finally:
            heartbeat.cancel()
            if self._movie_timer is not None:
                self._movie_timer.cancel()
            if self._runs:
                self._runs = False
                self._body_left()
                if self._connected:
                    self._deliver(self._lost)

    async def _carry_out(self, job: remote.Job, order: str) -> None:
        port, self._order = self._body.traits.port, order
        if self._faults.take(port, "hang"):
            await asyncio.sleep(10_000)
        if self._faults.take(port, f"die before {job.verb.name}") or self._faults.take(port, "die before"):
            raise _Died

        def on_progress(needs_s: float) -> None:
            self._send(Message(remote.progress(job.number, needs_s)))

        try:
            await self._delay(0.002, 0.03)
            self._check_reachable()
            work = job.function(*job.verb.arguments(job.values, on_progress))
            result = await work
            if not job.verb.fires:
                self._check_reachable()
            reply = job.verb.reply(job.number, result)
        except CameraError as error:
            lost = isinstance(error, CameraIO | MovieStuck) or (
                isinstance(error, CaptureUnknown) and error.gp is not None
            )
            self._send(Message(remote.failure(job.number, error, lost)))
            if lost:
                raise
            return
        if self._faults.take(port, f"die after {job.verb.name}") or self._faults.take(port, "die after"):
            if reply.fd is not None:
                os.close(reply.fd)
            raise _Died
        self._send(reply)

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            self._send(remote.event(Alive()))
            if not self._body.reachable and not self._capturing:
                self._send(remote.event(Lost(CameraIO("The camera does not answer.", gp=GpFailure(-7)))))
                if self._task is not None:
                    self._task.cancel()
                return

    def _send(self, message: Message) -> None:
        if self._connected:
            self._deliver(lambda: self._on_message(message), message.fd)
        elif message.fd is not None:
            os.close(message.fd)

    def _deliver(self, callback: Callable[[], None], descriptor: int | None = None) -> None:
        def arrive() -> None:
            if self._connected:
                callback()
            elif descriptor is not None:
                os.close(descriptor)

        latest = max(self._deliver_at + 1e-6, self._loop.time() + self._random.uniform(0.0001, 0.004))
        self._deliver_at = latest
        self._loop.call_at(latest, arrive, context=self._server)

    def _lost(self) -> None:
        self._connected = False
        self._on_lost()

    async def _delay(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most))

    def _check_reachable(self) -> None:
        if not self._body.reachable:
            raise CameraIO("The camera does not answer.", gp=GpFailure(-7))

    # -- what the driver notices of the camera by itself

    def _body_joined(self) -> None:
        self._body.on_files = self._file_written

    def _body_left(self) -> None:
        self._body.on_files = lambda release, path: None
        self._body.ram.clear()

    def _file_written(self, release: Release | Movie, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if folder in self._listed and name not in self._listed[folder][1]:
            self._listed[folder][1].append(name)
        if release.by == "button" or release is not self._awaited:
            self._send(remote.event(FileAdded(path)))

    # -- verbs

    async def _get_config(self, name: str) -> ConfigItem:
        if name not in self._body.settings:
            raise ConfigNotFound(f"There is no setting {name}.", config_name=name)
        return self._item(name)

    def _item(self, name: str) -> ConfigItem:
        if name == "iso":
            return ConfigItem(name, name, "radio", self._body.settings[name], False, ISO_VALUES)
        return ConfigItem(name, name, "text", self._body.settings[name], False)

    async def _get_all_config(self) -> list[ConfigItem]:
        return [self._item(name) for name in self._body.settings]

    async def _set_config(self, name: str, value: WantedValue) -> ConfigItem:
        await self._get_config(name)
        if self._faults.take(self._body.traits.port, "refuse setting"):
            raise CameraRefused("The camera refused the value.", gp=GpFailure(-1))
        self._body.change(name, str(value))
        if self._faults.take(self._body.traits.port, "break after setting"):
            raise CameraIO("The connection broke.", gp=GpFailure(-7))
        await self._delay(0.002, 0.02)
        return self._item(name)

    async def _capture(self, on_progress: OnProgress) -> list[CapturedFile]:
        body, faults, port = self._body, self._faults, self._body.traits.port
        self._capturing = True
        try:
            await self._delay(0.005, 0.05)
            if faults.take(port, "refuse early"):
                raise CameraRefused("The camera could not focus.", gp=GpFailure(-1))
            if body.records:
                raise CameraBusy("The camera records a movie.")
            on_progress(body.exposure_s)
            if faults.take(port, "refuse late"):
                await self._delay(0.1, 0.9)
                raise CameraRefused("The camera could not focus.", gp=GpFailure(-1))
            await self._delay(0.0, 0.01)
            await asyncio.sleep(body.exposing_s)  # it is busy until then
            self._check_reachable()
            if faults.take(port, "unknown without release"):
                raise CaptureUnknown(CAPTURE_UNKNOWN)
            return await self._released()
        finally:
            self._capturing = False

    async def _released(self) -> list[CapturedFile]:
        """Release the shutter and wait for the files."""
        body, faults, port = self._body, self._faults, self._body.traits.port
        self._awaited = release = body.release(self._order)
        if faults.take(port, "unknown after release"):
            raise CaptureUnknown(CAPTURE_UNKNOWN)
        if faults.take(port, "die exposing"):
            raise _Died
        waited = 0.0
        while not release.complete:
            if not body.reachable or waited > body.exposure_s * 2 + _CAPTURE_S:
                raise CaptureUnknown(CAPTURE_UNKNOWN)
            await asyncio.sleep(0.1)
            waited += 0.1
        return [CapturedFile(path, len(data), mimetype_of(path)) for path, data in release.files.items()]

    async def _plan_fire(self, half_press: bool) -> float:
        await self._delay(0.002, 0.02)
        return 0.0

    async def _fire(self, at: float, half_press: bool, confirmed: bool, on_progress: OnProgress) -> Fired:
        """A release at a given moment. As in the real process, it does not happen if it is too late, or not confirmed.

        A killed process leaves the button half pressed.
        """
        body, faults, port = self._body, self._faults, self._body.traits.port
        self._capturing = True
        try:
            await self._delay(0.005, 0.05)
            if self._loop.time() > at:
                raise NotReady("It is too late.")
            if faults.take(port, "refuse early"):
                raise CameraRefused("The camera could not focus.", gp=GpFailure(-1))
            self._confirmed = not confirmed
            on_progress(at - self._loop.time() + body.exposure_s)
            await self._delay(0.002, 0.02)
            self._check_reachable()
            body.half_pressed = half_press
            on_progress(at - self._loop.time() + body.exposure_s)
            return await self._fire_at(at)
        finally:
            self._capturing = False

    async def _fire_at(self, at: float) -> Fired:
        body, faults, port = self._body, self._faults, self._body.traits.port
        try:
            if await self._hold(at):
                raise NotReady("The release was cancelled.")
            if not self._confirmed:
                raise NotReady("The release was not confirmed.")
            if faults.take(port, "refuse late"):
                raise CameraRefused("The camera could not focus.", gp=GpFailure(-1))
            if body.exposing_s or body.records:
                raise CameraBusy("The camera was busy at the deadline.")
            self._check_reachable()
            if faults.take(port, "unknown without release"):
                raise CaptureUnknown(CAPTURE_UNKNOWN)
            commanded_at = self._loop.time()
            fired = Fired(await self._released(), commanded_at, None)
        except CameraError:
            if body.reachable:
                body.half_pressed = False
            raise
        if body.half_pressed and not body.reachable:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=GpFailure(-7))
        body.half_pressed = False
        return fired

    async def _plan_bulb(self) -> BulbPlan:
        return BulbPlan({"shutterspeed": BULB}, ())

    async def _expose(self, bulb_s: float, on_progress: OnProgress) -> Exposed:
        """A bulb exposure. As in the real process, it ends early on a stop or a close message.

        A killed process leaves the shutter open.
        """
        body, faults, port = self._body, self._faults, self._body.traits.port
        self._capturing = True
        try:
            await self._delay(0.005, 0.05)
            on_progress(2 * bulb_s)
            await asyncio.sleep(body.exposing_s)
            self._check_reachable()
            if faults.take(port, "refuse early") or faults.take(port, "refuse late") or body.records:
                raise BulbUnavailable("Turn the dial.", gp=GpFailure(-1), how="Turn the dial.")
            self._awaited = release = body.open_shutter(self._order)
            self._send(remote.event(ExposureStarted(bulb_s, "later")))
            if faults.take(port, "die exposing"):
                raise _Died
            aborted = await self._hold(release.at + bulb_s)
            if not body.reachable:  # the shutter stays open
                raise CaptureUnknown(CAPTURE_UNKNOWN, gp=GpFailure(-7))
            body.close_shutter()
            assert release.exposed_s is not None
            self._send(remote.event(ExposureEnded(release.exposed_s, aborted)))
            waited = 0.0
            while not release.complete:
                if not body.reachable or waited > release.exposed_s + _CAPTURE_S:
                    raise CaptureUnknown(CAPTURE_UNKNOWN)
                await asyncio.sleep(0.1)
                waited += 0.1
            files = [CapturedFile(path, len(data), mimetype_of(path)) for path, data in release.files.items()]
            return Exposed(files, release.exposed_s)
        finally:
            self._capturing = False

    async def _plan_burst(self, length: BurstLength) -> BurstPlan:
        return BurstPlan({"drivemode": CONTINUOUS}, {})

    async def _burst(self, length: BurstLength, on_progress: OnProgress) -> BurstTaken:
        """A burst until enough files are there. A killed process leaves the button pressed."""
        body, faults, port = self._body, self._faults, self._body.traits.port
        self._capturing = True
        try:
            await self._delay(0.005, 0.05)
            on_progress(length.lasts_s(body.exposure_s))
            await asyncio.sleep(body.exposing_s)
            self._check_reachable()
            if faults.take(port, "refuse early") or faults.take(port, "refuse late") or body.records:
                raise CameraRefused("The camera could not focus.", gp=GpFailure(-1))
            self._awaited = release = body.press_burst(self._order)
            if faults.take(port, "die exposing"):
                raise _Died
            each = 2 if body.traits.raw else 1
            while body.reachable and len(release.files) < each * (length.frames or 0):
                if await self._hold(self._loop.time() + 0.1):
                    break
            if not body.reachable:  # the button stays pressed
                raise CaptureUnknown(CAPTURE_UNKNOWN, gp=GpFailure(-7))
            body.close_shutter()
            while len(release.files) < each * (release.frames or 0):
                if not body.reachable:
                    raise CaptureUnknown(CAPTURE_UNKNOWN)
                on_progress(0.0)
                await asyncio.sleep(0.1)
            files = [CapturedFile(path, len(data), mimetype_of(path)) for path, data in release.files.items()]
            return BurstTaken([files[start : start + each] for start in range(0, len(files), each)], None, [])
        finally:
            self._capturing = False

    async def _hold(self, end: float) -> bool:
        """Wait until the end of an exposure, or for the message that ends it; returns whether it came."""
        while (left := end - self._loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    header, _ = await self._jobs.get()
            except TimeoutError:
                return False
            if remote.is_stop(Message(header)):
                return True
            if remote.is_close(Message(header)):
                if self._body.reachable:
                    self._let_go()
                raise _Closed
            if remote.is_go(Message(header)):
                self._confirmed = True
        return False

    def _let_go(self) -> None:
        """Close the shutter, and release the button."""
        self._body.close_shutter()
        self._body.half_pressed = False

    async def _half_press(self, hold_ms: int, on_progress: OnProgress) -> None:
        """A half press. A killed process, and a lost connection, leave the button half pressed."""
        body, faults, port = self._body, self._faults, self._body.traits.port
        await self._delay(0.005, 0.05)
        on_progress(hold_ms / 1000)
        self._check_reachable()
        if faults.take(port, "refuse early") or faults.take(port, "refuse late"):
            raise CameraRefused("The camera did not press the button.", gp=GpFailure(-1))
        body.half_pressed = True
        if faults.take(port, "die exposing"):
            raise _Died
        await self._hold(self._loop.time() + hold_ms / 1000)
        self._check_reachable()
        body.half_pressed = False

    async def _start_movie(self, max_s: float, on_progress: OnProgress) -> None:
        """Start a movie. A killed process leaves it running."""
        body, faults, port = self._body, self._faults, self._body.traits.port
        await self._delay(0.005, 1.0)
        self._check_reachable()
        if faults.take(port, "refuse early") or body.records or body.exposing_s:
            raise MovieUnavailable("The camera does not record now.", how="Turn the dial.")
        on_progress(0.0)
        await self._delay(0.002, 0.05)
        self._check_reachable()
        if faults.take(port, "refuse late"):
            raise MovieUnavailable("The camera does not record now.", how="Turn the dial.")
        body.start_movie(self._order)
        if faults.take(port, "die exposing"):
            raise _Died
        self._send(remote.event(MovieStarted(max_s, "now", "later")))
        self._movie_timer = self._loop.create_task(self._end_after(max_s), name="movie timer")

    async def _end_after(self, max_s: float) -> None:
        await asyncio.sleep(max_s)
        if self._runs and self._body.reachable:  # else the heartbeat shows the loss
            self._end_movie("max_s")

    def _end_movie(self, reason: MovieEnd) -> None:
        timer, self._movie_timer = self._movie_timer, None
        if timer is not None:
            recorded_s = self._loop.time() - self._body.movies[-1].at
            self._body.stop_movie()
            self._send(remote.event(MovieEnded(round(recorded_s, 3), reason)))
            if timer is not asyncio.current_task():
                timer.cancel()

    async def _stop_movie(self) -> None:
        if self._movie_timer is None:
            raise NoMovie("No movie is in progress.")
        await self._delay(0.002, 0.5)
        self._check_reachable()
        if self._faults.take(self._body.traits.port, "refuse late"):
            raise MovieStuck("The camera does not stop.")
        self._end_movie("stopped")

    async def _file_info(self, path: str) -> CapturedFile:
        data = self._body.card.get(path)
        return CapturedFile(path, None if data is None else len(data), mimetype_of(path))

    async def _unsupported(self, *arguments: Any) -> Any:
        raise NotSupported("A model camera cannot do that.")

    async def _fetch(self, path: str, orientation: Orientation, digest: bool, on_progress: OnProgress) -> Content:
        data = self._read(path)
        await self._delay(0.01, 0.1)
        self._check_reachable()
        descriptor = os.memfd_create("picture")
        os.write(descriptor, data)
        return Content(CapturedFile(path, len(data), mimetype_of(path)), None, descriptor)

    async def _thumbnail(self, path: str, orientation: Orientation) -> bytes:
        return b"small " + self._read(path)

    def _read(self, path: str) -> bytes:
        data = self._body.card.get(path, self._body.ram.get(path))
        if data is None:
            raise FileNotFound(f"There is no file {path}.")
        return data

    async def _list_files(self, folder: str) -> FolderContent:
        folders, files = self._content(folder)
        return FolderContent(folders, [CapturedFile(f"{folder}/{name}", None, mimetype_of(name)) for name in files])

    async def _list_names(self, folder: str) -> FolderNames:
        folders, files = self._content(folder)
        if folder == FOLDER and self.card_read_at is None:
            self.card_read_at = self._loop.time()
        return FolderNames(list(folders), list(files))

    def _content(self, folder: str) -> tuple[list[str], list[str]]:
        """A driver lists each folder once and then remembers it."""
        key = folder.rstrip("/")
        if key not in self._listed:
            steps = ["", "/store_00010001", "/store_00010001/DCIM", FOLDER]
            if key not in steps:
                raise FileNotFound(f"There is no folder {folder}.")
            place = steps.index(key)
            folders = [steps[place + 1].rpartition("/")[2]] if place + 1 < len(steps) else []
            names = [path.rpartition("/")[2] for path in self._body.card] if key == FOLDER else []
            if names and self._faults.take(self._body.traits.port, "empty card"):
                names = []
            self._listed[key] = (folders, names)
        return self._listed[key]

    async def _delete_file(self, path: str) -> None:
        if self._body.card.pop(path, None) is None:
            raise FileNotFound(f"There is no file {path}.")
        with suppress(KeyError, ValueError):
            self._listed[FOLDER][1].remove(path.rpartition("/")[2])

    async def _storage(self) -> list[Storage]:
        return [Storage("/store_00010001", "card", 2**34, 2**33)]

    async def _keep_alive(self) -> None: ...


class Faults:
    """Faults that wait until somebody meets them, by port and name."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], int] = {}

    def add(self, port: str, name: str) -> None:
        """Let this happen once, at the next occasion."""
        self._waiting[port, name] = self._waiting.get((port, name), 0) + 1

    def clear(self) -> None:
        """Let nothing happen any more."""
        self._waiting.clear()

    def take(self, port: str, name: str) -> bool:
        """Whether it happens now."""
        count = self._waiting.get((port, name), 0)
        if count:
            self._waiting[port, name] = count - 1
        return count > 0
