"""The only way to reach a camera: one job after the other, each with its deadline, through all its processes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from camera import deadlines
from camera.card import Card
from camera.care import Care
from camera.channel import Message
from camera.child import Child
from camera.errors import CameraDisconnected, CameraError, CaptureUnknown, FileNotFound, NotSupported
from camera.fetched import FetchedFile
from camera.files import CameraFiles, in_ram
from camera.hands import CameraHands
from camera.iso import OperatorsIso
from camera.life import Life, complain
from camera.live_view import Feed, LiveView
from camera.model import CameraEvent, Capabilities, CapturedFile, ConfigItem, Frame, State, Storage, mimetype_of
from camera.options import SessionOptions
from camera.shot import OnPicture, Order, Shot, take
from camera.turn import Turn
from camera.widgets import WantedValue

_log = logging.getLogger("camera.session")


class Session:
    """One camera. Identity is the serial number; the port is where it is now.

    Attributes:
        life: its process and how that fares.
        live: its live view.
        files: its files.
        card: what is known of its card.
        care: what it needs while nobody uses it.
        usb_serial: the serial number that USB tells.
    """

    def __init__(
        self,
        port: str,
        model: str,
        capabilities: Capabilities,
        options: SessionOptions,
        emit: Callable[[CameraEvent], None],
    ) -> None:
        self.life = Life(port, model, options, self)
        self.live = LiveView(self._switch_live_view)
        self.files = CameraFiles(options.capture_turn, self.life.child)
        self.card = Card(options.journal)
        self.care = Care(self, options.keep_alive, options.most_child_bytes)
        self.usb_serial: str | None = None
        self._capabilities = capabilities
        self._options = options
        self._emit = emit
        self._iso = OperatorsIso(options.preview_iso, options.capture_iso)
        self._capturing = False
        self._turn = asyncio.Lock()
        self._caring: asyncio.Task[None] | None = None
        self._resume: asyncio.Task[None] | None = None
        self._rest: set[asyncio.Task[None]] = set()
        self._doubtful: Child | None = None

    # -- what is known of it

    @property
    def port(self) -> str:
        """Where it is now."""
        return self.life.port

    @property
    def name(self) -> str:
        """The model as the camera tells it, or as the driver calls it until it was opened."""
        return self.life.identity.model if self.life.identity else self.life.driver_model

    @property
    def serial(self) -> str | None:
        """The serial number, once the camera told it."""
        return self.life.identity.serial if self.life.identity else None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.life.identity.capabilities if self.life.identity else self._capabilities

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self.life.connected

    @property
    def state(self) -> State:
        """What it is doing."""
        if not self.life.connected:
            return self.life.state
        if self._capturing:
            return "capturing"
        return "live" if self.live.running else "ready"

    @property
    def idle(self) -> bool:
        """Open, and nobody uses it or watches."""
        return self.life.connected and not self._turn.locked() and not self.live.running and not self.live.viewers

    @property
    def process(self) -> int | None:
        """The number of its process."""
        return self.life.current.pid if self.life.current else None

    # -- its life

    def start(self) -> None:
        """Begin to open the camera, and keep it open from now on."""
        self.life.start()
        self._caring = asyncio.create_task(self.care.run(), name=f"care {self.port}")
        self._caring.add_done_callback(complain)

    async def stop(self) -> None:
        """Release the camera and end everything that belongs to it; takes at most the close deadline and 1.5 s."""
        child = self.life.current
        if child is not None and not self._turn.locked() and self._iso.before_preview is not None:
            async with self._turn:
                await self._iso.end_preview(child, deadlines.LAST_WISH_S)
        for task in (self._resume, self._caring, *self._rest):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        await self.live.stop()
        await self.life.stop()

    async def finish(self) -> None:
        """Wait for the job under way and those that wait for it."""
        async with self._turn:
            return

    async def ready(self) -> None:
        """Wait for the try to open it that is under way, if it is not open.

        Raises:
            CameraError: it does not open; tries go on.
        """
        await self.life.child()

    async def renew(self) -> None:
        """Close the camera and open it again; returns when it is ready.

        Raises:
            CameraError: it does not open; tries go on.
        """
        async with self._turn:
            await self.life.renew()

    def heard(self, event: str, message: Message) -> None:
        """The camera's process said something by itself."""
        if event == "frame":
            header = message.header
            turn = Turn(header["rotation"], header["flip"])
            self.live.publish(Frame(message.data, header["seq"], header["time_us"], turn))
            return
        values = message.header["values"]
        if event == "file_added":
            path = values["camera_filepath"]
            if in_ram(path):
                self._keep(self._rescue_own_shot(path), "rescue")
                return
            self.files.came(path)
            self.card.add(path)
        self._emit(CameraEvent(event, self.port, values))

    def opened(self, child: Child) -> None:
        """The camera is open: what was left undone goes on."""
        self.card.unsettled = True  # it may be another camera, with a shot of its own to look for
        self._resume = asyncio.create_task(self._take_up_again(child), name=f"resume {self.port}")

    def lost(self) -> None:
        """The camera is not open any more."""
        if self._resume is not None:
            self._resume.cancel()
        self.live.paused()
        self.files.forget_copies()

    def changed(self) -> None:
        """Tell of the state."""
        told: dict[str, Any] = {"state": self.state}
        if not self.life.connected:
            error = self.life.last_error
            told |= {"attempts": self.life.attempts, "last_error": None if error is None else error.message}
        self._emit(CameraEvent("camera_state", self.port, told))

    def reachable(self, there: bool) -> None:
        """Tell that the camera is gone or back."""
        told = {"name": self.name} if there else {}
        self._emit(CameraEvent("camera_connected" if there else "camera_disconnected", self.port, told))

    def warned(self, warnings: Sequence[str]) -> None:
        """Tell what will stop the camera soon."""
        for words in warnings:
            _log.warning("%s: %s", self.port, words)
        self._emit(CameraEvent("camera_warning", self.port, {"warnings": list(warnings)}))

    async def _take_up_again(self, child: Child) -> None:
        """What a newly opened camera has to go on with: streams, the ISO from before the last one, its card."""
        await self.live.resume()
        if not self.live.viewers and self._iso.before_preview is not None:
            async with self._turn:
                await self._iso.end_preview(child, deadlines.CONFIG_S)

        async def list_folder(folder: str) -> tuple[list[str], list[str]]:
            async with self._turn:  # others may come in between
                return await _names(child, folder)

        with suppress(CameraError):  # lost again: the next opening comes here too
            async with self._turn:
                await self._settle(child)
            await self.card.read(self._key, list_folder)

    async def _settle(self, child: Child) -> Child:
        """Find out about a shot of unknown outcome before anything else is shot. Whoever calls has the camera.

        Returns:
            The camera's process, which may be a new one: the driver remembers the card as it was.
        """
        if child is self._doubtful:
            await self.life.renew()
            child = await self.life.child()
        self._doubtful = None
        if not self.card.unsettled:
            return child
        finding = await self.card.settle(self._key, lambda folder: _names(child, folder))
        if finding is not None:
            _log.warning("%s: %s", self.port, finding.message)
            if finding.files:
                self.files.last_image = finding.files[-1]
            told = {"at": finding.at, "files": finding.files, "message": finding.message}
            self._emit(CameraEvent("capture_checked", self.port, told))
        return await self.life.child()

    @property
    def _key(self) -> str:
        """What tells this camera from others, across restarts."""
        return self.serial or f"{self.life.driver_model} {self.port}"

    def _keep(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=f"{name} {self.port}")
        self._rest.add(task)
        task.add_done_callback(self._rest.discard)

    # -- jobs

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[Child]:
        """The camera for one caller alone, in the order of asking."""
        async with self._turn:
            yield await self.life.child()

    async def _ask(self, do: str, deadline: float, **args: Any) -> Message:
        """Run a job that changes nothing: when the camera's process was lost beneath it, it runs once more."""
        async with self._my_turn() as child:
            try:
                return await child.call(do, args, deadline)
            except CameraDisconnected:
                if not child.lost.done():
                    raise
            return await (await self.life.child()).call(do, args, deadline)

    async def get_config(self, name: str) -> ConfigItem:
        """One setting. Raises ConfigNotFound."""
        return ConfigItem.from_json((await self._ask("get_config", deadlines.CONFIG_S, name=name)).header["ok"])

    async def get_all_config(self) -> list[ConfigItem]:
        """Every setting with its path."""
        reply = await self._ask("get_all_config", deadlines.TREE_S)
        return [ConfigItem.from_json(item) for item in reply.header["ok"]["items"]]

    async def set_config(self, name: str, value: WantedValue) -> ConfigItem:
        """Set one setting; the item as read back. Raises ConfigNotFound, ConfigReadonly, InvalidValue, NotSupported."""
        async with self._my_turn() as child:
            reply = await child.call("set_config", {"name": name, "value": value}, deadlines.CONFIG_S)
        item = ConfigItem.from_json(reply.header["ok"])
        if item.name == "iso":
            self._iso.before_preview = None  # an explicit wish outlives the preview
        if item.name == "capturetarget":
            self.life.capture_target = str(item.value)  # a driver setting: it has to outlive the process
        self._emit(CameraEvent("config_changed", self.port, {"config_name": item.name, "value": item.value}))
        return item

    async def capture(self, order: Order, on_picture: OnPicture) -> Shot:
        """Take one photo as ordered. Live view pauses meanwhile and goes on by itself.

        Args:
            order: what is wanted.
            on_picture: called with the picture once it is here, before it is saved.

        Raises:
            CaptureUnknown: the shutter may have fired and no file was seen; the card is read and told of later.
            CameraError: it did not fire.
        """
        if not self.capabilities.capture:
            raise NotSupported(f"{self.name} cannot be released by remote control.")
        started = time.monotonic()
        async with self._my_turn() as child:
            child = await self._settle(child)
            if "iso" not in order.settings and (iso := await self._iso.for_still(child)) is not None:
                order = replace(order, preferred={"iso": iso})
            await self.card.begin_shot(self._key)
            self._capturing = True
            self.changed()
            try:
                hands = CameraHands(self.life.child, self.files, self._options.capture_turn)
                shot = await take(hands, order, started, self._options.photos, self.name, self.serial, on_picture)
            except CaptureUnknown:
                self.card.unsettled, self._doubtful = True, child
                self._keep(self._look_for_shot(), "look")
                raise
            except CameraError:
                await self.card.end_shot(self._key)
                raise
            except BaseException:  # the server ends, or made a mistake: nobody knows whether it fired
                self.card.unsettled, self._doubtful = True, child
                raise
            finally:
                self._capturing = False
                if not child.lost.done():  # else that it is lost is told at once
                    self.changed()
            await self.card.end_shot(self._key)
        self._tell_of(shot, started)
        return replace(shot, warnings=(*shot.warnings, *self.care.warnings))

    def _tell_of(self, shot: Shot, started: float) -> None:
        names = ", ".join(one.saved_path or one.file.path for one in shot.files)
        _log.info("%s: captured %s after %.0f ms", self.port, names, (time.monotonic() - started) * 1000)
        if shot.files[0].on_camera:
            self.files.last_image = shot.files[0].file.path
        for one in shot.files:
            told = {"camera_filepath": one.file.path}
            if one.on_camera:
                self.card.add(one.file.path)
                self._emit(CameraEvent("file_added", self.port, told))
            if one.saved_path is not None:
                self._emit(CameraEvent("capture_saved", self.port, told | {"saved_path": one.saved_path}))

    async def _look_for_shot(self) -> None:
        """After a shot of unknown outcome; a camera that is lost has this done once it is back."""
        with suppress(CameraError):
            async with self._my_turn() as child:
                await self._settle(child)

    async def preview(self, turn: Turn) -> bytes:
        """One live-view frame as JPEG. Raises NotSupported."""
        return (await self._ask("preview", deadlines.PREVIEW_S, rotation=turn.rotation, flip=turn.flip)).data

    async def fetch(self, path: str | None, digest: bool = False) -> FetchedFile:
        """A whole file; without a path the last image captured. Raises FileNotFound, InvalidPath.

        Args:
            path: on the camera.
            digest: its SHA-256 will be asked for.
        """
        if path is None:
            path = self.files.last_image
        if path is None:
            raise FileNotFound("No image was captured yet. Send capture_image, or name a camera_filepath.")
        async with self._my_turn():
            return await self.files.fetch(path, digest)

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        turn = self._options.capture_turn
        turned = {"rotation": turn.rotation, "flip": turn.flip}
        return (await self._ask("thumbnail", deadlines.FILES_S, path=path, **turned)).data

    async def list_files(self, folder: str) -> tuple[list[str], list[CapturedFile]]:
        """Names of folders, and files, in a folder of the camera. Raises FileNotFound, InvalidPath."""
        listed = (await self._ask("list_files", deadlines.FILES_S, folder=folder)).header["ok"]
        return listed["folders"], [CapturedFile(**file) for file in listed["files"]]

    async def delete_file(self, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        async with self._my_turn():
            await self.files.delete(path)
        self.card.remove(path)

    async def storage(self) -> list[Storage]:
        """The camera's cards."""
        reply = await self._ask("storage", deadlines.FILES_S)
        return [Storage(**card) for card in reply.header["ok"]["storage"]]

    async def keep_alive(self) -> None:
        """Do something that the camera takes for use, so that it does not switch itself off."""
        await self._ask("keep_alive", deadlines.CONFIG_S)

    def forget_old_files(self) -> None:
        """Give back the memory of files that nobody asked for in a while."""
        self.files.forget_old()

    async def _switch_live_view(self, feed: Feed | None) -> None:
        if feed is not None and not self.capabilities.live_view:
            raise NotSupported(f"{self.name} has no live view.")
        if feed is None and not self.life.connected:
            return
        async with self._my_turn() as child:
            if feed is None:
                await child.call("live_view", {"fps": None, "seq": 0, "turns": []}, deadlines.CONFIG_S)
                await self._iso.end_preview(child, deadlines.CONFIG_S)
            else:
                turns = [(turn.rotation, turn.flip) for turn in feed.turns]
                args = {"fps": feed.fps, "seq": self.live.last_seq, "turns": turns}
                await child.call("live_view", args, deadlines.CONFIG_S)
                await self._iso.begin_preview(child)
                if child.lost.done():  # while its ISO was set, which is best effort
                    raise child.lost.result()
        self._emit(CameraEvent("camera_state", self.port, {"state": "ready" if feed is None else "live"}))

    async def _rescue_own_shot(self, path: str) -> None:
        """Fetch a picture taken with the camera's own button into its RAM, and only then tell of it."""
        try:
            async with self._my_turn() as child:
                file = await self.files.rescue(child, CapturedFile(path, None, mimetype_of(path)))
        except CameraError as error:
            _log.warning("%s: %s is lost: %s", self.port, path, error)
            return
        self.files.last_image = file.path
        self._emit(CameraEvent("file_added", self.port, {"camera_filepath": file.path}))


async def _names(child: Child, folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder of the camera."""
    listed = (await child.call("list_names", {"folder": folder}, deadlines.CARD_S)).header["ok"]
    return listed["folders"], listed["files"]
