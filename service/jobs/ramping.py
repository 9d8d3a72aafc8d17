"""Lets the exposure of a time-lapse follow the light, and writes a table with a line for each picture."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from PIL import Image

from camera.errors import CameraError, InvalidValue
from camera.photos.request import Shot
from camera.remote import RemoteCamera
from camera.session import Session
from protocol import commands as c
from service.jobs.exposures import ExposureSetting, Step, ev_of, steps_of
from service.jobs.ramp import Ramp, RampState, brightness_ev, first_rung, follow, ladder_of
from store.boot import uptime_s
from store.jobs import RampProgress

_log = logging.getLogger("service.jobs")

# Thumbnails of 3:2 pictures have black bars, so a border of this part of each side is not measured.
_BORDER = 0.1
# Larger pictures are decoded at about this size, in pixels.
_MEASURED = (320, 240)
_HEADING = ("slot", "due", "taken", "shutterspeed", "iso", "measured_ev", "file")


async def start_of_ramp(camera: RemoteCamera, request: c.StartJob) -> RampProgress | None:
    """Where the ramp of a job begins: at the current settings, or at those of the job. None without a ramp.

    Raises:
        InvalidValue: the settings are no numbers, or the camera has no exposure within the bounds.
        CameraError: the settings cannot be read.
    """
    if request.ramp is None:
        return None
    current: dict[ExposureSetting, str] = {}
    for name in ("shutterspeed", "iso"):
        item = await camera.get_config(name)
        current[name] = str(request.settings.get(name, item.value))
        if ev_of(name, current[name]) is None:
            words = f"A ramp needs {name} as a number, and it is {current[name]}. Set it first."
            raise InvalidValue(words, config_name=name, choices=tuple(item.choices))
    start = RampProgress(current["shutterspeed"], current["iso"], current["iso"], request.ramp.target_ev)
    await Ramping.open(camera, request, start)
    return start


class Ramping:
    """The ramp of one job.

    Args:
        ramp: how the exposure may change.
        state: where it is.
        base_iso: the lowest ISO.
    """

    def __init__(self, ramp: Ramp, state: RampState, base_iso: str) -> None:
        self._ramp = ramp
        self._state = state
        self._base_iso = base_iso
        self._complained = False

    @classmethod
    async def open(cls, camera: RemoteCamera, request: c.StartJob, start: RampProgress) -> Ramping:
        """Read from a camera which exposures it has.

        Raises:
            InvalidValue: it has none within the bounds.
            CameraError: they cannot be read.
        """
        assert request.ramp is not None, "the job has a ramp"
        wanted, base = request.ramp, ev_of("iso", start.base_iso)
        assert base is not None, "it was checked at the start"
        speeds = steps_of("shutterspeed", (await camera.get_config("shutterspeed")).choices)
        speeds = _within(speeds, ev_of("shutterspeed", f"{wanted.min_s:f}"), ev_of("shutterspeed", f"{wanted.max_s:f}"))
        isos = _within(
            steps_of("iso", (await camera.get_config("iso")).choices), base, ev_of("iso", str(wanted.max_iso))
        )
        ladder = ladder_of(speeds, isos, wanted.order)
        if not ladder:
            raise InvalidValue("The camera has no exposure within the bounds of the ramp.", config_name="shutterspeed")
        ev = (ev_of("shutterspeed", start.shutterspeed) or 0.0) + (ev_of("iso", start.iso) or 0.0)
        state = RampState(first_rung(ladder, ev), start.target_ev)
        return cls(Ramp(ladder, wanted.ev_per_hour), state, start.base_iso)

    @property
    def settings(self) -> Mapping[str, str]:
        """The exposure of the next picture."""
        rung = self._ramp.ladder[self._state.rung]
        return {"shutterspeed": rung.shutterspeed, "iso": rung.iso}

    @property
    def progress(self) -> RampProgress:
        """Where the ramp is, for the next server."""
        rung = self._ramp.ladder[self._state.rung]
        return RampProgress(rung.shutterspeed, rung.iso, self._base_iso, self._state.target_ev)

    async def measure(self, shot: Shot) -> float | None:
        """Measure a picture, and choose the exposure of the next one. Returns its brightness; None if it is unknown."""
        if shot.thumbnail is None:
            return None
        try:
            brightness = await asyncio.to_thread(measured_ev, shot.thumbnail)
        except (OSError, ValueError, Image.DecompressionBombError) as error:  # not a JPEG, or damaged
            _log.warning("The thumbnail of %s cannot be measured: %s", shot.files[0].file.path, error)
            return None
        self._state = follow(self._ramp, self._state, brightness, uptime_s())
        return brightness

    async def note(self, camera: Session, job: int, line: Mapping[str, object]) -> None:
        """Add a line to the table of the job, next to the pictures."""
        try:
            await camera.photos.add_line(f"job-{job}.csv", _as_csv(_HEADING), _as_csv([line[one] for one in _HEADING]))
        except CameraError as error:
            if not self._complained:
                _log.warning("%s: job %d: its table cannot be written: %s", camera.port, job, error)
            self._complained = True


def line_of(
    slot: int, due_at: float, taken_at: float, used: Mapping[str, str], measured: float | None
) -> dict[str, object]:
    """A line of the table, without the file. Times are in seconds since 1970."""
    return {
        "slot": slot,
        "due": _iso(due_at),
        "taken": _iso(taken_at),
        **used,
        "measured_ev": "" if measured is None else f"{measured:.3f}",
    }


def measured_ev(jpeg: bytes) -> float:
    """The brightness of a picture; see `brightness_ev`. Raises OSError, ValueError if it cannot be decoded."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        image.draft("L", _MEASURED)
        width, height = image.size
        x, y = round(width * _BORDER), round(height * _BORDER)
        return brightness_ev(image.convert("L").crop((x, y, width - x, height - y)).histogram())


def _within(steps: tuple[Step, ...], low: float | None, high: float | None) -> tuple[Step, ...]:
    margin = 0.01  # values are rounded
    return tuple(
        step
        for step in steps
        if (low is None or step.ev >= low - margin) and (high is None or step.ev <= high + margin)
    )


def _as_csv(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
