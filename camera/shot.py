"""One photo: settings for it, shutter, files here, saved, settings put back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from camera.errors import CameraError, ConfigReadonly, InvalidValue, NotSupported
from camera.fetched import FetchedFile
from camera.model import CapturedFile, ConfigItem
from camera.orders import reads_unknown
from camera.photos import PhotoFolder, check_name, ending_of
from camera.widgets import WantedValue

_log = logging.getLogger("camera.shot")

# The largest files of a shot that are common in 2026 (a 60-megapixel RAW and its JPEG); has to fit before the shutter.
EXPECTED_BYTES = 160 * 2**20

Download = Literal["none", "thumbnail", "full"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a photo.

    Attributes:
        settings: for this shot; put back after it.
        preferred: the operator's settings for every shot; one that the camera refuses is a warning, not an error.
        download: whether the picture is fetched: not at all, the camera's thumbnail of it, the file.
        save: whether all files go to the photo folder.
        filename: for the saved files, in place of the template; an ending is replaced by the file's own.
        keep_on_camera: False deletes the files there once they are saved.
    """

    settings: Mapping[str, WantedValue] = field(default_factory=dict)
    preferred: Mapping[str, WantedValue] = field(default_factory=dict)
    download: Download = "none"
    save: bool = False
    filename: str | None = None
    keep_on_camera: bool = True


@dataclass(frozen=True, slots=True)
class ShotFile:
    """One file of a shot, where it was saved, and whether the camera still has it."""

    file: CapturedFile
    saved_path: str | None = None
    on_camera: bool = True


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo that was taken.

    Attributes:
        files: all its files, the JPEG first where there is one.
        picture: the first file, fetched, where the order wanted it.
        thumbnail: a JPEG, where the order wanted it.
        timing: milliseconds from the request to the shutter, to the file known, to the file here (where it was fetched).
        warnings: what did not go as ordered after the shutter, in words.
    """

    files: tuple[ShotFile, ...]
    picture: FetchedFile | None
    thumbnail: bytes | None
    timing: dict[str, float]
    warnings: tuple[str, ...]


# Called with what is known of the shot and its picture, once that is here.
OnPicture = Callable[[Shot, FetchedFile], None]


class Hands(Protocol):
    """What a photo needs of its camera, which is nobody else's meanwhile."""

    async def get(self, name: str) -> ConfigItem:
        """Read a setting."""

    async def set(self, name: str, value: WantedValue) -> ConfigItem:
        """Change a setting."""

    async def release(self, on_release: Callable[[], None]) -> list[CapturedFile]:
        """Fire once; all files, the JPEG first."""

    async def fetch(self, path: str) -> FetchedFile:
        """A whole file."""

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail."""

    async def delete(self, path: str) -> None:
        """Delete a file."""


async def take(
    hands: Hands,
    order: Order,
    started: float,
    photos: PhotoFolder,
    camera: str,
    serial: str | None,
    on_picture: OnPicture,
) -> Shot:
    """Take one photo as ordered. After the shutter nothing fails any more: what goes wrong is told in `warnings`.

    Args:
        started: when the request came, monotonic seconds.
        photos: where saved files go.
        camera, serial: for their names.
        on_picture: gets the picture, where one is ordered, before it is saved.

    Raises:
        DiskFull, FolderNotWritable, InvalidPath: refused before the shutter.
        CameraError: a setting was refused, or the shutter did not fire; settings are put back,
            `details.put_back` names them.
        CaptureUnknown: the shutter may have fired.
    """
    if order.filename is not None:
        check_name(order.filename)
    if order.save:
        await asyncio.to_thread(photos.check_room, EXPECTED_BYTES)
    before: dict[str, ConfigItem] = {}
    warnings: list[str] = []
    timing: dict[str, float] = {}

    def lap(name: str) -> None:
        timing[name] = round((time.monotonic() - started) * 1000, 1)

    try:
        for name, value in order.preferred.items():
            try:
                item = await hands.get(name)
                await hands.set(name, value)
                before.setdefault(name, item)
            except CameraError as error:
                warnings.append(f"{name} was not set to {value}: {error}")
        for name, value in order.settings.items():
            item = await hands.get(name)
            try:
                await hands.set(name, value)
            except (ConfigReadonly, NotSupported):  # refused before the camera saw it: nothing to put back
                raise
            except InvalidValue as error:
                if "value" in error.details:  # the camera had its own mind
                    before.setdefault(name, item)
                raise
            except CameraError:
                before.setdefault(name, item)
                raise
            before.setdefault(name, item)
        captured = await hands.release(lambda: lap("shutter_ms"))
        lap("file_known_ms")
    except CameraError as error:
        put_back = await _put_back(hands, before, warnings)
        if before:
            error.details["put_back"] = put_back
        if warnings:
            error.details["warnings"] = warnings
        raise
    await _put_back(hands, before, warnings)
    return await _bring(hands, order, captured, photos, camera, serial, on_picture, lap, timing, warnings)


async def _put_back(hands: Hands, before: Mapping[str, ConfigItem], warnings: list[str]) -> list[str]:
    done = []
    for name, item in reversed(list(before.items())):
        if item.value is None or reads_unknown(item):
            continue
        try:
            await hands.set(name, item.value)
            done.append(name)
        except CameraError as error:
            warnings.append(f"{name} could not be put back to {item.value}: {error}")
    return done


async def _bring(
    hands: Hands,
    order: Order,
    captured: list[CapturedFile],
    photos: PhotoFolder,
    camera: str,
    serial: str | None,
    on_picture: OnPicture,
    lap: Callable[[str], None],
    timing: dict[str, float],
    warnings: list[str],
) -> Shot:
    """Fetch, save and clear away the files of a shot that was taken."""
    picture: FetchedFile | None = None
    thumbnail: bytes | None = None
    files: list[ShotFile] = []
    name, save = "", order.save
    if save:
        endings = [ending_of(file.filename) for file in captured]
        try:
            name = await asyncio.to_thread(_name, photos, order, captured[0].filename, endings, camera, serial)
        except OSError as error:  # a network folder that went away
            warnings.append(f"the photo folder cannot be read: {error.strerror}")
            save = False
    for index, file in enumerate(captured):
        saved: str | None = None
        on_camera = True
        wanted = save or (index == 0 and order.download == "full")
        try:
            fetched = await hands.fetch(file.path) if wanted else None
            if fetched is not None:
                file = CapturedFile(file.path, fetched.size, file.mimetype)
                if index == 0:
                    lap("file_here_ms")
                    if order.download == "full":
                        picture = fetched
                        known = tuple(ShotFile(one) for one in (file, *captured[1:]))
                        on_picture(Shot(known, picture, None, dict(timing), ()), picture)
            if save and fetched is not None:
                saved = await asyncio.to_thread(_save, photos, name, fetched)
        except CameraError as error:
            warnings.append(f"{file.filename} is still on the camera: {error}")
        if index == 0 and order.download == "thumbnail":  # before the file is deleted: the camera makes it of that
            try:
                thumbnail = await hands.thumbnail(file.path)
            except CameraError as error:
                warnings.append(f"no thumbnail: {error}")
        if saved is not None and not order.keep_on_camera:
            try:
                await hands.delete(file.path)
                on_camera = False
            except CameraError as error:
                warnings.append(f"{file.filename} was saved as {saved}: {error}")
        files.append(ShotFile(file, saved, on_camera))
    return Shot(tuple(files), picture, thumbnail, timing, tuple(warnings))


def _name(photos: PhotoFolder, order: Order, original: str, endings: list[str], camera: str, serial: str | None) -> str:
    if order.filename is not None:
        wanted = order.filename.rpartition(".")[0] or order.filename
    else:
        wanted = photos.name(original, camera, serial, datetime.now())
    return photos.free_name(wanted, endings)


def _save(photos: PhotoFolder, name: str, file: FetchedFile) -> str:
    return str(photos.save(name, ending_of(file.filename), file.size, file.copy_to))
