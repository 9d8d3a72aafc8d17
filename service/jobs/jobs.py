"""All jobs of the server: start, list, pause, resume and stop them, and go on with those of the last server."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import replace

from camera.errors import CameraError
from camera.photos.room import Room
from camera.ports import is_drive
from camera.session import Session
from camera.values import convert
from protocol import commands as c
from protocol.errors import RequestError
from service.caller import Caller
from service.cameras import Cameras
from service.events import EventHub
from service.jobs.bracket import Bracket, plan_bracket
from service.jobs.focus_stack import FocusStack
from service.jobs.job import Job, Tools
from service.jobs.ramping import start_of_ramp
from service.jobs.schedule import Anchor, Schedule
from service.jobs.status import slots_of, status_of
from service.jobs.timelapse import Timelapse
from service.orders import readable
from service.records import Records
from service.slots import NextSlot, Slots
from service.tasks import Tasks
from store.boot import uptime_s
from store.database import StoreUnavailable
from store.jobs import ENDED, JobRecord, JobStore, Progress
from store.shots import ShotStore

_log = logging.getLogger("service.jobs")

# The first slot of a job without a start time, in seconds from the request.
_FIRST_SLOT_S = 1.0
_MOST_RUNNING = 64
# When the jobs of the last server are read again after an error of the disk, in seconds.
_AGAIN_S = 10.0
# How long stop_job waits for the shot in progress, in seconds.
_STOPS_S = 10.0


class Jobs:
    """The jobs.

    Args:
        cameras: selection of cameras.
        shots: the records of shots.
        records: finds the outcomes of recorded shots.
        events: receives the events of jobs.
        slots: is given the next slot of each camera.
    """

    def __init__(self, cameras: Cameras, shots: ShotStore, records: Records, events: EventHub, slots: Slots) -> None:
        slots.next_of = self._next_slot
        self._cameras = cameras
        self._boot = shots.boot
        self._store = JobStore(shots.store)
        self._tools = Tools(self._camera_of, self._store, shots, records, events)
        self._jobs: dict[int, Job] = {}
        self._tasks = Tasks()
        self._starting = asyncio.Lock()
        self._held = self._stopped = False

    # -- for the service

    async def go_on(self) -> None:
        """Go on with the jobs that the last server has not finished."""
        while True:
            try:
                records = await self._store.not_ended()
                break
            except StoreUnavailable as error:
                _log.error("Jobs of the last server cannot be read now: %s", error)
                await asyncio.sleep(_AGAIN_S)
        for record in records:
            request = _request_of(record)
            if request is None:
                await self._give_up(record)
            elif record.job not in self._jobs:
                self._run(record, request)

    async def _give_up(self, record: JobRecord) -> None:
        """End a job whose request this version cannot read."""
        _log.error("Job %d cannot go on, because its request cannot be read: %s", record.job, record.request)
        message = "The request of this job cannot be read by this version of the server."
        with suppress(StoreUnavailable):
            await self._store.update(replace(record, state="failed", message=message), sync=True)

    def hold(self) -> None:
        """Start no further shot, because the server shuts down."""
        self._held = True
        for job in self._jobs.values():
            job.hold()

    async def stop(self) -> None:
        """End everything. The next server goes on with the jobs, also with one that is being started."""
        self._stopped = True
        await self._tasks.stop()

    # -- commands

    async def start_job(self, caller: Caller, payload: c.StartJob) -> c.JobReply:
        async with self._starting:
            text = payload.model_dump_json(exclude={"key"}, exclude_defaults=True)
            if payload.key is not None and (earlier := await self._earlier(payload.key, text)) is not None:
                return c.JobReply(message="The job was started before", job=self._status(earlier), repeated=True)
            camera = await self._cameras.chosen(payload.port, caller.selected)
            progress = await self._check(camera, payload)
            room: Room | None = None
            with suppress(CameraError):  # then the job starts without this check
                room = await camera.photos.room(payload.save)
            now = time.time()
            at = now + (_FIRST_SLOT_S if payload.kind == "timelapse" else 0.0)
            if payload.start_at is not None:
                at = c.seconds_of(payload.start_at)
            if payload.until is not None and c.seconds_of(payload.until) < at:
                raise RequestError("invalid_payload", "until is in the past. Nothing was done.")
            record = JobRecord(
                key=payload.key,
                request=text,
                port=camera.port,
                model=camera.status.title,
                serial=camera.status.serial or "",
                state="scheduled",
                starts_at=at,
                boot=self._boot,
                starts_uptime_s=uptime_s() + at - now,
                progress=progress,
            )
            with readable():
                record = replace(record, job=await self._store.add(record))
            job = self._run(record, payload, room)
            warnings = [] if room is None else room.lacks(slots_of(payload, at))
            return c.JobReply(message=f"Job {record.job} started", job=job.status, warnings=warnings or None)

    async def list_jobs(self, caller: Caller, payload: c.ListJobs) -> c.JobList:
        with readable():
            return c.JobList(jobs=[self._status(record) for record in await self._store.last(payload.limit)])

    async def get_job(self, caller: Caller, payload: c.OneJob) -> c.JobReply:
        return await self._reply(payload.job, "")

    async def pause_job(self, caller: Caller, payload: c.OneJob) -> c.JobReply:
        job = await self._running(payload.job)
        await job.pause()
        return await self._reply(payload.job, f"Job {payload.job} paused{_not_recorded(job)}")

    async def resume_job(self, caller: Caller, payload: c.OneJob) -> c.JobReply:
        await (await self._running(payload.job)).resume()
        return await self._reply(payload.job, f"Job {payload.job} goes on")

    async def stop_job(self, caller: Caller, payload: c.OneJob) -> c.JobReply:
        job = await self._running(payload.job)
        job.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOPS_S):
                await job.ended.wait()
        words = "stopped" if job.ended.is_set() else "takes no further pictures, and stops after the shot in progress"
        return await self._reply(payload.job, f"Job {payload.job} {words}{_not_recorded(job)}")

    # -- details

    def _run(self, record: JobRecord, request: c.StartJob, room: Room | None = None) -> Job:
        job = self._job(record, request, room)
        if self._stopped:
            return job
        if self._held:
            job.hold()
        self._jobs[record.job] = job
        task = asyncio.create_task(job.run(), name=f"job {record.job}")
        self._tasks.start(task).add_done_callback(lambda task: self._ended(record.job, task))
        return job

    def _job(self, record: JobRecord, request: c.StartJob, room: Room | None) -> Job:
        if request.kind == "bracket":
            return Bracket(record, request, self._tools, room)
        if request.kind == "focus_stack":
            return FocusStack(record, request, self._tools, room)
        assert request.interval_s is not None, "it is given"
        anchor = Anchor(record.starts_at, record.boot, record.starts_uptime_s)
        schedule = Schedule(anchor, request.interval_s, self._boot, uptime_s)
        return Timelapse(record, request, schedule, self._tools, room)

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        job = self._jobs[number]
        if job.record.state in ENDED:
            del self._jobs[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("Job %d failed", number, exc_info=error)

    def _camera_of(self, record: JobRecord) -> Session | None:
        """The camera of a job: by its serial number if it has one, otherwise by its port."""
        known = self._cameras.registry.known
        if record.serial:
            same = [one for one in known if (one.status.serial or "") == record.serial]
            on_port = [one for one in same if one.port == record.port]
            return next(iter(on_port or same), None)
        return next((one for one in known if one.port == record.port), None)

    async def _check(self, camera: Session, payload: c.StartJob) -> Progress:
        """Where a new job begins. Raises RequestError or CameraError if the job is not possible."""
        if is_drive(camera.port):
            raise RequestError("not_supported", "A drive cannot take pictures.")
        if (job := self._job_of(camera)) is not None:
            words = f"Job {job.record.job} uses this camera. Nothing was done. Stop it first with stop_job."
            raise RequestError("camera_in_use_by_job", words, job=job.record.job)
        if len(self._jobs) >= _MOST_RUNNING:
            raise RequestError("too_many_pending", f"{_MOST_RUNNING} jobs are in progress.", limit=_MOST_RUNNING)
        async with camera.exclusive() as remote:
            for name, value in payload.settings.items():
                convert(await remote.get_config(name), value)
            if payload.bulb_s is not None:
                await remote.plan_bulb()
            if payload.kind == "bracket":
                return Progress(plan=await plan_bracket(remote, payload))
            return Progress(ramp=await start_of_ramp(remote, payload))

    def _job_of(self, camera: Session) -> Job | None:
        """The job that uses a camera."""
        jobs = (job for job in self._jobs.values() if job.record.state not in ENDED)
        return next((job for job in jobs if self._camera_of(job.record) is camera), None)

    def _next_slot(self, camera: Session) -> NextSlot | None:
        job = self._job_of(camera)
        return None if job is None else job.next_slot

    async def _earlier(self, key: str, text: str) -> JobRecord | None:
        with readable():
            earlier = await self._store.with_key(key)
        if earlier is not None and earlier.request != text:
            words = f"Another job had the key {key!r}, and nothing was done. Use a new key for each job."
            raise RequestError("key_reused", words, key=key)
        return earlier

    async def _running(self, number: int) -> Job:
        """A job that has not ended. Raises RequestError."""
        job = self._jobs.get(number)
        if job is None or job.record.state in ENDED:
            record = await self._record(number)
            raise RequestError(
                "job_not_found", f"Job {number} has ended ({record.state}). list_jobs has the others.", job=number
            )
        return job

    async def _record(self, number: int) -> JobRecord:
        with readable():
            record = await self._store.get(number)
        if record is None:
            raise RequestError("job_not_found", f"There is no job {number}. list_jobs has the others.", job=number)
        return record

    async def _reply(self, number: int, message: str) -> c.JobReply:
        job = self._jobs.get(number)
        status = job.status if job is not None else self._status(await self._record(number))
        return c.JobReply(message=message or f"Job {number} is {status.state}", job=status)

    def _status(self, record: JobRecord) -> c.JobStatus:
        job = self._jobs.get(record.job)
        return job.status if job is not None else status_of(record, _request_of(record))


def _request_of(record: JobRecord) -> c.StartJob | None:
    """The request of a job; None if this version cannot read it."""
    try:
        return c.StartJob.model_validate_json(record.request)
    except ValueError:
        return None


def _not_recorded(job: Job) -> str:
    return (
        "" if job.recorded else ". This could not be recorded yet, so the job may go on after a restart of the server"
    )
