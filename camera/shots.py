"""The shots of one camera: taken, told of, and looked for on its card where nobody knows what became of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from camera import deadlines
from camera.card import Card
from camera.child import Child
from camera.errors import CameraError, CaptureUnknown
from camera.files import CameraFiles
from camera.hands import CameraHands
from camera.iso import OperatorsIso
from camera.life import Life
from camera.model import CapturedFile, mimetype_of
from camera.options import SessionOptions
from camera.shot import OnPicture, Order, Shot, take

_log = logging.getLogger("camera.shots")


class Camera(Protocol):
    """The camera that takes them."""

    life: Life
    files: CameraFiles
    card: Card

    @property
    def port(self) -> str:
        """Where it is now."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def serial(self) -> str | None:
        """Its serial number."""

    def changed(self) -> None:
        """The state is another one."""

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Something happened."""

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something beside; it ends with the camera."""


class Shots:
    """What one camera shoots.

    Args:
        camera: the camera.
        iso: what stills are taken with.
        options: where photos are saved, and how they are turned.
        turn: held by whoever has the camera to itself.

    Attributes:
        under_way: whether one is being taken.
    """

    def __init__(self, camera: Camera, iso: OperatorsIso, options: SessionOptions, turn: asyncio.Lock) -> None:
        self.under_way = False
        self._camera = camera
        self._iso = iso
        self._options = options
        self._turn = turn
        self._doubtful: Child | None = None

    async def take(self, order: Order, on_picture: OnPicture) -> Shot:
        """Take one photo as ordered, in the order of asking; see `Session.capture`."""
        started = time.monotonic()
        camera = self._camera
        async with self._turn:
            child = await self._settle(await camera.life.child())
            if "iso" not in order.settings and (iso := await self._iso.for_still(child)) is not None:
                order = replace(order, preferred={"iso": iso})
            await camera.card.begin_shot(self._key)
            self.under_way = True
            camera.changed()
            try:
                hands = CameraHands(camera.life.child, camera.files, self._options.capture_turn)
                shot = await take(hands, order, started, self._options.photos, camera.title, camera.serial, on_picture)
            except CaptureUnknown:
                camera.card.unsettled, self._doubtful = True, child
                camera.keep(self._look_for_shot(), "look")
                raise
            except CameraError:
                await camera.card.end_shot(self._key)
                raise
            except BaseException:  # the server ends, or made a mistake: nobody knows whether it fired
                camera.card.unsettled, self._doubtful = True, child
                raise
            finally:
                self.under_way = False
                if not child.lost.done():  # else that it is lost is told at once
                    camera.changed()
            await camera.card.end_shot(self._key)
        self._tell_of(shot, started)
        return shot

    async def rescue_own(self, path: str) -> None:
        """Fetch a picture taken with the camera's own button into its RAM, and only then tell of it."""
        camera = self._camera
        try:
            async with self._turn:
                child = await camera.life.child()
                file = await camera.files.rescue(child, CapturedFile(path, None, mimetype_of(path)))
        except CameraError as error:
            _log.warning("%s: %s is lost: %s", camera.port, path, error)
            return
        camera.files.last_image = file.path
        camera.tell("file_added", {"camera_filepath": file.path})

    async def read_card(self, child: Child) -> None:
        """Read the card of a camera that was just opened, a shot of unknown outcome first."""

        async def list_folder(folder: str) -> tuple[list[str], list[str]]:
            async with self._turn:  # others may come in between
                return await _names(child, folder)

        with suppress(CameraError):  # lost again: the next opening comes here too
            async with self._turn:
                await self._settle(child)
            await self._camera.card.read(self._key, list_folder)

    def _tell_of(self, shot: Shot, started: float) -> None:
        camera = self._camera
        names = ", ".join(one.saved_path or one.file.path for one in shot.files)
        _log.info("%s: captured %s after %.0f ms", camera.port, names, (time.monotonic() - started) * 1000)
        if shot.files[0].on_camera:
            camera.files.last_image = shot.files[0].file.path
        for one in shot.files:
            told = {"camera_filepath": one.file.path}
            if one.on_camera:
                camera.card.add(one.file.path)
                camera.tell("file_added", told)
            if one.saved_path is not None:
                camera.tell("capture_saved", told | {"saved_path": one.saved_path})

    async def _look_for_shot(self) -> None:
        """After a shot of unknown outcome; a camera that is lost has this done once it is back."""
        with suppress(CameraError):
            async with self._turn:
                await self._settle(await self._camera.life.child())

    async def _settle(self, child: Child) -> Child:
        """Find out about a shot of unknown outcome before anything else is shot. Whoever calls has the camera.

        Returns:
            The camera's process, which may be a new one: the driver remembers the card as it was.
        """
        camera = self._camera
        if child is self._doubtful:
            await camera.life.renew()
            child = await camera.life.child()
        self._doubtful = None
        if not camera.card.unsettled:
            return child
        finding = await camera.card.settle(self._key, lambda folder: _names(child, folder))
        if finding is not None:
            _log.warning("%s: %s", camera.port, finding.message)
            if finding.files:
                camera.files.last_image = finding.files[-1]
            told = {"at": finding.at, "files": finding.files, "message": finding.message}
            camera.tell("capture_checked", told)
        return await camera.life.child()

    @property
    def _key(self) -> str:
        """What tells this camera from others, across restarts."""
        return self._camera.serial or f"{self._camera.life.driver_model} {self._camera.port}"


async def _names(child: Child, folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder of the camera."""
    listed = (await child.call("list_names", {"folder": folder}, deadlines.CARD_S)).header["ok"]
    return listed["folders"], listed["files"]
