"""Saves the new files that no command has made, for example of shots with the camera's own button (tethered shooting)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from camera.errors import CameraError
from camera.model import CapturedFile, mimetype_of
from camera.photos.collector import Collector, CollectorHooks, Destination
from camera.photos.downloads import Downloads
from camera.photos.request import EXPECTED_BYTES, CaptureRequest, ShotFile
from camera.remote import RemoteCamera
from camera.turns import Access
from store.result import RecordedFile

_log = logging.getLogger("camera.photos.auto_save")

# The RAW file and the JPEG of a shot get one name. Both are usually reported within this time, in seconds.
_PAIR_S = 0.5
# After an error, for example of a full disk, the files are tried again after this time, in seconds.
_AGAIN_S = 15.0
# A file that the camera does not give away is left out after so many attempts.
_MOST_TRIES = 4
# For how long the name of the saved files of a shot is remembered, in case a further file follows, in seconds. Later, a
# file with the same name on the card is of another shot, for example after the card was formatted.
_REMEMBERED_S = 120.0


class AutoSave:
    """Saves files one shot after the other, when no command uses the camera. It never deletes them from the camera.

    Args:
        access: gives exclusive access to the camera.
        downloads: the downloads of this camera.
        destination: returns where files are saved.
        saved: called with each saved file.
    """

    def __init__(
        self,
        access: Access,
        downloads: Downloads,
        destination: Callable[[], Destination],
        saved: Callable[[ShotFile], None],
    ) -> None:
        self._access = access
        self._downloads = downloads
        self._destination = destination
        self._saved = saved
        self._waiting: dict[str, list[str]] = {}  # the paths of each shot, by the path without its ending
        self._names: dict[str, tuple[str, float]] = {}  # of saved files, with the time, by shot
        self._reported = ""
        self._more = asyncio.Event()

    def add(self, path: str) -> None:
        """Save a file of the camera soon. Movies are left out, because they do not fit into memory."""
        if mimetype_of(path).startswith("video/"):
            _log.info("%s is not saved, because it is a movie.", path)
            return
        self._waiting.setdefault(path.rpartition(".")[0] or path, []).append(path)
        self._more.set()

    async def run(self) -> None:
        """Save files until the task is cancelled."""
        try:
            await self._save_all()
        finally:
            if self._waiting:
                left = ", ".join(path for paths in self._waiting.values() for path in paths)
                _log.warning("These new files are on the camera only, because the server stops: %s", left)

    async def _save_all(self) -> None:
        tries = 0
        while True:
            if not self._waiting:
                self._more.clear()
                await self._more.wait()
            await asyncio.sleep(_PAIR_S)
            shot = next(iter(self._waiting))
            try:
                await self._destination().saver.check_room(EXPECTED_BYTES)
                async with self._access.patient() as camera:
                    left = await self._save(camera, shot, tuple(self._waiting[shot]))
            except CameraError as error:
                if str(error) != self._reported:
                    _log.warning("New files cannot be saved now: %s", error)
                self._reported = str(error)
                await asyncio.sleep(_AGAIN_S)
                continue
            self._reported = ""
            tries += 1
            if left and tries < _MOST_TRIES:
                await asyncio.sleep(_AGAIN_S)
                continue
            tries = 0
            if left:
                _log.error("These new files are not saved: %s", ", ".join(left))
                self._done(shot, left)

    async def _save(self, camera: RemoteCamera, shot: str, paths: Sequence[str]) -> list[str]:
        """Save files of one shot. Returns the paths of those that could not be saved."""
        destination = self._destination()
        # A file that follows later gets the name of its shot.
        now = time.monotonic()
        self._names = {one: named for one, named in self._names.items() if now - named[1] < _REMEMBERED_S}
        earlier = self._names[shot][0] if shot in self._names else None
        request = CaptureRequest(save=True, filename=None if earlier is None else f"{earlier}.file")
        hooks = CollectorHooks(lambda files, fetched: None, _keep, _log.warning)
        collector = Collector(camera, self._downloads, request, destination, hooks)
        await collector.collect(_jpeg_first(paths), time.time())
        left = []
        for file in collector.files:
            if file.saved_path is None:
                left.append(file.file.path)
            else:
                folder = destination.saver.folder.folder
                self._names[shot] = str(Path(file.saved_path).relative_to(folder).with_suffix("")), now
                self._saved(file)
        self._done(shot, [path for path in paths if path not in left])
        return left

    def _done(self, shot: str, paths: Sequence[str]) -> None:
        """Remove files from the queue. Others of the shot may have been added in the meantime."""
        rest = [path for path in self._waiting[shot] if path not in paths]
        if rest:
            self._waiting[shot] = rest
        else:
            del self._waiting[shot]


async def _keep(files: Sequence[RecordedFile], sync: bool) -> bool:
    """The files are not deleted from the camera, so nothing has to be recorded."""
    return False


def _jpeg_first(paths: Sequence[str]) -> list[CapturedFile]:
    files = [CapturedFile(path, None, mimetype_of(path)) for path in paths]
    return sorted(files, key=lambda file: file.mimetype != "image/jpeg")
