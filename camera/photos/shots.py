"""The pictures of one camera: capture, download, deletion, and the check after a shot with an unknown outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camera.errors import CameraError, CaptureUnknown, NoImage
from camera.events import CaptureChecked, CaptureSaved, FileAdded, StateMayDiffer
from camera.model import CapturedFile, mimetype_of
from camera.orientation import AS_IS, Orientation
from camera.photos.capture import Capture, CaptureRequest, Destination, OnPicture, Shot
from camera.photos.card import Card, Finding
from camera.photos.downloads import Downloads, FetchedFile, in_ram
from camera.photos.folder import PhotoFolder
from camera.photos.iso import OperatorsIso
from camera.photos.journal import Journal
from camera.photos.saver import PhotoSaver
from camera.remote import RemoteCamera

_log = logging.getLogger("camera.photos.shots")


@dataclass(frozen=True, slots=True)
class PhotoOptions:
    """Options for pictures.

    Attributes:
        saver: saves pictures.
        journal: records shots in progress.
        orientation: how fetched pictures are rotated and mirrored.
    """

    saver: PhotoSaver = field(
        default_factory=lambda: PhotoSaver(PhotoFolder(Path("photos"), "{date}_{time}_{original}"))
    )
    journal: Journal = field(default_factory=lambda: Journal(None))
    orientation: Orientation = AS_IS


@dataclass(frozen=True, slots=True)
class Owner:
    """The camera of the pictures: port, title and serial number, and a key that identifies it across restarts."""

    port: str
    title: str
    serial: str | None
    key: str


FromPhotos = FileAdded | CaptureSaved | CaptureChecked | StateMayDiffer


class Photos:
    """Captures with one camera, and the content of its card.

    Args:
        options: for every camera.
        iso: the operator's ISO for stills.
        exclusive: gives exclusive access to the camera.
        owner: returns the camera's current data.
        emit: receives every event.

    Attributes:
        capturing: whether a photo is being taken.
    """

    def __init__(
        self,
        options: PhotoOptions,
        iso: OperatorsIso,
        exclusive: Callable[[], AbstractAsyncContextManager[RemoteCamera]],
        owner: Callable[[], Owner],
        emit: Callable[[FromPhotos], None],
    ) -> None:
        self.capturing = False
        self._options = options
        self._iso = iso
        self._exclusive = exclusive
        self._owner = owner
        self._emit = emit
        self._downloads = Downloads(options.orientation)
        self._card = Card(options.journal)
        self._driver_cache_stale = False  # after a shot with an unknown outcome
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def file_count(self) -> int | None:
        """The number of files on the card; None until it was read."""
        return self._card.files

    @property
    def finding(self) -> Finding | None:
        """The result of the check after the last shot with an unknown outcome."""
        return self._card.finding

    async def capture(self, request: CaptureRequest, on_picture: OnPicture) -> Shot:
        """Take one picture, in the order of requests. Live view pauses during the capture and then continues.

        Args:
            request: what the capture should do.
            on_picture: called with the picture when it was fetched, before it is saved.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was found; the card is checked later.
            CameraError: the shutter did not fire.
        """
        started = time.monotonic()
        async with self._exclusive() as camera:
            await self._check_unknown_shot(camera)
            if "iso" not in request.settings and (iso := await self._iso.for_still(camera)) is not None:
                request = replace(request, preferred={"iso": iso})
            shot = await self._take(camera, request, on_picture, started)
        self._report(shot, started)
        return shot

    async def _take(self, camera: RemoteCamera, request: CaptureRequest, on_picture: OnPicture, started: float) -> Shot:
        owner = self._owner()
        destination = Destination(self._options.saver, owner.title, owner.serial)
        await self._card.begin_shot(owner.key)
        self.capturing = True
        self._emit(StateMayDiffer())
        try:
            shot = await Capture(camera, self._downloads, request, destination, on_picture, started).take()
        except CaptureUnknown:
            self._card.needs_check = self._driver_cache_stale = True
            self._start(self._check_in_background(), "look for shot")
            raise
        except CameraError:
            await self._card.end_shot(owner.key)
            raise
        except BaseException:  # shutdown or an internal error: whether it fired is unknown
            self._card.needs_check = self._driver_cache_stale = True
            raise
        finally:
            self.capturing = False
            self._emit(StateMayDiffer())
        await self._card.end_shot(owner.key)
        return shot

    async def fetch(self, path: str | None, digest: bool = False) -> FetchedFile:
        """A complete file; without a path, the last picture. Raises FileNotFound, InvalidPath.

        Args:
            path: on the camera.
            digest: whether its SHA-256 will be needed.
        """
        if path is None:
            path = self._downloads.last_image
        if path is None:
            raise NoImage("No image was captured yet.")
        async with self._exclusive() as camera:
            return await self._downloads.fetch(camera, path, digest)

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        async with self._exclusive() as camera:
            return await self._downloads.thumbnail(camera, path)

    async def delete(self, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        async with self._exclusive() as camera:
            await self._downloads.delete(camera, path)
        self._card.remove(path)

    def added(self, path: str) -> None:
        """A new file that no command made was reported. A file in the camera's RAM is fetched before it is reported."""
        if in_ram(path):
            self._start(self._fetch_from_ram(path), "rescue")
            return
        self._downloads.added(path)
        self._card.add(path)
        self._emit(FileAdded(path))

    def opened(self) -> None:
        """A new process has opened the camera. It may be another camera, with its own shot to check."""
        self._card.needs_check, self._driver_cache_stale = True, False

    def lost(self) -> None:
        """The camera is no longer open."""
        self._downloads.forget_copies()

    def forget_old(self) -> None:
        """Free the memory of files that were not used recently."""
        self._downloads.forget_old()

    async def read_card(self) -> None:
        """Check a shot with an unknown outcome, and read the card of a newly opened camera."""

        async def list_folder(folder: str) -> tuple[list[str], list[str]]:
            async with self._exclusive() as camera:  # released between folders, so that others can use the camera
                return await _names(camera, folder)

        with suppress(CameraError):  # if the camera is lost, this is called again after the next opening
            async with self._exclusive() as camera:
                await self._check_unknown_shot(camera)
            await self._card.read(self._owner().key, list_folder)

    async def stop(self) -> None:
        """Cancel background tasks."""
        for task in tuple(self._tasks):
            task.cancel()
            await asyncio.wait((task,))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch_from_ram(self, path: str) -> None:
        """Fetch a picture that the camera's own button has left in the camera's RAM, and then report it."""
        try:
            async with self._exclusive() as camera:
                file = await self._downloads.fetch_if_in_ram(camera, CapturedFile(path, None, mimetype_of(path)))
        except CameraError as error:
            _log.warning("%s: picture lost: %s: %s", self._owner().port, path, error)
            return
        self._downloads.last_image = file.path
        self._emit(FileAdded(file.path))

    def _report(self, shot: Shot, started: float) -> None:
        names = ", ".join(one.saved_path or one.file.path for one in shot.files)
        _log.info("%s: captured %s in %.0f ms", self._owner().port, names, (time.monotonic() - started) * 1000)
        if shot.files[0].on_camera:
            self._downloads.last_image = shot.files[0].file.path
        for one in shot.files:
            if one.on_camera:
                self._card.add(one.file.path)
                self._emit(FileAdded(one.file.path))
            if one.saved_path is not None:
                self._emit(CaptureSaved(one.file.path, one.saved_path))

    # -- shots with an unknown outcome

    async def _check_in_background(self) -> None:
        """Check the card after a shot with an unknown outcome; if the camera is lost, after the next opening."""
        with suppress(CameraError):
            async with self._exclusive() as camera:
                await self._check_unknown_shot(camera)

    async def _check_unknown_shot(self, camera: RemoteCamera) -> None:
        """Check the outcome of an earlier shot before the next capture."""
        if self._driver_cache_stale:
            await camera.renew()
            self._driver_cache_stale = False
        if not self._card.needs_check:
            return
        finding = await self._card.check(self._owner().key, lambda folder: _names(camera, folder))
        if finding is not None:
            _log.warning("%s: %s", self._owner().port, finding.message)
            if finding.files:
                self._downloads.last_image = finding.files[-1]
            self._emit(CaptureChecked(finding.at, finding.files, finding.message))


async def _names(camera: RemoteCamera, folder: str) -> tuple[list[str], list[str]]:
    names = await camera.list_names(folder)
    return names.folders, names.files
