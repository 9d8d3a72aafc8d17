"""One capture: change settings, release the shutter, fetch and save the files, restore the settings."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from camera.errors import (
    CAPTURE_UNKNOWN,
    CameraError,
    CaptureAbandoned,
    CaptureUnknown,
    ConfigReadonly,
    InvalidValue,
    NotSupported,
    ValueVetoed,
)
from camera.model import CapturedFile, ConfigItem, is_raw
from camera.photos.downloads import Downloads, FetchedFile
from camera.photos.folder import STILL_ON_CAMERA, NameParts, check_name, ending_of
from camera.photos.jobs import Jobs
from camera.photos.open_shot import Body, Order
from camera.photos.saver import PhotoSaver
from camera.photos.sidecar import ENDING, PictureFacts
from camera.remote import RemoteCamera
from camera.values import WantedValue, reads_unknown
from store.result import RecordedFile, Timing

_log = logging.getLogger("camera.photos.capture")

# Largest common size of a shot in 2026 (a 60-megapixel RAW and its JPEG). A capture needs this much free space.
EXPECTED_BYTES = 160 * 2**20

Download = Literal["none", "thumbnail", "full"]


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What a capture should do.

    Attributes:
        settings: settings for this shot only, which are restored afterwards.
        preferred: the operator's settings for every shot. A setting that the camera rejects causes a warning, not an
            error.
        download: whether to fetch no picture, its thumbnail, or the full file.
        save: whether to save all files to the photo folder.
        filename: name of the saved files, instead of a name from the template. Its ending is replaced by the ending of
            each file.
        keep_on_camera: if False, the files on the camera are deleted after they were saved.
        order: the request as it is written to the record of the shot.
        bulb_s: the length of a bulb exposure in seconds; None for a shot with the camera's own shutter speed.
        wanted: returns False if the capture should not start any more, because nobody waits for it.
    """

    settings: Mapping[str, WantedValue] = field(default_factory=dict)
    preferred: Mapping[str, WantedValue] = field(default_factory=dict)
    download: Download = "none"
    save: bool = False
    filename: str | None = None
    keep_on_camera: bool = True
    order: Order = field(default_factory=Order)
    bulb_s: float | None = None
    wanted: Callable[[], bool] = lambda: True

    @property
    def changes_settings(self) -> bool:
        """Whether a setting is changed before the release."""
        return bool(self.settings or self.preferred or self.bulb_s is not None)

    @property
    def changes_exposure(self) -> bool:
        """Whether the exposure time may be changed before the release."""
        return self.bulb_s is not None or any(map(sets_exposure, self.settings))

    def check_wanted(self) -> None:
        """Raises CaptureAbandoned if nobody waits for the capture any more."""
        if not self.wanted():
            raise CaptureAbandoned("Nothing was done: the client disconnected before the capture started.")


@dataclass(frozen=True, slots=True)
class ShotFile:
    """One file of a shot, the path where it was saved, and whether it is still on the camera."""

    file: CapturedFile
    saved_path: str | None = None
    on_camera: bool = True

    @property
    def recorded(self) -> RecordedFile:
        """The file as it is recorded."""
        return RecordedFile(self.file.path, self.file.size, self.saved_path, self.on_camera)


@dataclass(frozen=True, slots=True)
class Shot:
    """The result of a capture.

    Attributes:
        files: all files of the shot, the JPEG first.
        picture: the first file, if it was requested.
        thumbnail: a JPEG, if it was requested.
        timing: the times from the request to the steps of the capture.
        warnings: problems after the release, one sentence each.
        number: the number of its record; None if it was not recorded.
        exposed_s: the length of a bulb exposure in seconds.
        discarded: whether its files were deleted, because the exposure was stopped with `keep: false`.
    """

    files: tuple[ShotFile, ...]
    picture: FetchedFile | None
    thumbnail: bytes | None
    timing: Timing
    warnings: tuple[str, ...]
    number: int | None = None
    exposed_s: float | None = None
    discarded: bool = False


# Called as soon as the picture was fetched, with the part of the shot that is known and with the picture.
OnPicture = Callable[[Shot, FetchedFile], None]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the files of a shot are saved, and what their names are made of.

    Attributes:
        saver: saves the files.
        jobs: the words for all cameras, and the numbers of shots.
        sidecars: whether RAW files get sidecars.
        camera: the display name of the camera.
        body: what identifies the camera.
    """

    saver: PhotoSaver
    jobs: Jobs
    sidecars: bool
    camera: str
    body: Body


@dataclass(frozen=True, slots=True)
class CaptureHooks:
    """Functions that a capture calls while it runs.

    Attributes:
        on_picture: receives the picture, if it was requested, before it is saved.
        changing: called before each change of a setting, with the settings that have to be restored and their values.
        releasing: called before the release is requested, after the settings were changed. If it raises, the shutter is
            not released.
        on_release: called with the exposure in seconds, just before the shutter may be released.
        saved: called after each saved file, with all files that were saved until now, and whether the file is then
            deleted from the camera. Returns whether it may be deleted.
    """

    on_picture: OnPicture
    changing: Callable[[Mapping[str, WantedValue]], Awaitable[None]]
    releasing: Callable[[], Awaitable[None]]
    on_release: Callable[[float], None]
    saved: Callable[[Sequence[RecordedFile], bool], Awaitable[bool]]


class Capture:
    """One capture in progress.

    Args:
        camera: the camera, with exclusive access during the capture.
        downloads: the downloads of this camera.
        request: what the capture should do.
        destination: where files are saved.
        hooks: see `CaptureHooks`.
        started: time of the request, in monotonic seconds.

    Attributes:
        discard: whether to delete the picture instead of fetching and saving it.
    """

    def __init__(
        self,
        camera: RemoteCamera,
        downloads: Downloads,
        request: CaptureRequest,
        destination: Destination,
        hooks: CaptureHooks,
        started: float,
    ) -> None:
        self._camera = camera
        self._downloads = downloads
        self._request = request
        self._destination = destination
        self._hooks = hooks
        self._started = started
        self.discard = False
        self._exposed_s: float | None = None
        self._release_reported = False
        self._before: dict[str, ConfigItem] = {}
        self._restored: set[str] = set()
        self._warnings: list[str] = []
        self._timing: dict[str, float] = {}
        self._released_at = 0.0
        self._facts: PictureFacts | None = None  # for the sidecar, if one has to be written

    async def take(self) -> Shot:
        """Perform the capture. Problems after the release raise no errors. They are listed in `warnings` of the shot.

        Raises:
            DiskFull, FolderNotWritable, InvalidPath, CaptureAbandoned: nothing was changed on the camera.
            CameraError: a setting was rejected, or the shutter did not fire. Changed settings are restored; `put_back`
                lists them.
            CaptureUnknown: the shutter may have fired.
        """
        if self._request.filename is not None:
            check_name(self._request.filename)
        if self._request.save:
            await self._destination.saver.check_room(EXPECTED_BYTES)
        self._request.check_wanted()  # again, because a slow disk may have delayed the record of the shot
        try:
            await self._prepare()
            captured = await self._release()
        except CameraError as error:
            put_back = await self._put_back()
            if self._before:
                error.put_back = put_back
            if self._warnings:
                error.warnings = tuple(self._warnings)
            raise
        await self._put_back()
        return await self._collect(captured)

    @property
    def to_put_back(self) -> dict[str, WantedValue]:
        """The changed settings that are not restored yet, with their values before the shot."""
        return _values({name: item for name, item in self._before.items() if name not in self._restored})

    def _record_time(self, name: str) -> None:
        self._timing[name] = round((time.monotonic() - self._started) * 1000, 1)

    # -- settings

    async def _prepare(self) -> None:
        for name, value in self._request.preferred.items():
            try:
                await self._change(name, value)
            except CameraError as error:
                self._warnings.append(f"{name} was not set to {value}: {error}")
        for name, value in self._request.settings.items():
            await self._change(name, value)
        if self._request.bulb_s is not None:
            plan = await self._camera.plan_bulb()
            for name, value in plan.changes.items():
                await self._change(name, value)
            for name in plan.changed:
                await self._keep_value(name)

    async def _keep_value(self, name: str) -> None:
        """Note the value of a setting that the release changes, for restoring."""
        item = await self._camera.get_config(name)
        await self._hooks.changing(_values({**self._before, name: self._before.get(name, item)}))
        self._before.setdefault(name, item)

    async def _change(self, name: str, value: WantedValue) -> None:
        """Change a setting. If a value may have been written, the old value is saved for restoring."""
        item = await self._camera.get_config(name)
        await self._hooks.changing(_values({**self._before, name: self._before.get(name, item)}))
        try:
            await self._camera.set_config(name, value)
        except ValueVetoed:  # a value was written although it was not accepted
            self._before.setdefault(name, item)
            raise
        except (ConfigReadonly, InvalidValue, NotSupported):  # rejected before anything was written
            raise
        except CameraError:
            self._before.setdefault(name, item)
            raise
        self._before.setdefault(name, item)

    async def _put_back(self) -> tuple[str, ...]:
        done = []
        for name, value in reversed(_values(self._before).items()):
            try:
                await self._camera.set_config(name, value)
                self._restored.add(name)
                done.append(name)
            except CameraError as error:
                self._warnings.append(f"{name} could not be restored to {value}: {error}")
        return tuple(done)

    # -- shutter and files

    async def _release(self) -> list[CapturedFile]:
        """Release the shutter once; returns all files, the JPEG first."""

        def on_release(exposure_s: float) -> None:
            self._record_time("shutter_ms")
            self._released_at = time.time()
            self._hooks.on_release(exposure_s)

        await self._hooks.releasing()
        files = await self._fire(on_release)
        try:
            files = [await self._downloads.fetch_if_in_ram(self._camera, file) for file in files]
        except CameraError as error:  # the shutter fired, but the file cannot be found
            unknown = CaptureUnknown(CAPTURE_UNKNOWN, gp=error.gp, doing=error.doing, reason=error.message)
            raise unknown from None
        self._record_time("file_known_ms")
        return sorted(files, key=lambda file: file.mimetype != "image/jpeg")

    async def _fire(self, on_release: Callable[[float], None]) -> list[CapturedFile]:
        bulb_s = self._request.bulb_s
        if bulb_s is None:
            return await self._camera.capture(on_release)

        def on_progress(needs_s: float) -> None:
            if not self._release_reported:  # further messages say only that the process is alive
                self._release_reported = True
                on_release(bulb_s)

        exposed = await self._camera.expose(bulb_s, on_progress)
        self._exposed_s = exposed.exposed_s
        return exposed.files

    async def _collect(self, captured: list[CapturedFile]) -> Shot:
        """Fetch, save and delete the files, as requested."""
        if self.discard:
            return await self._discard(captured)
        name = await self._name(captured) if self._request.save else None
        try:
            return await self._collect_as(name, captured)
        finally:
            if name is not None:
                self._destination.saver.release(name)

    async def _collect_as(self, name: str | None, captured: list[CapturedFile]) -> Shot:
        """Fetch, save and delete the files, as requested. Without `name`, nothing is saved."""
        request = self._request
        picture: FetchedFile | None = None
        thumbnail: bytes | None = None
        files: list[ShotFile] = []
        for index, file in enumerate(captured):
            in_reply = index == 0 and request.download == "full"
            saved: str | None = None
            recorded = False
            fetched = await self._fetch(file) if in_reply or name is not None else None
            if fetched is not None:
                file = CapturedFile(file.path, fetched.size, file.mimetype)
                if index == 0:
                    self._record_time("file_here_ms")
                if in_reply:
                    picture = fetched
                    known = tuple(ShotFile(one) for one in (file, *captured[1:]))
                    self._hooks.on_picture(Shot(known, picture, None, Timing(**self._timing), ()), picture)
                if name is not None:
                    saved = await self._save(name, fetched)
                    await self._save_sidecar(file, saved)
                if saved is not None:
                    # Before the deletion, because if the server is killed later, the card would show no picture.
                    so_far = [one.recorded for one in (*files, ShotFile(file, saved)) if one.saved_path is not None]
                    recorded = await self._hooks.saved(so_far, not request.keep_on_camera)
            # Before the deletion, because the camera makes the thumbnail from the file.
            if index == 0 and request.download == "thumbnail":
                thumbnail = await self._thumbnail(file)
            gone = saved is not None and not request.keep_on_camera and await self._delete(file, saved, recorded)
            files.append(ShotFile(file, saved, not gone))
        timing, warnings = Timing(**self._timing), tuple(self._warnings)
        return Shot(tuple(files), picture, thumbnail, timing, warnings, exposed_s=self._exposed_s)

    async def _discard(self, captured: list[CapturedFile]) -> Shot:
        files = []
        for file in captured:
            try:
                await self._downloads.delete(self._camera, file.path)
            except CameraError as error:
                self._warnings.append(f"{file.filename} could not be deleted from the camera: {error}")
                files.append(ShotFile(file))
            else:
                files.append(ShotFile(file, on_camera=False))
        timing, warnings = Timing(**self._timing), tuple(self._warnings)
        return Shot(tuple(files), None, None, timing, warnings, exposed_s=self._exposed_s, discarded=True)

    async def _name(self, captured: list[CapturedFile]) -> str | None:
        """Reserve the name for the saved files, without ending; None if the folder cannot be read."""
        destination, wanted = self._destination, self._request.filename
        endings = [ending_of(file.filename) for file in captured]
        sidecar = destination.sidecars and any(is_raw(file.filename) for file in captured)
        words = await destination.jobs.words(destination.body.key)
        numbered = wanted is None and (destination.saver.folder.numbers_shots or sidecar)
        number = await destination.jobs.next_number(words.job) if numbered else 0
        parts = NameParts(
            captured[0].filename, destination.camera, destination.body.serial, words.job, words.label, number
        )
        if sidecar:
            self._facts = PictureFacts(words, number, destination.body.serial, self._released_at)
            endings.append(ENDING)
        try:
            return await destination.saver.claim(parts, wanted, endings)
        except CameraError as error:  # for example a network folder that is no longer available
            self._warnings.append(f"The picture was not saved and is still on the camera: {error}")
            return None

    async def _fetch(self, file: CapturedFile) -> FetchedFile | None:
        try:
            return await self._downloads.fetch(self._camera, file.path)
        except CameraError as error:
            self._warnings.append(f"{file.filename} could not be fetched and is still on the camera: {error}")
            return None

    async def _save(self, name: str, file: FetchedFile) -> str | None:
        try:
            return await self._destination.saver.save(name, ending_of(file.filename), file)
        except CameraError as error:
            self._warnings.append(f"{file.filename} could not be saved and is still on the camera: {error}")
            return None

    async def _save_sidecar(self, file: CapturedFile, saved: str | None) -> None:
        """Save the sidecar of a saved RAW file: one for each shot, because all its files have one name."""
        if saved is None or self._facts is None or not is_raw(file.filename):
            return
        facts, self._facts = self._facts, None
        try:
            await self._destination.saver.save_sidecar(saved, facts)
        except CameraError as error:
            reason = str(error).removesuffix(STILL_ON_CAMERA)
            self._warnings.append(f"The sidecar of {file.filename} was not saved: {reason}")

    async def _thumbnail(self, file: CapturedFile) -> bytes | None:
        try:
            return await self._downloads.thumbnail(self._camera, file.path)
        except CameraError as error:
            self._warnings.append(f"The thumbnail could not be read: {error}")
            return None

    async def _delete(self, file: CapturedFile, saved: str, recorded: bool) -> bool:
        """Delete a saved file from the camera; returns whether that succeeded.

        Without the record of the saved file, the next server would find no picture of this shot.
        """
        if not recorded:
            self._warnings.append(
                f"{file.filename} was saved as {saved}, but not deleted from the camera: the shot cannot be recorded."
            )
            return False
        try:
            await self._downloads.delete(self._camera, file.path)
        except CameraError as error:
            self._warnings.append(f"{file.filename} was saved as {saved}, but not deleted from the camera: {error}")
            return False
        return True


def sets_exposure(name: str) -> bool:
    """Whether a setting with this name may be the exposure time."""
    return "shutter" in name.lower() or "expos" in name.lower()


def _values(items: Mapping[str, ConfigItem]) -> dict[str, WantedValue]:
    """The values that can be restored."""
    return {name: item.value for name, item in items.items() if item.value is not None and not reads_unknown(item)}
