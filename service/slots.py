"""Keeps commands of clients from making the next picture of a job late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from camera.errors import CameraError
from camera.exposure import seconds_if_known
from camera.session import Session
from protocol.errors import RequestError

# How long a camera is in use for a shot, besides its exposure, in seconds.
_SHOT_S = 0.5


@dataclass(frozen=True, slots=True)
class NextSlot:
    """The next slot of the job of a camera.

    Attributes:
        job: the number of the job.
        at: when the slot is due, in seconds since 1970.
        free_s: seconds from now until the camera has to be free for it.
    """

    job: int
    at: float
    free_s: float


class Slots:
    """The next slots of all jobs.

    Attributes:
        next_of: returns the next slot of the job that uses a camera; None if there is none.
    """

    def __init__(self) -> None:
        self.next_of: Callable[[Session], NextSlot | None] = lambda camera: None

    async def check_shot(
        self,
        camera: Session,
        force: bool,
        *,
        bulb_s: float | None = None,
        settings: Mapping[str, str | int | float | bool] | None = None,
        pictures: int = 1,
        extra_s: float = 0.0,
    ) -> None:
        """Check that a shot, with the exposures that the camera is set to, ends before the next slot of a job.

        Args:
            camera: the camera.
            force: whether the shot is taken in any case.
            bulb_s: the length of the exposure, if it is known.
            settings: the settings for the shot.
            pictures: the number of its exposures.
            extra_s: how long it takes besides them, in seconds.

        Raises:
            RequestError: camera_in_use_by_job.
        """
        if force or self.next_of(camera) is None:
            return
        exposure_s = bulb_s
        if exposure_s is None:
            exposure_s = await _exposure_s(camera, settings or {})
        self.check(camera, force, _SHOT_S + pictures * exposure_s + extra_s)

    def check(self, camera: Session, force: bool, lasts_s: float) -> None:
        """Check that a use of the camera for so many seconds ends before the next slot. Raises as `check_shot`."""
        following = self.next_of(camera)
        if force or following is None or lasts_s <= following.free_s:
            return
        at = datetime.fromtimestamp(following.at, UTC).isoformat(timespec="milliseconds")
        words = (
            f"Nothing was done: it takes about {lasts_s:.1f} s, and job {following.job} takes its next picture at {at}."
            " Try again after that, or send force: true."
        )
        raise RequestError(
            "camera_in_use_by_job", words, job=following.job, next_at=at, port=camera.port, takes_s=round(lasts_s, 3)
        )


async def _exposure_s(camera: Session, settings: Mapping[str, str | int | float | bool]) -> float:
    """The exposure of the next shot in seconds; 0 if it is not known."""
    for name, value in settings.items():
        if name.rpartition("/")[2].startswith("shutterspeed"):
            return seconds_if_known(str(value)) or 0.0
    with suppress(CameraError):  # it has no such setting, or the command itself finds the problem
        async with camera.in_movie() as remote:
            return seconds_if_known(str((await remote.get_config("shutterspeed")).value)) or 0.0
    return 0.0
