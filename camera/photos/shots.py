"""The pictures of one camera: capture, download, deletion, and the check after a shot with an unknown outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from background import log_failure
from camera.errors import (
    CameraError,
    Cancelled,
    CaptureUnknown,
    NoImage,
)
from camera.events import CameraOpened, CaptureChecked, CaptureSaved, FileAdded, StateMayDiffer
from camera.model import CapturedFile, mimetype_of
from camera.orientation import AS_IS, Orientation
from camera.photos.auto_save import AutoSave
from camera.photos.capture import Capture, CaptureHooks
from camera.photos.card import Card
from camera.photos.collector import Destination
from camera.photos.downloads import Downloads, FetchedFile, in_ram
from camera.photos.finding import Finding
from camera.photos.folder import PhotoFolder
from camera.photos.interrupted import LONGEST_EXPOSURE_S, InterruptedShots, list_names
from camera.photos.iso import OperatorsIso
from camera.photos.job_info import JobInfos
from camera.photos.journal import Journals
from camera.photos.movies import Movies
from camera.photos.open_shot import Body, OpenShot
from camera.photos.request import CaptureRequest, OnPicture, Shot, ShotFile, sets_exposure
from camera.photos.room import Room, measure
from camera.photos.saver import PhotoSaver
from camera.remote import RemoteCamera, encode_error
from camera.turns import Access
from camera.values import WantedValue
from store.database import Store
from store.result import RecordedError, ShotResult
from store.schema import MIGRATIONS
from store.shots import Outcome, ShotStore

_log = logging.getLogger("camera.photos.shots")

DISCARDED = "The exposure was stopped, and its picture was deleted."
_LAST_WRITE_S = 1.0
_SYNC_AFTER_S = 0.3
# A log line has the names of this many files of a shot.
_LOGGED_FILES = 4


@dataclass(frozen=True, slots=True)
class PhotoOptions:
    """Options for pictures.

    Attributes:
        saver: saves pictures.
        journals: records of shots; by default in memory.
        job_infos: words for pictures, and numbers of shots; by default in memory.
        sidecars: whether RAW files are saved with XMP sidecars.
        auto_save: whether every new file is saved, also those of the camera's own button.
        orientation: how fetched pictures are rotated and mirrored.
        write_time_s: the longest time from the end of an exposure until its files are on the card, in seconds.
    """

    saver: PhotoSaver = field(
        default_factory=lambda: PhotoSaver(PhotoFolder(Path("photos"), "{date}_{time}_{original}"))
    )
    journals: Journals = field(default_factory=lambda: Journals(ShotStore(Store(None, MIGRATIONS))))
    job_infos: JobInfos = field(default_factory=JobInfos)
    sidecars: bool = False
    orientation: Orientation = AS_IS
    write_time_s: float = 10.0
    auto_save: bool = False

    def settles_s(self, exposure_s: float) -> float:
        """Seconds after a release until the camera has certainly written the files."""
        # The exposure counts twice, because noise reduction in the camera takes as long as the exposure.
        return 2 * exposure_s + self.write_time_s


@dataclass(frozen=True, slots=True)
class Owner:
    """The camera that the pictures belong to: its name for people, and what identifies it after a restart."""

    title: str
    body: Body

    @property
    def port(self) -> str:
        """The current port."""
        return self.body.port


FromPhotos = FileAdded | CaptureSaved | CaptureChecked | StateMayDiffer


class Photos:
    """Captures with one camera, and the content of its card.

    Args:
        options: options that apply to all cameras.
        iso: the operator's ISO for stills.
        access: gives exclusive access to the camera.
        owner: returns the camera's current name and identity.
        emit: receives every event.

    Attributes:
        capturing: whether a photo is being taken.
        movies: its movies.
    """

    def __init__(
        self,
        options: PhotoOptions,
        iso: OperatorsIso,
        access: Access,
        owner: Callable[[], Owner],
        emit: Callable[[FromPhotos], None],
    ) -> None:
        self.capturing = False
        self._capture: Capture | None = None
        self._taking: OpenShot | None = None
        self._options = options
        self._iso = iso
        self._access = access
        self._owner = owner
        self._emit = emit
        self._downloads = Downloads(options.orientation)
        self._journal = options.journals.journal()
        self._card = Card(self._journal)
        self._interrupted = InterruptedShots(
            self._card, self._journal, access.patient, lambda: owner().body, options.settles_s, self._outcome_found
        )
        self.movies = Movies(self._interrupted, access, lambda: owner().body, options.write_time_s, self._movie_changed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._completing: asyncio.Task[None] | None = None
        self._auto_save = AutoSave(access, self._downloads, self._destination, self._saved)
        self._saving: asyncio.Task[None] | None = None
        self._exposure_s = LONGEST_EXPOSURE_S  # of the last shot, as the camera reported it

    @property
    def file_count(self) -> int | None:
        """The number of files on the card; None until it was read."""
        return self._card.files

    @property
    def camera_number(self) -> int | None:
        """The number of the camera in the records; None if it is not known yet."""
        return self._journal.camera

    @property
    def finding(self) -> Finding | None:
        """The result of the check after the last shot with an unknown outcome."""
        return self._card.finding

    async def capture(self, request: CaptureRequest, on_picture: OnPicture) -> Shot:
        """Take one picture. Captures that wait run in the order of their requests.

        Live view pauses during the capture and then continues.

        Args:
            request: what the capture should do.
            on_picture: called with the picture after it was fetched, before it is saved.

        Raises:
            CaptureUnknown: the shutter may have fired, but no file was found; the card is checked later.
            CameraError: the shutter did not fire.
        """
        started = time.monotonic()
        while True:
            async with request.in_time(self._access.for_client()) as camera:
                request.check_wanted()
                if await self._interrupted.completed(camera):
                    if "iso" not in request.settings and (iso := await self._iso.for_still(camera)) is not None:
                        request = replace(request, preferred={"iso": iso})
                    shot = await self._take(camera, request, on_picture, started)
                    break
            await self._interrupted.next_search()
        self._report(shot, started)
        return shot

    async def _take(self, camera: RemoteCamera, request: CaptureRequest, on_picture: OnPicture, started: float) -> Shot:
        owner, destination = self._owner(), self._destination()
        request = replace(request, auto_save=self._options.auto_save)
        exposure_s = LONGEST_EXPOSURE_S if request.changes_exposure else self._exposure_s
        # Of a burst, this is the time for one picture: after it, the next one is there.
        settles_s = self._options.settles_s(exposure_s if request.bulb_s is None else request.bulb_s)
        record = await self._card.begin_shot(owner.body, request.order, request.prepares, settles_s)
        hooks = CaptureHooks(
            on_picture,
            lambda put_back: self._changing(record, put_back),
            lambda: self._journal.releasing(record, settles_s),
            lambda needs_s, waits_s: self._released(record, needs_s, waits_s, request),
            lambda files, sync: self._journal.saved(record, files, sync),
        )
        capture = self._capture = Capture(camera, self._downloads, request, destination, hooks, started)
        self._taking = record
        self.capturing = True
        self._emit(StateMayDiffer())
        try:
            shot = await capture.take()
        except CaptureUnknown as error:
            error.shot = record.number
            # Until now, the shutter may have been released, also if the camera process reported the release earlier: a driver
            # may wait for a busy camera.
            record.will_settle(record.settles_s)
            self._interrupted.interrupted()
            await self._journal.changing(record, capture.to_put_back)
            self.complete_soon()
            raise
        except CameraError as error:
            error.shot = record.number
            await self._finish(record, "failed", _failure(error), capture.to_put_back)
            raise
        except BaseException:  # shutdown or an internal error: whether the shutter fired is unknown
            self._interrupted.interrupted()
            raise
        finally:
            self.capturing, self._capture, self._taking = False, None, None
            self._emit(StateMayDiffer())
        if shot.discarded:
            discarded = Cancelled(DISCARDED, warnings=shot.warnings or None)
            await self._finish(record, "failed", _failure(discarded), capture.to_put_back)
            raise discarded
        self._card.end_shot(one.file.path for one in shot.files if one.on_camera)
        await self._finish(record, "done", _result(shot), capture.to_put_back)
        return replace(shot, number=record.number)

    def _destination(self) -> Destination:
        owner, options = self._owner(), self._options
        return Destination(options.saver, options.job_infos, options.sidecars, owner.title, owner.body)

    @property
    def exposing_soon(self) -> bool:
        """Whether a bulb exposure is in progress or being prepared."""
        return self._taking is not None and self._taking.bulb_s is not None

    def discard_exposure(self) -> None:
        """Delete the picture of the capture in progress from the camera, as soon as it is there."""
        if self._capture is not None:
            self._capture.discard = True

    def exposure_ended(self, exposed_s: float) -> None:
        """Called when the shutter has closed after a bulb exposure, perhaps earlier than planned."""
        if self._taking is not None:
            self._taking.will_settle(self._options.settles_s(exposed_s) - exposed_s)

    async def _changing(self, record: OpenShot, put_back: Mapping[str, WantedValue]) -> None:
        await self._journal.changing(record, put_back)
        self._start(self._sync_soon(record), "sync record")

    async def _sync_soon(self, record: OpenShot) -> None:
        """Sync the record of changed settings after a pause. Usually, the release was recorded and synced before."""
        await asyncio.sleep(_SYNC_AFTER_S)
        await self._journal.sync(record)

    def _released(self, record: OpenShot, needs_s: float, waits_s: float, request: CaptureRequest) -> None:
        if not request.changes_exposure:  # otherwise, it is set for this shot only
            self._exposure_s = needs_s - waits_s
        self._card.begin_release()
        self._start(self._journal.released(record, self._options.settles_s(needs_s)), "record release")

    async def _finish(
        self, record: OpenShot, outcome: Outcome, result: ShotResult, put_back: Mapping[str, WantedValue]
    ) -> None:
        if put_back:
            self._card.needs_check = True  # the settings are restored before the next shot
        await self._journal.finish(record, outcome, result, put_back)

    async def fetch(self, path: str | None, digest: bool = False) -> FetchedFile:
        """A complete file; without a path, the last picture. Raises FileNotFound, InvalidPath.

        Args:
            path: the path on the camera.
            digest: whether the SHA-256 of the file will be needed.
        """
        if path is None:
            path = self._downloads.last_image
        if path is None:
            raise NoImage("No image was captured yet.")
        async with self._access.for_client() as camera:
            return await self._downloads.fetch(camera, path, digest)

    async def room(self, save: bool) -> Room:
        """The room for pictures on the disk, if they are saved, and on the card. Raises CameraError."""
        async with self._access.for_client() as camera:
            return await measure(camera, self._options.saver if save else None, self._downloads.last_image)

    async def add_line(self, name: str, heading: str, line: str) -> None:
        """Add a line to a text file next to the saved pictures. Raises FolderNotWritable."""
        await self._options.saver.add_line(name, heading, line)

    async def thumbnail(self, path: str) -> bytes:
        """The camera's thumbnail of a picture, as JPEG. Raises FileNotFound, InvalidPath, NotSupported."""
        async with self._access.for_client() as camera:
            return await self._downloads.thumbnail(camera, path)

    async def delete(self, path: str) -> None:
        """Delete a file from the camera. Raises FileNotFound, InvalidPath."""
        async with self._access.for_client() as camera:
            await self._downloads.delete(camera, path)
        self._card.remove(path)

    def added(self, path: str) -> None:
        """Called when the camera reported a new file that was not made by a command.

        A file in the camera's RAM is fetched before clients get the event.
        """
        if in_ram(path):
            self._start(self._fetch_from_ram(path), "rescue")
            return
        self._downloads.added(path)
        self._card.add(path)
        self._interrupted.file_added()
        self.movies.file_added(path)
        self._emit_added(path)

    def opened(self, event: CameraOpened) -> None:
        """Called when a new process has opened the camera, perhaps another one."""
        self._interrupted.opened(event)

    def lost(self) -> None:
        """Called when the camera is no longer open."""
        self._downloads.forget_copies()
        self.movies.lost()

    def forget_old(self) -> None:
        """Free the memory of files that were not used recently."""
        self._downloads.forget_old()

    async def write_outcomes(self) -> None:
        """Write what is not written yet: changes of the card, and records that a full disk has delayed, for example."""
        self._card.hand_over_when_idle()
        await self._journal.write_outcomes()

    async def settle(self) -> None:
        """Determine the outcomes of shots with an unknown outcome. Waits until the camera has written their files.

        Raises:
            CameraError: the camera is not open.
        """
        await self._interrupted.complete_all()

    def complete_soon(self) -> None:
        """Complete interrupted shots in the background, if there may be any."""
        if self._card.needs_check and (self._completing is None or self._completing.done()):
            self._completing = self._start(self._complete(), "complete shots")

    async def restore_settings(self) -> None:
        """Restore the settings of interrupted shots. If the camera is lost, this is repeated after the next opening."""
        await self._interrupted.restore_settings()

    async def setting_chosen(self, name: str) -> None:
        """A client has changed a setting, so an earlier value of this setting must no longer be restored."""
        if sets_exposure(name):
            self._exposure_s = LONGEST_EXPOSURE_S
        await self._interrupted.setting_chosen(name)

    async def read_card(self) -> None:
        """Complete interrupted shots, and read the card of a newly opened camera."""

        async def list_folder(folder: str) -> tuple[list[str], list[str]]:
            async with self._access.patient() as camera:  # released between folders, so that others can use the camera
                return await list_names(camera, folder)

        with suppress(CameraError):  # if the camera is lost, this is called again after the next opening
            await self._interrupted.complete_all()
            if not await self._card.read(self._owner().body, list_folder):
                async with self._access.patient() as camera:
                    await camera.renew()  # when the camera is open again, this is called again

    async def stop(self) -> None:
        """Cancel background tasks, end all waits for late files, and write what is not written yet (for at most 1 s)."""
        self._interrupted.stop()
        await self.movies.stop_waiting()
        for task in tuple(self._tasks):
            task.cancel()
            await asyncio.wait((task,))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WRITE_S):
                await self.write_outcomes()

    def _movie_changed(self) -> None:
        self._emit(StateMayDiffer())
        self.complete_soon()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)
        return task

    async def _fetch_from_ram(self, path: str) -> None:
        """Fetch a picture, taken with the camera's own button, from the camera's RAM. Then emit FileAdded."""
        try:
            async with self._access.patient() as camera:
                file = await self._downloads.fetch_if_in_ram(camera, CapturedFile(path, None, mimetype_of(path)))
        except CameraError as error:
            _log.warning("%s: picture lost: %s: %s", self._owner().port, path, error)
            return
        self._downloads.last_image = file.path
        self._emit_added(file.path)

    def _emit_added(self, path: str) -> None:
        """Emit a new file that no command has made, and save it if that is wanted."""
        self._emit(FileAdded(path))
        self._save_soon(path)

    def _save_soon(self, path: str) -> None:
        """Save a file that is on the camera, if that is wanted."""
        if self._options.auto_save:
            if not self._saving or self._saving.done():
                self._saving = self._start(self._auto_save.run(), "save new files")
            self._auto_save.add(path)

    def _saved(self, file: ShotFile) -> None:
        assert file.saved_path is not None, "it was saved"
        self._emit(CaptureSaved(file.file.path, file.saved_path, None, file.job or None))

    def _report(self, shot: Shot, started: float) -> None:
        names = ", ".join(one.saved_path or one.file.path for one in shot.files[:_LOGGED_FILES])
        if len(shot.files) > _LOGGED_FILES:
            names += f" and {len(shot.files) - _LOGGED_FILES} more files"
        _log.info("%s: captured %s in %.0f ms", self._owner().port, names, (time.monotonic() - started) * 1000)
        if (last := shot.files[shot.last_picture]).on_camera:
            self._downloads.last_image = last.file.path
        for one in shot.files:
            if one.on_camera:
                self._emit(FileAdded(one.file.path))
                if one.saved_path is None:
                    self._save_soon(one.file.path)
            if one.saved_path is not None:
                self._emit(CaptureSaved(one.file.path, one.saved_path, shot.number, one.job or None))

    # -- interrupted shots

    async def _complete(self) -> None:
        """Complete interrupted shots. If the camera is lost, this is repeated after the next opening."""
        with suppress(CameraError):
            await self._interrupted.complete_all()

    def _outcome_found(self, finding: Finding) -> None:
        if finding.on_camera:
            self._downloads.last_image = finding.on_camera[-1]
        self._emit(CaptureChecked(finding.at, finding.files, finding.message, finding.shot.number))


def _result(shot: Shot) -> ShotResult:
    """The result of a completed shot, as it is recorded."""
    return ShotResult(
        tuple(one.recorded for one in shot.files),
        shot.timing,
        shot.warnings,
        times=shot.times,
        exposed_s=shot.exposed_s,
        frames=shot.frames,
    )


def _failure(error: CameraError) -> ShotResult:
    """The result of a failed shot, as it is recorded."""
    return ShotResult(error=RecordedError(error.message, encode_error(error)))
