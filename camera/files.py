"""The files of one camera: fetched, kept here for a while, deleted there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from camera import deadlines
from camera.child import Child
from camera.errors import CameraDisconnected, CameraError, CameraIO
from camera.fetched import FetchedFile, FetchedFiles
from camera.model import CapturedFile
from camera.turn import Turn


class CameraFiles:
    """What goes on between the camera's storage and here. Whoever calls has the camera to itself.

    Args:
        turn: how pictures are turned on their way here.
        child: the open camera's process, a new one where it was lost.
    """

    def __init__(self, turn: Turn, child: Callable[[], Awaitable[Child]]) -> None:
        self.last_image: str | None = None
        self._turn = turn
        self._child = child
        self._fetched = FetchedFiles()

    async def fetch(self, path: str, digest: bool = False) -> FetchedFile:
        """A whole file, with its SHA-256 where that will be asked for. Raises FileNotFound, InvalidPath."""
        file = self._fetched.get(path)
        if file is None:
            file = await self._fetch(await self._child(), path, digest)
            self._fetched.add(file)
        return file

    async def rescue(self, child: Child, file: CapturedFile) -> CapturedFile:
        """Fetch a shot that is only in the camera's RAM, where the next one takes its place."""
        if not in_ram(file.path):
            self._fetched.drop(file.path)  # of a file that had this name before, on a card that was formatted
            return file
        fetched = await self._fetch(child, file.path)
        path = self._fetched.add_only_copy(fetched)
        return CapturedFile(path, fetched.size, fetched.mimetype)

    async def delete(self, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        try:
            await (await self._child()).call("delete_file", {"path": path}, deadlines.FILES_S)
        except CameraError:
            if not self._fetched.is_only_copy(path):  # those the driver may still remember, the camera does not
                raise
        self._fetched.drop(path)
        if self.last_image == path:
            self.last_image = None

    def came(self, path: str) -> None:
        """The camera made a file: what had this name before is gone."""
        self._fetched.drop(path)
        self.last_image = path

    def forget_copies(self) -> None:
        """Drop what the camera has as well: its card may be another one by now."""
        self._fetched.forget_copies()

    def forget_old(self) -> None:
        """Give back the memory of files that nobody asked for in a while."""
        self._fetched.forget_old()

    async def _fetch(self, child: Child, path: str, digest: bool = False) -> FetchedFile:
        args = {"path": path, "rotation": self._turn.rotation, "flip": self._turn.flip, "digest": digest}
        try:
            message = await child.call("fetch", args, deadlines.DOWNLOAD_SILENCE_S)
        except (CameraIO, CameraDisconnected):
            if not child.lost.done():
                raise
            message = await (await self._child()).call("fetch", args, deadlines.DOWNLOAD_SILENCE_S)
        told = message.header["ok"]
        assert message.fd is not None, "the worker sends a file with every fetch"
        return FetchedFile(message.fd, told["path"], told["size"], told["mimetype"], told["sha256"])


def in_ram(path: str) -> bool:
    """Whether the driver shows a shot at the root: where it puts what the camera has only in its RAM."""
    return path.count("/") == 1
