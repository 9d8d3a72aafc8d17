"""Saves pictures to the photo folder with deadlines.

A folder that hangs, for example because it is on the network, does not delay any camera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from camera.errors import CameraIO, FolderNotWritable
from camera.photos.downloads import FetchedFile
from camera.photos.folder import NameParts, PhotoFolder
from camera.photos.sidecar import ENDING, PictureFacts, packet
from handover import Call, Handover, Start, new_threads

R = TypeVar("R")

# A folder on the network answers in milliseconds; a sleeping disk needs some seconds to start.
_LOOK_S = 10.0
# The longest time in which no byte is written. fsync of a large file is one step, which takes long on a slow SD card.
_WRITE_S = 30.0


class PhotoSaver:
    """The photo folder for all cameras, for use in the event loop.

    Args:
        folder: the folder. Its methods block, so they run in threads.
        start: runs work in a thread; by default in a new thread each time.
    """

    def __init__(self, folder: PhotoFolder, start: Start | None = None) -> None:
        self.folder = folder
        self._handover = Handover(start or new_threads("photo folder"))

    async def prepare(self) -> int:
        """Check that pictures can be saved, and delete partial files of a killed server; returns their number.

        Raises:
            FolderNotWritable: the message has the reason.
        """

        def prepare(call: Call) -> int:
            try:
                self.folder.check_writable()
                return self.folder.sweep()
            except OSError as error:
                raise self._unreadable(error) from error

        return await self._run(_LOOK_S, prepare)

    async def check_room(self, size: int) -> None:
        """Check that `size` bytes fit. Raises DiskFull, FolderNotWritable."""
        await self._run(_LOOK_S, lambda call: self.folder.check_room(size))

    async def add_line(self, name: str, heading: str, line: str) -> None:
        """Add a line to a text file of the folder. A new file begins with the heading. Raises FolderNotWritable."""

        def add(call: Call) -> None:
            try:
                self.folder.add_line(name, heading, line)
            except OSError as error:
                words = f"{self.folder.folder / name} cannot be written: {error.strerror}."
                raise FolderNotWritable(words, folder=str(self.folder.folder)) from error

        await self._run(_WRITE_S, add)

    async def free(self) -> int:
        """The bytes that pictures may use on the disk. Raises FolderNotWritable."""

        def free(call: Call) -> int:
            try:
                return self.folder.free()
            except OSError as error:
                raise self._unreadable(error) from error

        return await self._run(_LOOK_S, free)

    async def claim(self, parts: NameParts, wanted: str | None, endings: Iterable[str]) -> str:
        """Reserve a name for all files of a shot, without ending, until `release`.

        Args:
            parts: the values for the template.
            wanted: a name from a client, which is used instead of the template.
            endings: the endings of the files.

        Raises:
            FolderNotWritable: the folder cannot be read.
        """
        stem = (wanted.rpartition(".")[0] or wanted) if wanted is not None else None

        def claim(call: Call) -> str:
            try:
                name = stem or self.folder.name(parts, datetime.now())
                return self.folder.claim(name, endings)
            except OSError as error:
                raise self._unreadable(error) from error

        return await self._run(_LOOK_S, claim)

    def release(self, name: str) -> None:
        """Release the reserved name. The saved files keep their names."""
        self.folder.release(name)

    async def save(self, name: str, ending: str, file: FetchedFile) -> str:
        """Save a file; returns its path. Raises DiskFull, FolderNotWritable, CameraIO."""

        def save(call: Call) -> str:
            def copy(descriptor: int) -> None:
                file.copy_to(descriptor, call.progress)
                call.progress()

            return str(self.folder.save(name, ending, file.size, copy, lambda: call.abandoned))

        return await self._run(_WRITE_S, save)

    async def save_sidecar(self, picture: str, facts: PictureFacts) -> None:
        """Save the sidecar of a picture, whose path `save` returned. Raises DiskFull, FolderNotWritable, CameraIO."""

        def save(call: Call) -> None:
            try:
                content = packet(facts)
            except ValueError as error:
                raise CameraIO(str(error)) from error

            def write(descriptor: int) -> None:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(content)

            name = str(Path(picture).relative_to(self.folder.folder).with_suffix(""))
            self.folder.save(name, ENDING, len(content), write, lambda: call.abandoned)

        await self._run(_WRITE_S, save)

    def _unreadable(self, error: OSError) -> FolderNotWritable:
        folder = self.folder.folder
        return FolderNotWritable(f"The photo folder {folder} cannot be read: {error.strerror}.", folder=str(folder))

    async def _run(self, deadline_s: float, function: Callable[[Call], R]) -> R:
        try:
            return await self._handover.run(deadline_s, function)
        except TimeoutError:
            folder = self.folder.folder
            raise FolderNotWritable(f"The photo folder {folder} does not respond.", folder=str(folder)) from None
