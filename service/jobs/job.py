"""One job in progress: waits for each slot and takes its picture, until the last slot or a stop."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureAbandoned, CaptureUnknown, NotReady
from camera.model import CapturedFile, mimetype_of
from camera.photos.open_shot import Order
from camera.photos.request import CaptureRequest, Moment, Release, Shot
from camera.photos.room import Room
from camera.remote import decode_error
from camera.session import Session
from protocol import commands as c
from protocol.errors import code_of, explain
from service.events import EventHub
from service.jobs.schedule import Schedule
from service.orders import text_of_slot
from service.records import Records
from service.slots import NextSlot
from store.database import StoreUnavailable
from store.jobs import ENDED, JobRecord, JobState, JobStore, Progress
from store.result import RecordedFile
from store.shots import ShotRecord, ShotStore

_log = logging.getLogger("service.jobs")

# How long before a slot the preparations of its shot begin, in seconds: at first, and later by what earlier shots have
# needed. Other commands wait meanwhile.
_FIRST_LEAD_S, _SHORTEST_LEAD_S, _LEAD_FACTOR, _REMEMBERED = 1.0, 0.4, 1.5, 5
# From the end of the preparations until the release, in seconds: the camera process reads settings again.
_SOON_S = 0.2
# A slot that could not be served within this time is skipped, in seconds; at most half of the interval.
_LATE_S = 2.0
# How often the room for pictures is measured, and how long that may take, in seconds.
_ROOM_EVERY_S, _ROOM_S = 60.0, 1.0
# When the end of a job is recorded again after an error of the disk, in seconds.
_AGAIN_S = 10.0
# How often the system clock is read, in seconds: while a job waits for a time of day, and later.
_CLOCK_BEFORE_S, _CLOCK_S = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What all jobs use.

    Attributes:
        camera: returns the camera of a job; None while it is away.
        jobs, shots: the records.
        records: finds the outcomes of recorded shots.
        events: receives the events of the jobs.
    """

    camera: Callable[[JobRecord], Session | None]
    jobs: JobStore
    shots: ShotStore
    records: Records
    events: EventHub


def key_of(job: int, slot: int | str) -> str:
    """The key of the shot of a slot. The server takes no second shot with a key that has a record.

    With "" for the slot: what all keys of the job begin with.
    """
    return f"job/{job}/{slot}"


class Job:
    """A job that has not ended.

    Args:
        record: its record.
        request: its request.
        schedule: its slots.
        tools: what all jobs use.
        room: the room for its pictures, if it was measured.

    Attributes:
        record: the current record.
        ended: set when the job has ended.
        recorded: whether the current record is in the database.
    """

    def __init__(
        self, record: JobRecord, request: c.StartJob, schedule: Schedule, tools: Tools, room: Room | None = None
    ) -> None:
        self.record = record
        self._request = request
        self._schedule = schedule
        self._tools = tools
        self._changed = asyncio.Event()
        self._paused = record.state == "paused"
        self._stopped = False
        self._held = False
        self._arming_s = 0.0  # how long the camera process last needed from its order until it only waited
        self.recorded = True
        self._room = room
        self._room_at = time.monotonic()
        self._room_message = self._room_words()
        self._prepared_s: deque[float] = deque(maxlen=_REMEMBERED)
        self.ended = asyncio.Event()

    @property
    def status(self) -> c.JobStatus:
        """The job as clients see it."""
        room = self._room
        status = status_of(self.record, self._request)
        return (
            status
            if room is None or self.record.state in ENDED
            else status.model_copy(update={"disk_free": room.disk_free, "card_free": room.card_free})
        )

    @property
    def next_slot(self) -> NextSlot | None:
        """The next slot that is not being served; None if there is none, or while the camera is away."""
        if self.record.state not in ("scheduled", "running") or self._stopped:
            return None
        slot = max(self.record.progress.next, self._schedule.first_after(0.0))
        if self._is_over(slot):
            return None
        return NextSlot(self.record.job, self._schedule.due_at(slot), self._schedule.in_s(slot) - self._lead_s)

    # -- orders of clients

    async def pause(self) -> None:
        """Take no further shots until `resume`."""
        self._paused = True
        self._changed.set()
        await self._enter("paused", "")

    async def resume(self) -> None:
        """Go on after `pause`. The slots in between are skipped."""
        self._paused = False
        self._changed.set()
        await self._enter(self._working_state(), "")

    def stop(self) -> None:
        """Take no further shots. `run` returns when the shot in progress has ended."""
        self._stopped = True
        self._changed.set()

    def hold(self) -> None:
        """Start no further shot, because the server shuts down. The next server goes on with the job."""
        self._held = True
        self._changed.set()

    # -- the course of the job

    async def run(self) -> None:
        """Serve the slots until the job has ended, and its end is recorded."""
        try:
            await self._serve_slots()
        except Exception:  # noqa: BLE001 an unknown error must not leave the job without an end
            _log.exception("Job %d has failed", self.record.job)
            self._held = False
            try:
                await self._enter("failed", "The server has an internal error; its log has the details.")
            finally:
                self.ended.set()
        while not self.recorded:
            await asyncio.sleep(_AGAIN_S)
            await self._record(sync=True)

    async def _serve_slots(self) -> None:
        await self._finish_interrupted()
        while self.record.state not in ENDED:
            slot = self.record.progress.next
            if self._held:
                await asyncio.get_running_loop().create_future()  # until the task is cancelled
            elif self._stopped:
                await self._enter("stopped", "Stopped by a client.")
            elif self._is_over(slot):
                await self._enter("done", "")
            elif self._paused or self._schedule.in_s(slot) > self._lead_s:
                await self._wait(slot)
            else:
                await self._serve(slot)

    def _is_over(self, slot: int) -> bool:
        request = self._request
        if request.count is not None:
            return slot >= request.count
        assert request.until is not None, "one of them is given"
        return self._schedule.due_at(slot) > c.seconds_of(request.until)

    @property
    def _lead_s(self) -> float:
        if self._request.bulb_s is not None:  # the shutter opens as soon as the camera is ready
            return min(max(self._prepared_s, default=_SOON_S), self._schedule.interval_s / 2)
        longest = max(self._prepared_s, default=_FIRST_LEAD_S / _LEAD_FACTOR)
        return min(max(_SHORTEST_LEAD_S, _LEAD_FACTOR * longest), self._schedule.interval_s / 2)

    @property
    def _late_s(self) -> float:
        return min(_LATE_S, self._schedule.interval_s / 2)

    async def _wait(self, slot: int) -> None:
        """Wait until the preparations of a slot begin, or until something has changed."""
        if self._schedule.follow_clock():
            await self._record(anchored=True)
        left = self._schedule.in_s(slot) + (self._late_s if self._paused else -self._lead_s)
        longest = _CLOCK_BEFORE_S if self._schedule.in_s(0) > 0 else _CLOCK_S
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(0.0, left), longest)):
                await self._changed.wait()
        if self._paused and not self._stopped:
            await self._skip_missed(slot)

    async def _skip_missed(self, slot: int) -> bool:
        """Skip the slots that are too late. Returns whether there were any."""
        first = self._schedule.first_after(-self._late_s)
        if self._request.count is not None:
            first = min(first, self._request.count)
        elif self._request.until is not None:
            while first > slot and self._schedule.due_at(first - 1) > c.seconds_of(self._request.until):
                first -= 1
        if first <= slot:
            return False
        await self._skip(slot, first - 1, "camera_busy", "")
        return True

    async def _serve(self, slot: int) -> None:
        if await self._skip_missed(slot):
            return
        camera = self._tools.camera(self.record)
        if camera is None or not camera.reconnect.connected:
            await self._enter("waiting", "The camera is away.")
            await self._wait_for_end_of(slot)
            await self._skip(slot, slot, "camera_disconnected", "The camera was away.")
            return
        await self._enter("running", self._room_message)
        await self._shoot(slot, camera)
        await self._look_at_room(camera)

    async def _wait_for_end_of(self, slot: int) -> None:
        """Wait until a slot is over, or until a client ends the wait."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._schedule.in_s(slot) + self._late_s)):
                await self._changed.wait()

    async def _shoot(self, slot: int, camera: Session) -> None:
        began = time.monotonic()
        due = began + self._schedule.in_s(slot)
        request = self._capture(slot, due, began)
        try:
            shot = await camera.photos.capture(request, lambda shot, picture: None)
        except NotReady as error:
            # Next time, the preparations begin earlier.
            self._prepared_s.append(2 * self._lead_s / _LEAD_FACTOR)
            await self._skip(slot, slot, "not_ready", error.message)
        except CaptureAbandoned:
            return
        except CameraError as error:
            await self._advance(self.record.progress.count(failed=1))
            self._emit_failure(slot, error)
        else:
            if self._request.bulb_s is not None:
                self._prepared_s.append(shot.timing.shutter_ms / 1000)
            await self._advance(self.record.progress.count(shots=1))
            self._emit_shot(slot, _late_ms(shot, began, due), [_file(one.recorded) for one in shot.files])

    async def _look_at_room(self, camera: Session) -> None:
        """Measure the room for pictures from time to time, if the next slot is not delayed by that."""
        following = self.next_slot
        if time.monotonic() - self._room_at < _ROOM_EVERY_S or following is None or following.free_s < _ROOM_S:
            return
        self._room_at = time.monotonic()
        with suppress(CameraError):
            self._room = await camera.photos.room(self._request.save)
        words = self._room_words()
        if bool(words) != bool(self._room_message):  # the numbers in it change with each picture
            self._room_message = words
            if words:
                _log.warning("%s: job %d: %s", self.record.port, self.record.job, words)

    def _room_words(self) -> str:
        """Where the further pictures do not fit; empty if they do."""
        if self._room is None or self._room.guessed:
            return ""
        left = slots_of(self._request, self.record.starts_at) - self.record.progress.next
        return " ".join(self._room.lacks(left))

    def _capture(self, slot: int, due: float, began: float) -> CaptureRequest:
        """The request for the shot of a slot.

        Args:
            due: when it is due, in monotonic seconds.
            began: when the preparations begin.
        """
        request = self._request

        ready_at = began

        async def ready() -> Release:
            nonlocal ready_at
            ready_at = time.monotonic()
            return Release(max(due, ready_at + max(_SOON_S, _LEAD_FACTOR * self._arming_s)), due)

        def armed() -> None:
            now = time.monotonic()
            self._arming_s = now - ready_at
            self._prepared_s.append(now - began)

        key = key_of(self.record.job, slot)
        return CaptureRequest(
            settings=request.settings,
            save=request.save,
            filename=None if request.filename is None else f"{request.filename}-{slot:05}",
            bulb_s=request.bulb_s,
            order=Order(key, text_of_slot(key, request.bulb_s)),
            # A bulb exposure is opened by the camera process as soon as the camera is ready.
            moment=None if request.bulb_s is not None else Moment(due + self._late_s, False, False, ready, armed),
            wanted=lambda: not (self._stopped or self._paused or self._held),
        )

    async def _finish_interrupted(self) -> None:
        """Find the outcomes of shots that the last server has not counted. The slots between them were skipped."""
        prefix = key_of(self.record.job, "")
        while True:
            try:
                records = await self._tools.shots.with_key_prefix(prefix)
                break
            except StoreUnavailable as error:
                _log.warning("Job %d cannot go on yet: %s", self.record.job, error)
                await asyncio.sleep(_AGAIN_S)
        # The newest record of each slot counts. A slot that was abandoned before its release may be served again.
        newest = {
            int(number): record
            for record in records
            if (number := str(record.key).removeprefix(prefix)).isdecimal() and not _was_abandoned(record)
        }
        for slot, record in sorted(newest.items()):
            following = self.record.progress.next
            if slot >= following:
                if slot > following:
                    await self._skip(following, slot - 1, "camera_busy", "")
                await self._count_interrupted(slot, await self._tools.records.with_outcome(record))

    async def _count_interrupted(self, slot: int, record: ShotRecord) -> None:
        progress, result = self.record.progress, record.result
        if record.outcome == "done":
            await self._advance(progress.count(shots=1))
            self._emit_shot(slot, None, [_file(file) for file in result.files])
        elif result.error is not None and isinstance(error := decode_error(result.error.encoded), NotReady):
            await self._skip(slot, slot, "not_ready", error.message)
        else:
            await self._advance(progress.count(failed=1))
            unknown = CaptureUnknown(result.message or CAPTURE_UNKNOWN)
            self._emit_failure(slot, unknown if result.error is None else decode_error(result.error.encoded))

    # -- records and events

    def _working_state(self) -> JobState:
        return "scheduled" if self._schedule.in_s(0) > 0 and self.record.progress.next == 0 else "running"

    async def _enter(self, state: JobState, message: str) -> None:
        """Enter a state, if the job is not in it."""
        if (self.record.state, self.record.message) == (state, message) or self.record.state in ENDED:
            return
        self.record = replace(self.record, state=state, message=message)
        await self._record(sync=state in ENDED or state == "paused")
        if state in ENDED:
            self.ended.set()
        self._tools.events.publish(
            "job_state", {"port": self.record.port, "job": self.record.job, "state": state, "message": message}
        )

    async def _skip(self, first: int, last: int, code: str, message: str) -> None:
        await self._advance(self.record.progress.skip(first, last))
        self._emit(first, status="skipped", code=code, message=message, last=last)

    async def _advance(self, progress: Progress) -> None:
        self.record = replace(self.record, progress=progress)
        await self._record()

    async def _record(self, *, sync: bool = False, anchored: bool = False) -> None:
        if anchored:
            anchor = self._schedule.anchor
            self.record = replace(self.record, starts_at=anchor.at, boot=anchor.boot, starts_uptime_s=anchor.uptime_s)
        try:
            await self._tools.jobs.update(self.record, sync=sync or anchored)
            self.recorded = True
        except StoreUnavailable as error:  # the keys of its shots still prevent that a slot is served twice
            self.recorded = False
            _log.warning("Job %d could not be recorded: %s", self.record.job, error)

    def _emit_shot(self, slot: int, late_ms: float | None, files: list[c.ImageFile]) -> None:
        self._emit(slot, status="ok", late_ms=late_ms, files=[file.model_dump(exclude_none=True) for file in files])

    def _emit_failure(self, slot: int, error: CameraError) -> None:
        self._emit(slot, status="error", code=code_of(type(error)), message=explain(error))

    def _emit(
        self,
        slot: int,
        *,
        status: str,
        late_ms: float | None = None,
        code: str | None = None,
        message: str = "",
        files: list[object] | None = None,
        last: int | None = None,
    ) -> None:
        due = datetime.fromtimestamp(self._schedule.due_at(slot), UTC).isoformat(timespec="milliseconds")
        values = {
            "port": self.record.port, "job": self.record.job, "n": slot, "last": last, "due": due, "late_ms": late_ms,
            "status": status, "code": code, "message": message or None, "files": files or [],
        }  # fmt: skip
        self._tools.events.publish("job_shot", values)


def slots_of(request: c.StartJob, starts_at: float) -> int:
    """The number of slots of a job whose first slot is due at `starts_at`, in seconds since 1970."""
    if request.count is not None:
        return request.count
    assert request.until is not None, "one of them is given"
    return 1 + max(0, math.floor((c.seconds_of(request.until) - starts_at) / request.interval_s))


def status_of(record: JobRecord, request: c.StartJob | None) -> c.JobStatus:
    """A job as clients see it. `request` is None if it cannot be read."""
    progress = record.progress
    interval_s = 0.0 if request is None else request.interval_s
    next_at = record.starts_at + progress.next * interval_s
    if request is None:
        part = 0.0
    elif request.count is not None:
        part = progress.next / request.count
    else:
        assert request.until is not None, "one of them is given"
        part = progress.next * interval_s / max(interval_s, c.seconds_of(request.until) - record.starts_at + interval_s)
    return c.JobStatus(
        job=record.job,
        kind="timelapse",
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


def _was_abandoned(record: ShotRecord) -> bool:
    """Whether nothing was done for a record, because its job was paused or its server stopped."""
    error = record.result.error
    return error is not None and isinstance(decode_error(error.encoded), CaptureAbandoned)


def _late_ms(shot: Shot, began: float, due: float) -> float:
    """How much later than due the shutter was released, in milliseconds."""
    if shot.times is not None:
        return shot.times.commanded_ms
    return round((began - due) * 1000 + shot.timing.shutter_ms, 1)


def _file(file: RecordedFile) -> c.ImageFile:
    path = file.camera_filepath
    return c.ImageFile.of(CapturedFile(path, file.size, mimetype_of(path)), file.saved_path)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
