"""A camera in the hands of one photo: what a shot does with it, through a new process where one is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from camera import deadlines
from camera.channel import Message
from camera.child import Child
from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureUnknown
from camera.fetched import FetchedFile
from camera.files import CameraFiles
from camera.model import CapturedFile, ConfigItem
from camera.turn import Turn
from camera.widgets import WantedValue


class CameraHands:
    """See `shot.Hands`. The camera is nobody else's meanwhile."""

    def __init__(self, child: Callable[[], Awaitable[Child]], files: CameraFiles, turn: Turn) -> None:
        self._child = child
        self._files = files
        self._turn = turn

    async def get(self, name: str) -> ConfigItem:
        """Read a setting."""
        return ConfigItem.from_json((await self._call("get_config", deadlines.CONFIG_S, name=name)).header["ok"])

    async def set(self, name: str, value: WantedValue) -> ConfigItem:
        """Change a setting."""
        reply = await self._call("set_config", deadlines.CONFIG_S, name=name, value=value)
        return ConfigItem.from_json(reply.header["ok"])

    async def release(self, on_release: Callable[[], None]) -> list[CapturedFile]:
        """Fire once; all files, the JPEG first."""

        def progressed(what: str) -> None:
            if what == "released":
                on_release()

        child = await self._child()
        reply = await child.call("capture", {}, deadlines.CAPTURE_S, progressed)
        files = [CapturedFile(**file) for file in reply.header["ok"]["files"]]
        try:
            files = [await self._files.rescue(child, file) for file in files]
        except CameraError as error:  # it fired, and where the file was it is no more
            raise CaptureUnknown(CAPTURE_UNKNOWN, **error.details, reason=error.message) from None
        return sorted(files, key=lambda file: file.mimetype != "image/jpeg")

    async def fetch(self, path: str) -> FetchedFile:
        """A whole file."""
        return await self._files.fetch(path)

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail."""
        turned = {"rotation": self._turn.rotation, "flip": self._turn.flip}
        return (await self._call("thumbnail", deadlines.FILES_S, path=path, **turned)).data

    async def delete(self, path: str) -> None:
        """Delete a file."""
        await self._files.delete(path)

    async def _call(self, do: str, deadline: float, **args: Any) -> Message:
        return await (await self._child()).call(do, args, deadline)
