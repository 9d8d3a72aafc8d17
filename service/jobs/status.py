"""How far a job is, as clients see it."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

from protocol import commands as c
from store.jobs import ENDED, JobRecord


def slots_of(request: c.StartJob, starts_at: float) -> int:
    """The number of slots of a job whose first slot is due at `starts_at`, in seconds since 1970."""
    if request.kind == "bracket":
        return 1 if request.by == "native" else len(request.ev)
    if request.kind == "focus_stack":
        assert request.frames is not None, "it is given"
        return request.frames
    if request.count is not None:
        return request.count
    assert request.interval_s is not None, "it is given"
    assert request.until is not None, "one of them is given"
    return 1 + max(0, math.floor((c.seconds_of(request.until) - starts_at) / request.interval_s))


def status_of(record: JobRecord, request: c.StartJob | None) -> c.JobStatus:
    """A job as clients see it. `request` is None if it cannot be read."""
    progress = record.progress
    part, next_at = 0.0, record.starts_at
    if request is not None:
        part = progress.next / slots_of(request, record.starts_at)
        next_at = max(next_at, time.time())  # as soon as possible
        if request.interval_s is not None:
            next_at = record.starts_at + progress.next * request.interval_s
    return c.JobStatus(
        job=record.job,
        kind="timelapse" if request is None else request.kind,
        port=record.port,
        state=record.state,
        shots=progress.shots,
        skipped=progress.skipped,
        failed=progress.failed,
        skipped_slots=[list(series) for series in progress.skipped_slots],
        next_at=None if record.state in ENDED or request is None else _iso(next_at),
        started_at=_iso(record.starts_at),
        message=record.message,
        progress=1.0 if record.state == "done" else round(min(1.0, part), 4),
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
