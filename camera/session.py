"""The only way to reach a camera: a queue of jobs, a deadline for each, and a new process when one is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camera import widgets
from camera.channel import Message
from camera.child import Child, ChildOptions
from camera.errors import (
    CAPTURE_UNKNOWN,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CaptureUnknown,
    ConfigNotFound,
    ConfigReadonly,
    FileNotFound,
    InvalidValue,
    NotSupported,
)
from camera.fetched import FetchedFile, FetchedFiles
from camera.live_view import Feed, LiveView
from camera.model import (
    CameraEvent,
    CameraIdentity,
    Capabilities,
    CapturedFile,
    ConfigItem,
    ConfigValue,
    Frame,
    State,
    Storage,
    mimetype_of,
)
from camera.photos import PhotoFolder
from camera.shot import Order, Shot, take
from camera.turn import AS_IS, Turn
from camera.widgets import WantedValue

_log = logging.getLogger("camera.session")

# Deadlines in seconds. The longest exposure of a mode dial is 30 s; the driver waits up to 45 s for its file.
_LAST_WISH_S = 1.0
PREVIEW_S, CONFIG_S, TREE_S, CAPTURE_S, FILES_S = 5.0, 10.0, 30.0, 75.0, 30.0
DOWNLOAD_SILENCE_S = 15.0
# Between the tries to open a camera that does not open: the first at once, since a new process mends most failures.
_SLOW_RETRY_S = 8.0


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How sessions behave; each is a setting of .env.example (the delay in seconds)."""

    capture_target: str = "Memory card"
    max_restart_attempts: int = 3
    restart_delay: float = 5.0
    preview_iso: str = ""
    capture_iso: str = ""
    capture_turn: Turn = AS_IS
    photos: PhotoFolder = field(default_factory=lambda: PhotoFolder(Path("photos"), "{date}_{time}_{original}"))


class Session:
    """One camera, through all its processes. Identity is the serial number; the port is where it is now."""

    def __init__(
        self,
        port: str,
        model: str,
        capabilities: Capabilities,
        options: SessionOptions,
        emit: Callable[[CameraEvent], None],
    ) -> None:
        self.port = port
        self.driver_model = model
        self.identity: CameraIdentity | None = None
        self.last_error: CameraError | None = None
        self.library = ""
        self.last_image: str | None = None
        self.usb_serial: str | None = None
        self.live = LiveView(self._switch_live_view)
        self._capabilities = capabilities
        self._options = options
        self._capture_target = options.capture_target
        self._emit = emit
        self._child: Child | None = None
        self._state: State = "opening"
        self._capturing = False
        self._turn = asyncio.Lock()
        self._fetched = FetchedFiles()
        self._poke = asyncio.Event()
        self._attempt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first_try = self._attempt
        self._life: asyncio.Task[None] | None = None
        self._resume: asyncio.Task[None] | None = None
        self._rescues: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._plugged = asyncio.Event()
        self._plugged.set()
        # What the camera had before PREVIEW_ISO; outlives processes, so that it is put back in any case.
        self._iso_before_preview: ConfigValue = None

    # -- what is known of it

    @property
    def name(self) -> str:
        """The model as the camera tells it, or as the driver calls it until it was opened."""
        return self.identity.model if self.identity else self.driver_model

    @property
    def serial(self) -> str | None:
        """The serial number, once the camera told it."""
        return self.identity.serial if self.identity else None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.identity.capabilities if self.identity else self._capabilities

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self._child is not None

    @property
    def state(self) -> State:
        """What it is doing."""
        if self._child is None:
            return self._state
        if self._capturing:
            return "capturing"
        return "live" if self.live.running else "ready"

    @property
    def capture_turn(self) -> Turn:
        """How pictures are turned on their way here."""
        return self._options.capture_turn

    # -- its life

    def start(self) -> None:
        """Begin to open the camera, and keep it open from now on."""
        self._life = asyncio.create_task(self._live_on(), name=f"session {self.port}")
        self._life.add_done_callback(_complain)

    async def stop(self) -> None:
        """Release the camera and end everything that belongs to it; takes at most the close deadline and 1.5 s."""
        if self._child is not None and not self._turn.locked() and self._iso_before_preview is not None:
            async with self._turn:
                await self._put_iso_back(self._child, _LAST_WISH_S)
        self._stopping = True
        self._poke.set()
        for task in (self._resume, self._life, *self._rescues):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        await self.live.stop()
        if self._child is not None:
            child, self._child = self._child, None
            await child.close()
        if not self._attempt.done():
            self._attempt.set_result(None)

    async def finish(self) -> None:
        """Wait for the job under way and those that wait for it."""
        async with self._turn:
            return

    async def unplug(self) -> None:
        """The camera left its port: end its process and wait for `replug`. Viewers keep their streams."""
        self._plugged.clear()
        self._poke.set()
        if self._child is not None:
            await self._child.kill(CameraDisconnected("The camera was unplugged."))

    def replug(self, port: str) -> None:
        """The camera is back, maybe on another port."""
        self.port = port
        self._plugged.set()

    async def ready(self) -> None:
        """Wait for the try to open it that is under way, if it is not open.

        Raises:
            CameraError: it does not open; tries go on.
        """
        await self.child()

    async def restart(self) -> None:
        """Close the camera and open it again; returns when it is ready.

        Raises:
            CameraError: it does not open; tries go on.
        """
        async with self._turn:
            if self._child is not None:
                await self._child.close()
            await self.child(fresh=True)

    async def _live_on(self) -> None:
        failures = 0
        while not self._stopping:
            if not self._plugged.is_set():
                self._set_state("absent")
                self._finish_attempt()
                await self._plugged.wait()
                failures = 0
            self._set_state("opening" if self.last_error is None else "recovering")
            child = Child(ChildOptions(self.port, self.driver_model, self._capture_target), self._on_event)
            try:
                await child.open()
            except CameraError as error:
                failures += 1
                self._note_failure(error, failures)
                await self._wait_for_next_try(failures)
                continue
            failures = 0
            self._child, self.identity, self.library = child, child.identity, child.library
            self.last_error = None
            self._state = "ready"
            self._finish_attempt()
            _log.info("%s: open, %s, serial %s", self.port, self.name, self.serial)
            self._tell_state()
            self._resume = asyncio.create_task(self._take_up_again(child), name=f"resume {self.port}")
            try:
                reason = await asyncio.shield(child.lost)
            finally:
                self._resume.cancel()
                if not self._stopping:
                    self._child = None
            self.last_error = reason
            self.live.paused()
            self._fetched.forget_copies()  # the card may be another one
            _log.warning("%s: lost: %s", self.port, reason)
            await child.kill(reason)

    async def _take_up_again(self, child: Child) -> None:
        """What a newly opened camera has to go on with: streams, or the ISO from before the last one."""
        await self.live.resume()
        if not self.live.viewers and self._iso_before_preview is not None:
            async with self._turn:
                await self._put_iso_back(child, CONFIG_S)

    def _note_failure(self, error: CameraError, failures: int) -> None:
        if self.last_error is None or str(error) != str(self.last_error):
            _log.warning("%s: could not be opened: %s %s", self.port, error, error.details)
        self.last_error = error
        self._set_state("recovering" if failures <= self._options.max_restart_attempts else "needs_attention")
        self._finish_attempt()

    def _finish_attempt(self) -> None:
        if not self._attempt.done():
            self._attempt.set_result(None)
        self._attempt = asyncio.get_running_loop().create_future()

    async def _wait_for_next_try(self, failures: int) -> None:
        quick = failures <= self._options.max_restart_attempts
        delay = 0.0 if failures == 1 else self._options.restart_delay if quick else _SLOW_RETRY_S
        self._poke.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(delay, 0.2)):
                await self._poke.wait()

    def _set_state(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._tell_state()

    def _tell_state(self) -> None:
        self._emit(CameraEvent("camera_state", self.port, {"state": self.state}))

    async def child(self, *, fresh: bool = False) -> Child:
        """The open camera's process; where there is none, after the try to open it that is under way or due."""
        while fresh or self._child is None or self._child.lost.done():
            if self._stopping:
                raise CameraDisconnected("The server is shutting down.")
            if not self._plugged.is_set():
                raise CameraDisconnected(f"{self.name} was unplugged. Plug it in again.", state="absent")
            attempt = self._attempt
            self._poke.set()
            await asyncio.shield(attempt)
            fresh = False
            if self._child is None and self.last_error is not None:
                raise self._unreachable(self.last_error)
        return self._child

    def _unreachable(self, error: CameraError) -> CameraError:
        details = {**error.details, "state": self._state}
        if type(error).__name__ in ("CameraClaimed", "CameraTimeout"):
            return type(error)(error.message, **details)
        return CameraDisconnected(
            f"The camera on port {self.port} does not answer. Plug it in or switch it on. ({error.message})", **details
        )

    # -- jobs

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[Child]:
        """The camera for one caller alone, in the order of asking."""
        async with self._turn:
            yield await self.child()

    async def _run(self, do: str, deadline: float, **args: Any) -> Message:
        async with self._my_turn() as child:
            return await child.call(do, args, deadline)

    async def _ask(self, do: str, deadline: float, **args: Any) -> Message:
        """Run a job that changes nothing: when the camera's process was lost beneath it, it runs once more."""
        async with self._my_turn() as child:
            try:
                return await child.call(do, args, deadline)
            except CameraDisconnected:
                if not child.lost.done():
                    raise
            return await (await self.child()).call(do, args, deadline)

    async def get_config(self, name: str) -> ConfigItem:
        """One setting. Raises ConfigNotFound."""
        return ConfigItem.from_json((await self._ask("get_config", CONFIG_S, name=name)).header["ok"])

    async def get_all_config(self) -> list[ConfigItem]:
        """Every setting with its path."""
        reply = await self._ask("get_all_config", TREE_S)
        return [ConfigItem.from_json(item) for item in reply.header["ok"]["items"]]

    async def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """Set one setting; the item as read back. Raises ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported."""
        reply = await self._run("set_config", CONFIG_S, name=name, value=value)
        item = ConfigItem.from_json(reply.header["ok"])
        if item.name == "iso":
            self._iso_before_preview = None  # an explicit wish outlives the preview
        if item.name == "capturetarget":
            self._capture_target = str(item.value)  # a driver setting: it has to outlive the process
        self._emit(CameraEvent("config_changed", self.port, {"config_name": item.name, "value": item.value}))
        return item

    async def capture(self, order: Order) -> Shot:
        """Take one photo as ordered. Live view pauses meanwhile and goes on by itself.

        Raises:
            CaptureUnknown: the shutter may have fired and no file was seen.
            CameraError: it did not fire.
        """
        if not self.capabilities.capture:
            raise NotSupported(f"{self.name} cannot be released by remote control.")
        started = time.monotonic()
        async with self._my_turn() as child:
            if "iso" not in order.settings:
                own = self._options.capture_iso
                iso = own if await self._iso_that_takes(child, own) else self._iso_before_preview
                if iso is not None:
                    order = replace(order, preferred={"iso": iso})
            self._capturing = True
            self._tell_state()
            try:
                shot = await take(_Hands(self), order, started, self._options.photos, self.name, self.serial)
            finally:
                self._capturing = False
                self._tell_state()
        if shot.files[0].on_camera:
            self.last_image = shot.files[0].file.path
        for file in shot.files:
            if file.on_camera:
                self._emit(CameraEvent("file_added", self.port, {"camera_filepath": file.file.path}))
            if file.saved_path is not None:
                told = {"camera_filepath": file.file.path, "saved_path": file.saved_path}
                self._emit(CameraEvent("capture_saved", self.port, told))
        return shot

    async def _iso_that_takes(self, child: Child, wanted: str) -> ConfigItem | None:
        """The camera's ISO as it is, where it could take the operator's; a wrong one must not stop the booth."""
        if not wanted:
            return None
        try:
            item = ConfigItem.from_json((await child.call("get_config", {"name": "iso"}, CONFIG_S)).header["ok"])
            widgets.convert(item, wanted)
        except (ConfigNotFound, ConfigReadonly, InvalidValue) as error:
            _log.warning("%s: PREVIEW_ISO or CAPTURE_ISO is not used: %s", self.port, error)
            return None
        return item

    async def rescue(self, child: Child, file: CapturedFile) -> CapturedFile:
        """Fetch a shot that is only in the camera's RAM, where the next one takes its place."""
        if not _in_ram(file.path):
            self._fetched.drop(file.path)  # of a file that had this name before, on a card that was formatted
            return file
        fetched = await self._fetch(child, file.path)
        path = self._fetched.add_only_copy(fetched)
        return CapturedFile(path, fetched.size, fetched.mimetype)

    async def preview(self, turn: Turn) -> bytes:
        """One live-view frame as JPEG. Raises NotSupported."""
        return (await self._ask("preview", PREVIEW_S, rotation=turn.rotation, flip=turn.flip)).data

    async def fetch(self, path: str | None) -> FetchedFile:
        """A whole file; without a path the last image captured. Raises FileNotFound, InvalidPath."""
        if path is None:
            path = self.last_image
        if path is None:
            raise FileNotFound("No image was captured yet. Send capture_image, or name a camera_filepath.")
        async with self._my_turn() as child:
            return await self.fetch_with(child, path)

    async def fetch_with(self, child: Child, path: str) -> FetchedFile:
        """The same for whoever has the camera already."""
        file = self._fetched.get(path)
        if file is None:
            file = await self._fetch(child, path)
            self._fetched.add(file)
        return file

    async def _fetch(self, child: Child, path: str) -> FetchedFile:
        turn = self._options.capture_turn
        args = {"path": path, "rotation": turn.rotation, "flip": turn.flip}
        try:
            message = await child.call("fetch", args, DOWNLOAD_SILENCE_S)
        except (CameraIO, CameraDisconnected):
            if not child.lost.done():
                raise
            message = await (await self.child()).call("fetch", args, DOWNLOAD_SILENCE_S)
        told = message.header["ok"]
        assert message.fd is not None, "the worker sends a file with every fetch"
        return FetchedFile(message.fd, told["path"], told["size"], told["mimetype"])

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        turn = self._options.capture_turn
        return (await self._ask("thumbnail", FILES_S, path=path, rotation=turn.rotation, flip=turn.flip)).data

    async def list_files(self, folder: str) -> tuple[list[str], list[CapturedFile]]:
        """Names of folders, and files, in a folder of the camera. Raises FileNotFound, InvalidPath."""
        listed = (await self._ask("list_files", FILES_S, folder=folder)).header["ok"]
        return listed["folders"], [CapturedFile(**file) for file in listed["files"]]

    async def delete_file(self, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        async with self._my_turn() as child:
            await self.delete_with(child, path)

    async def delete_with(self, child: Child, path: str) -> None:
        """The same for whoever has the camera already."""
        try:
            await child.call("delete_file", {"path": path}, FILES_S)
        except CameraError:
            if not self._fetched.is_only_copy(path):  # those the driver may still remember, the camera does not
                raise
        self._fetched.drop(path)
        if self.last_image == path:
            self.last_image = None

    async def storage(self) -> list[Storage]:
        """The camera's cards."""
        reply = await self._ask("storage", FILES_S)
        return [Storage(**card) for card in reply.header["ok"]["storage"]]

    def forget_old_files(self) -> None:
        """Give back the memory of files that nobody asked for in a while."""
        self._fetched.forget_old()

    async def _switch_live_view(self, feed: Feed | None) -> None:
        if feed is not None and not self.capabilities.live_view:
            raise NotSupported(f"{self.name} has no live view.")
        if feed is None and self._child is None:
            return
        async with self._my_turn() as child:
            if feed is None:
                await child.call("live_view", {"fps": None, "seq": 0, "turns": []}, CONFIG_S)
                await self._put_iso_back(child, CONFIG_S)
            else:
                turns = [(turn.rotation, turn.flip) for turn in feed.turns]
                args = {"fps": feed.fps, "seq": self.live.last_seq, "turns": turns}
                await child.call("live_view", args, CONFIG_S)
                await self._set_preview_iso(child)
        self._emit(CameraEvent("camera_state", self.port, {"state": "ready" if feed is None else "live"}))

    async def _set_preview_iso(self, child: Child) -> None:
        """Best effort: a camera that refuses the operator's ISO (mode dial) is watched all the same."""
        if self._iso_before_preview is not None or not self._options.preview_iso:
            return
        try:
            before = await self._iso_that_takes(child, self._options.preview_iso)
            if before is not None:
                await child.call("set_config", {"name": "iso", "value": self._options.preview_iso}, CONFIG_S)
                self._iso_before_preview = before.value
        except CameraError as error:
            _log.warning("%s: PREVIEW_ISO is not used: %s", self.port, error)

    async def _put_iso_back(self, child: Child, deadline: float) -> None:
        iso, self._iso_before_preview = self._iso_before_preview, None
        if iso is None:
            return
        try:
            await child.call("set_config", {"name": "iso", "value": iso}, deadline)
        except CameraError as error:
            _log.warning("%s: the ISO was not put back to %s: %s", self.port, iso, error)
            self._iso_before_preview = iso  # after the next opening

    def _on_event(self, name: str, message: Message) -> None:
        if name == "frame":
            header = message.header
            turn = Turn(header["rotation"], header["flip"])
            self.live.publish(Frame(message.data, header["seq"], header["time_us"], turn))
            return
        values = message.header["values"]
        if name == "file_added":
            path = values["camera_filepath"]
            if _in_ram(path):
                task = asyncio.create_task(self._rescue_own_shot(path), name=f"rescue {self.port}")
                self._rescues.add(task)
                task.add_done_callback(self._rescues.discard)
                return
            self._fetched.drop(path)
            self.last_image = path
        self._emit(CameraEvent(name, self.port, values))

    async def _rescue_own_shot(self, path: str) -> None:
        """Fetch a picture taken with the camera's own button into its RAM, and only then tell of it."""
        try:
            async with self._my_turn() as child:
                file = await self.rescue(child, CapturedFile(path, None, mimetype_of(path)))
        except CameraError as error:
            _log.warning("%s: %s is lost: %s", self.port, path, error)
            return
        self.last_image = file.path
        self._emit(CameraEvent("file_added", self.port, {"camera_filepath": file.path}))


class _Hands:
    """The camera in the hands of one photo (see shot.Hands), through a new process where one is lost."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, name: str) -> ConfigItem:
        return ConfigItem.from_json((await self._call("get_config", CONFIG_S, name=name)).header["ok"])

    async def set(self, name: str, value: WantedValue) -> ConfigItem:
        return ConfigItem.from_json((await self._call("set_config", CONFIG_S, name=name, value=value)).header["ok"])

    async def release(self, on_release: Callable[[], None]) -> list[CapturedFile]:
        def progressed(what: str) -> None:
            if what == "released":
                on_release()

        child = await self._session.child()
        reply = await child.call("capture", {}, CAPTURE_S, progressed)
        files = [CapturedFile(**file) for file in reply.header["ok"]["files"]]
        try:
            files = [await self._session.rescue(child, file) for file in files]
        except CameraError as error:  # it fired, and where the file was it is no more
            raise CaptureUnknown(CAPTURE_UNKNOWN, **error.details, reason=error.message) from None
        return sorted(files, key=lambda file: file.mimetype != "image/jpeg")

    async def fetch(self, path: str) -> FetchedFile:
        return await self._session.fetch_with(await self._session.child(), path)

    async def thumbnail(self, path: str) -> bytes:
        turn = self._session.capture_turn
        return (await self._call("thumbnail", FILES_S, path=path, rotation=turn.rotation, flip=turn.flip)).data

    async def delete(self, path: str) -> None:
        await self._session.delete_with(await self._session.child(), path)

    async def _call(self, do: str, deadline: float, **args: Any) -> Message:
        return await (await self._session.child()).call(do, args, deadline)


def _in_ram(path: str) -> bool:
    """Whether the driver shows a shot at the root: where it puts what the camera has only in its RAM."""
    return path.count("/") == 1


def _complain(task: asyncio.Task[None]) -> None:
    """Say it loudly when a task that should never end has ended by a mistake of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("%s broke; its camera is lost until a restart", task.get_name(), exc_info=error)
