"""The only way to reach a camera: one job after the other, each with its deadline, through all its processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from camera import deadlines
from camera.card import Card
from camera.care import Care
from camera.channel import Message
from camera.child import Child
from camera.errors import CameraDisconnected, FileNotFound
from camera.fetched import FetchedFile
from camera.files import CameraFiles, in_ram
from camera.iso import OperatorsIso
from camera.life import Life, complain
from camera.live_view import Feed, LiveView
from camera.model import CameraEvent, CameraIdentity, Capabilities, CapturedFile, ConfigItem, Frame, State, Storage
from camera.options import SessionOptions
from camera.shot import OnPicture, Order, Shot
from camera.shots import Shots
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
        whose: Callable[[Session, str], Callable[[], bool] | None] = lambda session, serial: None,
    ) -> None:
        self.life = Life(port, model, options, self)
        self.live = LiveView(self._switch_live_view)
        self.files = CameraFiles(options.capture_turn, self.life.child)
        self.card = Card(options.journal)
        self.care = Care(self, options.keep_alive, options.most_child_bytes)
        self.usb_serial: str | None = None
        self._capabilities = capabilities
        # By model. Outlives processes: a new one would claim again what its driver does not have.
        self._learned: dict[str, dict[str, bool]] = {}
        self._options = options
        self._emit = emit
        self._whose = whose
        self._iso = OperatorsIso(options.preview_iso, options.capture_iso)
        self._turn = asyncio.Lock()
        self._shots = Shots(self, self._iso, options, self._turn)
        self._caring: asyncio.Task[None] | None = None
        self._resume: asyncio.Task[None] | None = None
        self._rest: set[asyncio.Task[None]] = set()

    # -- what is known of it

    @property
    def port(self) -> str:
        """Where it is now."""
        return self.life.port

    @property
    def name(self) -> str:
        """libgphoto2's name of its model, the same before and after it was opened."""
        return self.life.driver_model

    @property
    def model(self) -> str | None:
        """What the camera calls itself; None until it was opened."""
        return self.life.identity.model if self.life.identity else None

    @property
    def title(self) -> str:
        """What people call it: as it calls itself, where that is known."""
        return self.model or self.name

    @property
    def serial(self) -> str | None:
        """The serial number, once the camera told it."""
        return self.life.identity.serial if self.life.identity else None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: what was tried, else what its driver claims."""
        if (identity := self.life.identity) is None:
            return self._capabilities
        return replace(identity.capabilities, **self._learned.get(identity.model, {}))

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self.life.connected

    @property
    def state(self) -> State:
        """What it is doing."""
        if not self.life.connected:
            return self.life.state
        if self._shots.under_way:
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
        for task in (self._resume, self._caring, *self._rest):  # whatever of these has the camera lets it go
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        child = self.life.current
        if child is not None and self._iso.before_preview is not None:
            with suppress(TimeoutError):  # a job that hangs has the camera: nothing can be said to it
                async with asyncio.timeout(deadlines.LAST_WISH_S), self._turn:
                    await self._iso.end_preview(child, deadlines.LAST_WISH_S)
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
        if event == "learned":
            self._learned.setdefault(message.header["model"], {}).update(values)
            return
        if event == "live_view_ended":
            self.live.paused()
            self.live.end("camera_error")
            self.changed()
            if self.life.current is not None:
                self.keep(self._end_preview(self.life.current), "end preview")
            return
        if event == "file_added":
            path = values["camera_filepath"]
            if in_ram(path):
                self.keep(self._shots.rescue_own(path), "rescue")
                return
            self.files.came(path)
            self.card.add(path)
        self.tell(event, values)

    def whose(self, identity: CameraIdentity) -> Callable[[], bool] | None:
        """Whether the camera that was opened is another one; see `Registry`."""
        return self._whose(self, identity.serial) if identity.serial else None

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
        self.tell("camera_state", told)

    def reachable(self, there: bool) -> None:
        """Tell that the camera is gone or back."""
        told = {"name": self.name, "model": self.model} if there else {}
        self.tell("camera_connected" if there else "camera_disconnected", told)

    def warned(self, warnings: Sequence[str]) -> None:
        """Tell what will stop the camera soon."""
        for words in warnings:
            _log.warning("%s: %s", self.port, words)
        self.tell("camera_warning", {"warnings": list(warnings)})

    async def _take_up_again(self, child: Child) -> None:
        """What a newly opened camera has to go on with: streams, the ISO from before the last one, its card."""
        await self.live.resume()
        await self._end_preview(child)
        await self._shots.read_card(child)

    async def _end_preview(self, child: Child) -> None:
        """Put back the ISO from before a live view that ended by itself."""
        if not self.live.viewers and self._iso.before_preview is not None:
            async with self._turn:
                await self._iso.end_preview(child, deadlines.CONFIG_S)

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Tell that something happened at the camera."""
        self._emit(CameraEvent(event, self.port, values))

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside; `stop` ends it."""
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
        self.tell("config_changed", {"config_name": item.name, "value": item.value})
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
        shot = await self._shots.take(order, on_picture)
        return replace(shot, warnings=(*shot.warnings, *self.care.warnings))

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
        self.tell("camera_state", {"state": "ready" if feed is None else "live"})
