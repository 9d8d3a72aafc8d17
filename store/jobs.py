"""The jobs: series of shots that the server takes by itself, in the database."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from store.database import Store

_log = logging.getLogger("store.jobs")

# scheduled: the first slot is in the future. running: shots are taken. waiting: the camera is away. paused: by a client.
# done: all slots have passed. stopped: by a client. failed: it cannot go on; the message has the reason.
JobState = Literal["scheduled", "running", "waiting", "paused", "done", "stopped", "failed"]
ENDED: frozenset[JobState] = frozenset(("done", "stopped", "failed"))

_COLUMNS = "job, key, request, port, model, serial, state, starts_at, boot, starts_uptime_s, progress, message"
# The newest ended jobs that are kept, and how many series of skipped slots are kept of each job.
_MOST_ENDED, _MOST_SERIES = 200, 100


@dataclass(frozen=True, slots=True)
class RampProgress:
    """Where the ramp of a time-lapse is: the exposure of the next picture, the lowest ISO, and the brightness to keep.

    `target_ev` is relative to middle grey; None: that of the first picture.
    """

    shutterspeed: str
    iso: str
    base_iso: str
    target_ev: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        next: the number of the next slot.
        shots, failed, skipped: how many slots had each result.
        skipped_slots: the first and the last number of each of the last 100 series of skipped slots.
        plan: the value of a setting for each slot, of a bracket.
        ramp: where the ramp is, of a time-lapse.
        moves, moved: how often the focus was moved, and how many steps in all, of a focus stack.
    """

    next: int = 0
    shots: int = 0
    failed: int = 0
    skipped: int = 0
    skipped_slots: tuple[tuple[int, int], ...] = ()
    plan: tuple[str, ...] = ()
    moves: int = 0
    moved: int = 0
    ramp: RampProgress | None = None

    def count(self, *, shots: int = 0, failed: int = 0) -> Progress:
        """Count the next slot as one with a picture, or as failed."""
        return replace(self, next=self.next + 1, shots=self.shots + shots, failed=self.failed + failed)

    def skip(self, first: int, last: int) -> Progress:
        """Count the slots from `first` to `last` as skipped."""
        series = self.skipped_slots
        if series and series[-1][1] == first - 1:
            series = (*series[:-1], (series[-1][0], last))
        else:
            series = (*series, (first, last))[-_MOST_SERIES:]
        return replace(self, next=last + 1, skipped=self.skipped + last - first + 1, skipped_slots=series)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job.

    Attributes:
        job: its number; 0 until it is recorded.
        key: the key of its request.
        request: its request as JSON.
        port, model, serial: its camera; `serial` is empty if the camera has none.
        state: its state.
        starts_at: the time of its first slot, in seconds since 1970.
        boot, starts_uptime_s: the same time in seconds since this boot of the operating system.
        progress: how far it is.
        message: why it is in its state, for people; empty if there is nothing to say.
    """

    key: str | None
    request: str
    port: str
    model: str
    serial: str
    state: JobState
    starts_at: float
    boot: str
    starts_uptime_s: float
    progress: Progress = field(default_factory=Progress)
    message: str = ""
    job: int = 0


class JobStore:
    """Reads and writes the jobs. All methods raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, job: JobRecord) -> int:
        """Record a new job; returns its number. The record survives a power failure."""

        def add(db: sqlite3.Connection) -> int:
            placeholders = ", ".join("?" * len(_values(job)))
            added = db.execute(
                f"INSERT INTO jobs ({_COLUMNS.removeprefix('job, ')}) VALUES ({placeholders})", _values(job)
            )
            db.execute(
                "DELETE FROM jobs WHERE state IN ('done', 'stopped', 'failed') AND job <= ?",
                ((added.lastrowid or 0) - _MOST_ENDED,),
            )
            return int(added.lastrowid or 0)

        return await self._store.write(add, sync=True)

    async def update(self, job: JobRecord, *, sync: bool) -> None:
        """Replace the record of a job.

        Args:
            sync: whether the change must survive a power failure.
        """
        columns = ", ".join(f"{name} = ?" for name in _COLUMNS.removeprefix("job, ").split(", "))
        values = (*_values(job), job.job)
        await self._store.write(lambda db: db.execute(f"UPDATE jobs SET {columns} WHERE job = ?", values), sync=sync)

    async def get(self, job: int) -> JobRecord | None:
        """The job with this number."""
        return _first(await self._select("WHERE job = ?", job))

    async def with_key(self, key: str) -> JobRecord | None:
        """The newest job with this key."""
        return _first(await self._select("WHERE key = ? ORDER BY job DESC LIMIT 1", key))

    async def last(self, limit: int) -> list[JobRecord]:
        """The newest jobs, newest first."""
        return await self._select("ORDER BY job DESC LIMIT ?", limit)

    async def not_ended(self) -> list[JobRecord]:
        """The jobs that go on after a restart, oldest first."""
        return await self._select("WHERE state NOT IN ('done', 'stopped', 'failed') ORDER BY job")

    async def _select(self, where: str, *values: str | int) -> list[JobRecord]:
        rows = await self._store.read(lambda db: db.execute(f"SELECT {_COLUMNS} FROM jobs {where}", values).fetchall())
        return [_record(row) for row in rows]


def _values(job: JobRecord) -> tuple[object, ...]:
    return (
        job.key, job.request, job.port, job.model, job.serial, job.state, job.starts_at, job.boot, job.starts_uptime_s,
        json.dumps(asdict(job.progress)), job.message,
    )  # fmt: skip


def _record(row: Sequence[Any]) -> JobRecord:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    try:
        data = json.loads(values["progress"])
        data["skipped_slots"] = tuple((first, last) for first, last in data["skipped_slots"])
        data["plan"] = tuple(data.get("plan", ()))
        if (ramp := data.get("ramp")) is not None:
            data["ramp"] = RampProgress(**ramp)
        progress = Progress(**data)
    except (ValueError, TypeError, KeyError) as error:  # of another version, or damaged
        _log.error("How far job %s was cannot be read: %r", values["job"], error)
        progress = Progress()
    return JobRecord(**{**values, "progress": progress})


def _first(records: list[JobRecord]) -> JobRecord | None:
    return records[0] if records else None
