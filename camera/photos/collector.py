"""Fetches, saves and deletes the files of a shot, as its request wants it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from camera.errors import CameraError
from camera.model import CapturedFile, is_raw
from camera.photos.downloads import Downloads, FetchedFile
from camera.photos.folder import STILL_ON_CAMERA, NameParts, ending_of
from camera.photos.job_info import JobInfos
from camera.photos.open_shot import Body
from camera.photos.request import CaptureRequest, ShotFile
from camera.photos.saver import PhotoSaver
from camera.photos.sidecar import ENDING, PictureFacts
from camera.remote import RemoteCamera
from store.result import RecordedFile


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the files of a shot are saved, and what their names are made of.

    Attributes:
        saver: saves the files.
        job_infos: the words for all cameras, and the numbers of shots.
        sidecars: whether RAW files get sidecars.
        camera: the display name of the camera.
        body: what identifies the camera.
    """

    saver: PhotoSaver
    job_infos: JobInfos
    sidecars: bool
    camera: str
    body: Body


@dataclass(frozen=True, slots=True)
class CollectorHooks:
    """Functions that a collector calls.

    Attributes:
        here: called when the first file was fetched, before it is saved, with the files of its picture.
        saved: called after each saved file, with all files that were saved until now, and whether the file is then
            deleted from the camera. Returns whether it may be deleted.
        warn: called with each problem, as a sentence.
    """

    here: Callable[[Sequence[CapturedFile], FetchedFile], None]
    saved: Callable[[Sequence[RecordedFile], bool], Awaitable[bool]]
    warn: Callable[[str], None]


class Collector:
    """Collects the pictures of one shot. Problems raise no errors; they are warnings.

    Args:
        camera: the camera, with exclusive access.
        downloads: the downloads of this camera.
        request: which files are fetched, saved and deleted.
        destination: where files are saved.
        hooks: see `CollectorHooks`.

    Attributes:
        files: all files until now.
        picture: the first file, if the request wants it in the reply.
        thumbnail: the thumbnail of the first file as a JPEG, if the request wants it in the reply.
    """

    def __init__(
        self,
        camera: RemoteCamera,
        downloads: Downloads,
        request: CaptureRequest,
        destination: Destination,
        hooks: CollectorHooks,
    ) -> None:
        self.files: list[ShotFile] = []
        self.picture: FetchedFile | None = None
        self.thumbnail: bytes | None = None
        self._camera = camera
        self._downloads = downloads
        self._request = request
        self._destination = destination
        self._hooks = hooks
        self._facts: PictureFacts | None = None  # for the sidecar of the current picture, if it needs one
        self._job = ""

    async def collect(self, captured: Sequence[CapturedFile], released_at: float) -> None:
        """Fetch, save and delete the files of one picture. All saved files of a picture have one name.

        Args:
            captured: its files, the JPEG first.
            released_at: when the shutter was released, in seconds since 1970.
        """
        name = await self._name(captured, released_at) if self._request.save else None
        try:
            for file in captured:
                await self._collect_file(name, file, captured)
        finally:
            if name is not None:
                self._destination.saver.release(name)

    async def discard(self, captured: Sequence[CapturedFile]) -> None:
        """Delete the files of a picture from the camera."""
        for file in captured:
            try:
                await self._downloads.delete(self._camera, file.path)
            except CameraError as error:
                self._hooks.warn(f"{file.filename} could not be deleted from the camera: {error}")
                self.files.append(ShotFile(file))
            else:
                self.files.append(ShotFile(file, on_camera=False))

    async def _collect_file(self, name: str | None, file: CapturedFile, captured: Sequence[CapturedFile]) -> None:
        """Fetch, save and delete a file. Without `name`, it is not saved."""
        first, request = not self.files, self._request
        in_reply = first and request.download == "full"
        saved: str | None = None
        recorded = False
        fetched = await self._fetch(file) if in_reply or name is not None else None
        if fetched is not None:
            file = CapturedFile(file.path, fetched.size, file.mimetype)
            if in_reply:
                self.picture = fetched
            if first:
                self._hooks.here((file, *captured[1:]), fetched)
            if name is not None:
                saved = await self._save(name, fetched)
                await self._save_sidecar(file, saved)
            if saved is not None:
                # Before the deletion, because if the server is killed later, the card would show no picture.
                so_far = [one.recorded for one in (*self.files, ShotFile(file, saved)) if one.saved_path is not None]
                recorded = await self._hooks.saved(so_far, not request.keep_on_camera)
        # Before the deletion, because the camera makes the thumbnail from the file.
        if first and request.download == "thumbnail":
            self.thumbnail = await self._thumbnail(file)
        gone = saved is not None and not request.keep_on_camera and await self._delete(file, saved, recorded)
        self.files.append(ShotFile(file, saved, not gone, self._job))

    async def _name(self, captured: Sequence[CapturedFile], released_at: float) -> str | None:
        """Reserve the name for the saved files, without ending; None if the folder cannot be read."""
        destination, wanted = self._destination, self._request.filename
        endings = [ending_of(file.filename) for file in captured]
        sidecar = destination.sidecars and any(is_raw(file.filename) for file in captured)
        words = await destination.job_infos.words(destination.body.key)
        self._job = words.job
        numbered = wanted is None and (destination.saver.folder.numbers_shots or sidecar)
        number = await destination.job_infos.next_number(words.job) if numbered else 0
        parts = NameParts(
            captured[0].filename, destination.camera, destination.body.serial, words.job, words.label, number
        )
        if sidecar:
            self._facts = PictureFacts(words, number, destination.body.serial, released_at)
            endings.append(ENDING)
        try:
            return await destination.saver.claim(parts, wanted, endings)
        except CameraError as error:  # for example a network folder that is no longer available
            self._hooks.warn(f"The picture was not saved and is still on the camera: {error}")
            return None

    async def _fetch(self, file: CapturedFile) -> FetchedFile | None:
        try:
            return await self._downloads.fetch(self._camera, file.path)
        except CameraError as error:
            self._hooks.warn(f"{file.filename} could not be fetched and is still on the camera: {error}")
            return None

    async def _save(self, name: str, file: FetchedFile) -> str | None:
        try:
            return await self._destination.saver.save(name, ending_of(file.filename), file)
        except CameraError as error:
            self._hooks.warn(f"{file.filename} could not be saved and is still on the camera: {error}")
            return None

    async def _save_sidecar(self, file: CapturedFile, saved: str | None) -> None:
        """Save the sidecar of a saved RAW file: one for each picture, because all its files have one name."""
        if saved is None or self._facts is None or not is_raw(file.filename):
            return
        facts, self._facts = self._facts, None
        try:
            await self._destination.saver.save_sidecar(saved, facts)
        except CameraError as error:
            reason = str(error).removesuffix(STILL_ON_CAMERA)
            self._hooks.warn(f"The sidecar of {file.filename} was not saved: {reason}")

    async def _thumbnail(self, file: CapturedFile) -> bytes | None:
        try:
            return await self._downloads.thumbnail(self._camera, file.path)
        except CameraError as error:
            self._hooks.warn(f"The thumbnail could not be read: {error}")
            return None

    async def _delete(self, file: CapturedFile, saved: str, recorded: bool) -> bool:
        """Delete a saved file from the camera; returns whether that succeeded.

        Without the record of the saved file, the next server would find no picture of this shot.
        """
        if not recorded:
            self._hooks.warn(
                f"{file.filename} was saved as {saved}, but not deleted from the camera: the shot cannot be recorded."
            )
            return False
        try:
            await self._downloads.delete(self._camera, file.path)
        except CameraError as error:
            self._hooks.warn(f"{file.filename} was saved as {saved}, but not deleted from the camera: {error}")
            return False
        return True
