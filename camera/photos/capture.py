"""One capture: change settings, release the shutter, fetch and save the files, restore the settings."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from camera.errors import (
    CAPTURE_UNKNOWN,
    CameraDisconnected,
    CameraError,
    CaptureUnknown,
    ConfigReadonly,
    InvalidValue,
    NotSupported,
    ValueVetoed,
)
from camera.model import BurstLength, CapturedFile, ConfigItem
from camera.photos.collector import Collector, CollectorHooks, Destination
from camera.photos.downloads import Downloads, FetchedFile
from camera.photos.folder import check_name
from camera.photos.request import EXPECTED_BYTES, CaptureRequest, OnPicture, Release, Shot, ShotFile
from camera.remote import RemoteCamera
from camera.values import WantedValue, reads_unknown
from store.result import RecordedFile, ReleaseTimes, Timing


@dataclass(frozen=True, slots=True)
class CaptureHooks:
    """Functions that a capture calls while it runs.

    Attributes:
        on_picture: receives the picture, if it was requested, before it is saved.
        changing: called before each change of a setting, with the settings that have to be restored and their values.
        releasing: called before the release is requested, after the settings were changed. If it raises, the shutter is
            not released.
        on_release: called just before the shutter may be released, with the seconds until the end of the exposure, and the
            part of them before the release.
        saved: called after each saved file, with all files that were saved until now, and whether the file is then
            deleted from the camera. Returns whether it may be deleted.
    """

    on_picture: OnPicture
    changing: Callable[[Mapping[str, WantedValue]], Awaitable[None]]
    releasing: Callable[[], Awaitable[None]]
    on_release: Callable[[float, float], None]
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
        self._times: ReleaseTimes | None = None
        self._frames: int | None = None
        self._release_reported = False
        self._before: dict[str, ConfigItem] = {}
        self._restored: set[str] = set()
        self._warnings: list[str] = []
        self._timing: dict[str, float] = {}
        self._released_at = 0.0

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
        await self._check_room()
        self._request.check_wanted()  # again, because a slow disk may have delayed the record of the shot
        try:
            await self._prepare()
            pictures = await self._release()
        except CameraError as error:
            put_back = await self._put_back()
            if self._before:
                error.put_back = put_back
            if self._warnings:
                error.warnings = tuple(self._warnings)
            raise
        await self._put_back()
        return await self._collect(pictures)

    async def _check_room(self) -> None:
        """Check that the files can be saved. If only the operator wants that, the picture is taken nevertheless."""
        if not (self._request.save or self._request.auto_save):
            return
        try:
            await self._destination.saver.check_room(EXPECTED_BYTES)
        except CameraError as error:
            if self._request.save:
                raise
            self._warnings.append(f"The files are not saved yet: {error}")
        else:
            self._request = replace(self._request, save=True)

    @property
    def to_put_back(self) -> dict[str, WantedValue]:
        """The changed settings that are not restored yet, with their values before the shot."""
        return _values({name: item for name, item in self._before.items() if name not in self._restored})

    def _record_time(self, name: str) -> None:
        self._timing[name] = round((time.monotonic() - self._started) * 1000, 1)

    # -- settings

    async def _prepare(self) -> None:
        await self._prefer(self._request.preferred)
        for name, value in self._request.settings.items():
            await self._change(name, value)
        if self._request.bulb_s is not None:
            plan = await self._camera.plan_bulb()
            for name, value in plan.changes.items():
                await self._change(name, value)
            for name in plan.changed:
                await self._keep_value(name)
        if self._request.burst is not None:
            await self._prepare_burst(self._request.burst)

    async def _prepare_burst(self, burst: BurstLength) -> None:
        plan, settings = await self._camera.plan_burst(burst), self._request.settings
        for name in plan.required:
            if name in settings:
                raise InvalidValue(
                    f"The burst itself sets {name}, so it cannot be in settings as well.", config_name=name
                )
        await self._prefer({name: value for name, value in plan.preferred.items() if name not in settings})
        for name, value in plan.required.items():
            await self._change(name, value)

    async def _prefer(self, changes: Mapping[str, WantedValue]) -> None:
        """Change settings. If the camera refuses one, this is only a warning."""
        for name, value in changes.items():
            try:
                await self._change(name, value)
            except CameraError as error:
                self._warnings.append(f"{name} was not set to {value}: {error}")

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

    async def _release(self) -> list[list[CapturedFile]]:
        """Release the shutter once, or take a burst; returns all files of each picture, the JPEG first."""

        def on_release(needs_s: float) -> None:
            self._record_time("shutter_ms")
            self._released_at = time.time()
            self._hooks.on_release(needs_s, 0.0 if release is None else max(0.0, release.at - time.monotonic()))

        release: Release | None = None
        if (moment := self._request.moment) is not None:
            moment.needs(await self._camera.plan_fire(moment.half_press))
            release = await moment.ready()
        await self._hooks.releasing()
        pictures = await self._fire(on_release, release)
        pictures = await self._fetch_from_memory(pictures)
        self._record_time("file_known_ms")
        return [sorted(files, key=lambda file: file.mimetype != "image/jpeg") for files in pictures]

    async def _fetch_from_memory(self, pictures: list[list[CapturedFile]]) -> list[list[CapturedFile]]:
        """Fetch the files that are only in the camera's memory. Files that cannot be fetched are missing in the result.

        Raises:
            CaptureUnknown: the shutter fired, but none of the files can be fetched.
        """
        fetched: list[list[CapturedFile]] = []
        missing: list[str] = []
        failed: CameraError | None = None
        for files in pictures:
            there: list[CapturedFile] = []
            for file in files:
                try:
                    if isinstance(failed, CameraDisconnected):
                        raise failed  # its memory is lost
                    there.append(await self._downloads.fetch_if_in_ram(self._camera, file))
                except CameraError as error:
                    failed = error
                    missing.append(file.filename)
            if there:
                fetched.append(there)
        if failed is not None and not fetched:
            raise CaptureUnknown(CAPTURE_UNKNOWN, gp=failed.gp, doing=failed.doing, reason=failed.message) from None
        if failed is not None:
            verb = "is" if len(missing) == 1 else "are"
            self._warnings.append(
                f"{', '.join(missing)} {verb} missing, because the camera's memory could not be read: {failed}"
            )
        return fetched

    async def _fire(self, on_release: Callable[[float], None], release: Release | None) -> list[list[CapturedFile]]:
        bulb_s, burst = self._request.bulb_s, self._request.burst
        if release is not None:
            return [await self._fire_at(release, on_release)]
        if bulb_s is None and burst is None:
            return [await self._camera.capture(on_release)]

        def on_progress(needs_s: float) -> None:
            if not self._release_reported:  # further messages say only that the process is alive
                self._release_reported = True
                on_release(burst.exposure_s(needs_s) if burst is not None else bulb_s or 0.0)

        if burst is not None:
            taken = await self._camera.burst(burst, on_progress)
            self._frames = max(len(taken.pictures), taken.counted or 0)
            self._warnings += taken.warnings
            return taken.pictures
        assert bulb_s is not None
        exposed = await self._camera.expose(bulb_s, on_progress)
        self._exposed_s = exposed.exposed_s
        return [exposed.files]

    async def _fire_at(self, release: Release, on_release: Callable[[float], None]) -> list[CapturedFile]:
        moment = self._request.moment
        assert moment is not None, "it has returned the release"

        def on_progress(needs_s: float) -> None:
            if self._release_reported:
                moment.armed()
            else:
                self._release_reported = True
                on_release(needs_s)

        fired = await self._camera.fire(release.at, moment.half_press, moment.confirmed, on_progress)
        self._timing["shutter_ms"] = round((fired.commanded_at - self._started) * 1000, 1)
        self._times = ReleaseTimes(
            round((fired.commanded_at - release.deadline) * 1000, 3),
            None if fired.accepted_at is None else round((fired.accepted_at - release.deadline) * 1000, 3),
        )
        return fired.files

    async def _collect(self, pictures: list[list[CapturedFile]]) -> Shot:
        """Fetch, save and delete the files of each picture, as requested."""
        hooks = CollectorHooks(self._here, self._hooks.saved, self._warnings.append)
        collector = Collector(self._camera, self._downloads, self._request, self._destination, hooks)
        discarded = self.discard
        last_picture = 0
        for files in pictures:
            last_picture = len(collector.files)
            if discarded:
                await collector.discard(files)
            else:
                await collector.collect(files, self._released_at)
        return Shot(
            tuple(collector.files), collector.picture, collector.thumbnail, Timing(**self._timing), tuple(self._warnings),
            exposed_s=self._exposed_s, frames=self._frames, discarded=discarded, times=self._times,
            last_picture=last_picture,
        )  # fmt: skip

    def _here(self, files: Sequence[CapturedFile], first: FetchedFile) -> None:
        """Called when the first file was fetched."""
        self._record_time("file_here_ms")
        if self._request.download == "full":
            known = tuple(map(ShotFile, files))
            self._hooks.on_picture(Shot(known, first, None, Timing(**self._timing), ()), first)


def _values(items: Mapping[str, ConfigItem]) -> dict[str, WantedValue]:
    """The values that can be restored."""
    return {name: item.value for name, item in items.items() if item.value is not None and not reads_unknown(item)}
