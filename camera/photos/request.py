"""What a capture should do, and what it has done, as values."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from camera.errors import CaptureAbandoned, NotReady
from camera.model import BurstLength, CapturedFile
from camera.photos.downloads import FetchedFile
from camera.photos.open_shot import Order
from camera.remote import RemoteCamera
from camera.values import WantedValue
from store.result import RecordedFile, ReleaseTimes, Timing

Download = Literal["none", "thumbnail", "full"]

# Largest common size of a shot in 2026 (a 60-megapixel RAW and its JPEG). A capture needs this much free space.
EXPECTED_BYTES = 160 * 2**20


@dataclass(frozen=True, slots=True)
class Release:
    """When the shutter is released, and the common time of all cameras of a volley, in monotonic seconds."""

    at: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The part of one camera in a volley: its shutter is released at a given moment, together with other cameras.

    Attributes:
        latest: until when the camera has to be ready, in monotonic seconds.
        half_press: whether the shutter button is half pressed before.
        confirmed: whether the release has to be confirmed; see `RemoteCamera.fire`.
        ready: called when the settings are set; returns when the shutter is released. If it raises, the shutter is not
            released.
        armed: called when the camera only waits for the moment.
        needs: called before `ready`, with the seconds that the camera needs before the release.
    """

    latest: float
    half_press: bool
    confirmed: bool
    ready: Callable[[], Awaitable[Release]]
    armed: Callable[[], None]
    needs: Callable[[float], None] = lambda seconds: None

    def check(self) -> None:
        """Raises NotReady if it is too late."""
        if time.monotonic() > self.latest:
            raise NotReady(_NOT_FREE)


_NOT_FREE = "The camera was in use or not open until after the deadline, so it was not released."


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What a capture should do.

    Attributes:
        settings: settings for this shot only, which are restored afterwards.
        preferred: the operator's settings for every shot. A setting that the camera rejects causes a warning, not an
            error.
        download: whether to fetch no picture, its thumbnail, or the full file.
        save: whether to save all files to the photo folder.
        auto_save: whether the operator wants to save them. If that is not possible, the picture is taken nevertheless.
        filename: name of the saved files, instead of a name from the template. Its ending is replaced by the ending of
            each file.
        keep_on_camera: if False, the files on the camera are deleted after they were saved.
        order: the request as it is written to the record of the shot.
        bulb_s: the length of a bulb exposure in seconds; None for a shot with the camera's own shutter speed.
        moment: when the shutter is released; None for as soon as possible.
        burst: how long a burst is; None for one picture.
        wanted: returns False if the capture should not start any more, because nobody waits for it.
    """

    settings: Mapping[str, WantedValue] = field(default_factory=dict)
    preferred: Mapping[str, WantedValue] = field(default_factory=dict)
    download: Download = "none"
    save: bool = False
    auto_save: bool = False
    filename: str | None = None
    keep_on_camera: bool = True
    order: Order = field(default_factory=Order)
    bulb_s: float | None = None
    moment: Moment | None = None
    burst: BurstLength | None = None
    wanted: Callable[[], bool] = lambda: True

    @property
    def changes_settings(self) -> bool:
        """Whether a setting is changed before the release."""
        return bool(self.settings or self.preferred or self.bulb_s is not None or self.burst is not None)

    @property
    def changes_exposure(self) -> bool:
        """Whether the exposure time may be changed before the release."""
        return self.bulb_s is not None or any(map(sets_exposure, self.settings))

    @property
    def prepares(self) -> bool:
        """Whether anything is done before the shutter may be released."""
        return self.changes_settings or self.moment is not None

    def check_wanted(self) -> None:
        """Raises CaptureAbandoned if nobody waits for the capture any more, and NotReady if it is too late for it."""
        if not self.wanted():
            raise CaptureAbandoned("Nothing was done: the client disconnected before the capture started.")
        if self.moment is not None:
            self.moment.check()

    @asynccontextmanager
    async def in_time(self, access: AbstractAsyncContextManager[RemoteCamera]) -> AsyncIterator[RemoteCamera]:
        """Enter `access`, and wait for it until the moment of the release, if there is one.

        Raises:
            NotReady: the camera was not free before the moment.
        """
        moment = self.moment
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None if moment is None else moment.latest - time.monotonic()) as timer:
                    camera = await stack.enter_async_context(access)
            except TimeoutError:
                if not timer.expired():
                    raise
                raise NotReady(_NOT_FREE) from None
            yield camera


@dataclass(frozen=True, slots=True)
class ShotFile:
    """One file of a shot.

    Attributes:
        file: the file.
        saved_path: the path where it was saved.
        on_camera: whether it is still on the camera.
        job: the name of the job for which it was saved; "" for no job.
    """

    file: CapturedFile
    saved_path: str | None = None
    on_camera: bool = True
    job: str = ""

    @property
    def recorded(self) -> RecordedFile:
        """The file as it is recorded."""
        return RecordedFile(self.file.path, self.file.size, self.saved_path, self.on_camera)


@dataclass(frozen=True, slots=True)
class Shot:
    """The result of a capture.

    Attributes:
        files: all files of the shot, the JPEG first; for a burst, sorted by picture.
        picture: the first file, if it was requested.
        thumbnail: a JPEG, if it was requested.
        timing: the times from the request to the steps of the capture.
        warnings: problems after the release, one sentence each.
        number: the number of its record; None if it was not recorded.
        exposed_s: the length of a bulb exposure in seconds.
        frames: how many pictures a burst has; None for one picture.
        discarded: whether its files were deleted, because the exposure was stopped with `keep: false`.
        times: when the shutter was released, if the request had a moment for it.
        last_picture: the index of the first file of the last picture; not 0 only for a burst.
    """

    files: tuple[ShotFile, ...]
    picture: FetchedFile | None
    thumbnail: bytes | None
    timing: Timing
    warnings: tuple[str, ...]
    number: int | None = None
    exposed_s: float | None = None
    frames: int | None = None
    discarded: bool = False
    times: ReleaseTimes | None = None
    last_picture: int = 0


# Called as soon as the picture was fetched, with the part of the shot that is known and with the picture.
OnPicture = Callable[[Shot, FetchedFile], None]


_EXPOSURE = re.compile("shutter|expos|drive|timer|mirror|capturemode", re.IGNORECASE)


def sets_exposure(name: str) -> bool:
    """Whether a setting with this name may change when an exposure ends: its length, or the self-timer."""
    return _EXPOSURE.search(name) is not None
