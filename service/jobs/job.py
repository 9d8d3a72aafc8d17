"""One job in progress: what all kinds of jobs have in common."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from camera.errors import CAPTURE_UNKNOWN, CameraError, CaptureAbandoned, CaptureUnknown, NotReady
from camera.model import CapturedFile, mimetype_of
from camera.photos.room import Room
from camera.remote import decode_error
from camera.session import Session
from protocol import commands as c
from protocol.errors import code_of, explain
from service.events import EventHub
from service.jobs.status import slots_of, status_of
from service.records import Records
from service.slots import NextSlot
from store.database import StoreUnavailable
from store.jobs import ENDED, JobRecord, JobState, JobStore, Progress
from store.result import RecordedFile
from store.shots import ShotRecord, ShotStore

_log = logging.getLogger("service.jobs")

# How often the room for pictures is measured, and how long that may take, in seconds.
_ROOM_EVERY_S, _ROOM_S = 60.0, 1.0
# When the end of a job is recorded again after an error of the disk, in seconds.
_AGAIN_S = 10.0


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


class Job(ABC):
    """A job that has not ended.

    Args:
        record: its record.
        request: its request.
        tools: what all jobs use.
        room: the room for its pictures, if it was measured.

    Attributes:
        record: the current record.
        ended: set when the job has ended.
        recorded: whether the current record is in the database.
    """

    def __init__(self, record: JobRecord, request: c.StartJob, tools: Tools, room: Room | None = None) -> None:
        self.record = record
        self.recorded = True
        self.ended = asyncio.Event()
        self._request = request
        self._tools = tools
        self._changed = asyncio.Event()
        self._paused = record.state == "paused"
        self._stopped = False
        self._held = False
        self._room = room
        self._room_at = time.monotonic()
        self._room_message = self._room_words()

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
    @abstractmethod
    def next_slot(self) -> NextSlot | None:
        """The next slot that is not being served; None if there is none, or while the camera is away."""

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
            if self._held:
                await asyncio.get_running_loop().create_future()  # until the task is cancelled
            elif self._stopped:
                await self._end("stopped", "Stopped by a client.")
            elif self._is_over(self.record.progress.next):
                await self._end("done", "")
            else:
                await self._go_on(self.record.progress.next)

    @abstractmethod
    async def _go_on(self, slot: int) -> None:
        """Serve the next slot, or wait for it."""

    @abstractmethod
    def _is_over(self, slot: int) -> bool:
        """Whether a slot is after the last one."""

    @abstractmethod
    def _due_at(self, slot: int) -> float:
        """When a slot is due, in seconds since 1970."""

    async def _end(self, state: JobState, message: str) -> None:
        """End the job."""
        await self._enter(state, message)

    def _is_wanted(self) -> bool:
        """Whether the next shot may start."""
        return not (self._stopped or self._paused or self._held)

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait for a time, or until a client changes the job."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._changed.wait()

    def _filename(self, slot: int) -> str | None:
        return None if self._request.filename is None else f"{self._request.filename}-{slot:05}"

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
            self._emit_shot(slot, None, result.files)
        elif result.error is not None and isinstance(error := decode_error(result.error.encoded), NotReady):
            await self._skip(slot, slot, "not_ready", error.message)
        else:
            await self._advance(progress.count(failed=1))
            unknown = CaptureUnknown(result.message or CAPTURE_UNKNOWN)
            self._emit_failure(slot, unknown if result.error is None else decode_error(result.error.encoded))

    # -- records and events

    def _working_state(self) -> JobState:
        """The state of a job that is not paused."""
        return "running"

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

    async def _record(self, *, sync: bool = False) -> None:
        try:
            await self._tools.jobs.update(self.record, sync=sync)
            self.recorded = True
        except StoreUnavailable as error:  # the keys of its shots still prevent that a slot is served twice
            self.recorded = False
            _log.warning("Job %d could not be recorded: %s", self.record.job, error)

    def _emit_shot(self, slot: int, late_ms: float | None, files: Iterable[RecordedFile]) -> None:
        named = [_file(file).model_dump(exclude_none=True) for file in files]
        self._emit(slot, status="ok", late_ms=late_ms, files=named)

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
        files: Sequence[object] = (),
        last: int | None = None,
    ) -> None:
        due = datetime.fromtimestamp(self._due_at(slot), UTC).isoformat(timespec="milliseconds")
        values = {
            "port": self.record.port, "job": self.record.job, "n": slot, "last": last, "due": due, "late_ms": late_ms,
            "status": status, "code": code, "message": message or None, "files": list(files),
        }  # fmt: skip
        self._tools.events.publish("job_shot", values)


def _was_abandoned(record: ShotRecord) -> bool:
    """Whether nothing was done for a record, because its job was paused or its server stopped."""
    error = record.result.error
    return error is not None and isinstance(decode_error(error.encoded), CaptureAbandoned)


def _file(file: RecordedFile) -> c.ImageFile:
    path = file.camera_filepath
    return c.ImageFile.of(CapturedFile(path, file.size, mimetype_of(path)), file.saved_path)
