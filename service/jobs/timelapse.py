"""A time-lapse: a picture in each slot of a schedule."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from camera.errors import CameraError, CaptureAbandoned, NotReady
from camera.photos.open_shot import Order
from camera.photos.request import CaptureRequest, Moment, Release, Shot
from camera.photos.room import Room
from camera.session import Session
from protocol import commands as c
from protocol.errors import code_of
from service.jobs.job import Job, Tools, key_of
from service.jobs.ramping import Ramping, line_of
from service.jobs.schedule import Schedule
from service.orders import text_of_slot
from service.slots import NextSlot
from store.jobs import JobRecord, JobState, Progress

# How long before a slot the preparations of its shot begin, in seconds: at first, and later by what earlier shots have
# needed. Other commands wait meanwhile.
_FIRST_LEAD_S, _SHORTEST_LEAD_S, _LEAD_FACTOR, _REMEMBERED = 1.0, 0.4, 1.5, 5
# From the end of the preparations until the release, in seconds: the camera process reads settings again.
_SOON_S = 0.2
# A slot that could not be served within this time is skipped, in seconds; at most half of the interval.
_LATE_S = 2.0
# How often the system clock is read, in seconds: while a job waits for a time of day, and later.
_CLOCK_BEFORE_S, _CLOCK_S = 1.0, 10.0


class Timelapse(Job):
    """A time-lapse that has not ended.

    Args:
        record, request, tools, room: see `Job`.
        schedule: its slots.
    """

    def __init__(
        self, record: JobRecord, request: c.StartJob, schedule: Schedule, tools: Tools, room: Room | None = None
    ) -> None:
        super().__init__(record, request, tools, room)
        self._schedule = schedule
        self._arming_s = 0.0  # how long the camera process last needed from its order until it only waited
        self._ramping: Ramping | None = None
        self._tried: int | None = None  # the last slot whose camera was not ready in time, although it was not over
        self._prepared_s: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def next_slot(self) -> NextSlot | None:
        """The next slot that is not being served; None if there is none, or while the camera is away."""
        if self.record.state not in ("scheduled", "running") or self._stopped:
            return None
        slot = max(self.record.progress.next, self._schedule.first_after(0.0))
        if self._is_over(slot):
            return None
        return NextSlot(self.record.job, self._schedule.due_at(slot), self._schedule.in_s(slot) - self._lead_s)

    def _is_over(self, slot: int) -> bool:
        request = self._request
        if request.count is not None:
            return slot >= request.count
        assert request.until is not None, "one of them is given"
        return self._schedule.due_at(slot) > c.seconds_of(request.until)

    def _due_at(self, slot: int) -> float:
        return self._schedule.due_at(slot)

    def _working_state(self) -> JobState:
        return "scheduled" if self._schedule.in_s(0) > 0 and self.record.progress.next == 0 else "running"

    async def _go_on(self, slot: int) -> None:
        if self._paused or self._schedule.in_s(slot) > self._lead_s:
            await self._wait(slot)
        else:
            await self._serve(slot)

    async def _record_anchor(self) -> None:
        """Record the changed time of slot 0, so that it survives a power failure."""
        anchor = self._schedule.anchor
        self.record = replace(self.record, starts_at=anchor.at, boot=anchor.boot, starts_uptime_s=anchor.uptime_s)
        await self._record(sync=True)

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
            await self._record_anchor()
        left = self._schedule.in_s(slot) + (self._late_s if self._paused else -self._lead_s)
        longest = _CLOCK_BEFORE_S if self._schedule.in_s(0) > 0 else _CLOCK_S
        await self._wait_for_change(min(left, longest))
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
            await self._wait_for_change(self._schedule.in_s(slot) + self._late_s)
            await self._skip(slot, slot, "camera_disconnected", "The camera was away.")
            return
        await self._enter("running", self._room_message)
        if not await self._open_ramp(slot, camera):
            return
        await self._shoot(slot, camera)
        await self._look_at_room(camera)

    async def _open_ramp(self, slot: int, camera: Session) -> bool:
        """Prepare the ramp, if the job has one. Returns False if the slot was skipped."""
        start = self.record.progress.ramp
        if start is None or self._ramping is not None:
            return True
        try:
            async with camera.exclusive() as remote:
                self._ramping = await Ramping.open(remote, self._request, start)
        except CameraError as error:
            await self._skip(slot, slot, code_of(type(error)), error.message)
        return self._ramping is not None

    async def _shoot(self, slot: int, camera: Session) -> None:
        began = time.monotonic()
        due = began + self._schedule.in_s(slot)
        request = self._capture(slot, due, began)
        try:
            shot = await camera.photos.capture(request, lambda shot, picture: None)
        except NotReady as error:
            # Next time, the preparations begin earlier.
            self._prepared_s.append(2 * self._lead_s / _LEAD_FACTOR)
            if slot != self._tried and self._schedule.in_s(slot) + self._late_s > _SOON_S:
                # Usually, the disk was slow for a moment. The slot is served once more, a little late.
                self._tried, self._arming_s = slot, 2 * max(_SOON_S, self._arming_s)
                return
            await self._skip(slot, slot, "not_ready", error.message)
        except CaptureAbandoned:
            return
        except CameraError as error:
            await self._advance(self.record.progress.count(failed=1))
            self._emit_failure(slot, error)
        else:
            if self._request.bulb_s is not None:
                self._prepared_s.append(shot.timing.shutter_ms / 1000)
            late_ms = _late_ms(shot, began, due)
            await self._advance(await self._ramp(slot, camera, shot, late_ms))
            self._emit_shot(slot, late_ms, [one.recorded for one in shot.files])

    async def _ramp(self, slot: int, camera: Session, shot: Shot, late_ms: float) -> Progress:
        """Measure a picture for the ramp, if the job has one. Returns the progress with this picture."""
        progress = self.record.progress.count(shots=1)
        if (ramping := self._ramping) is None:
            return progress
        used = ramping.settings
        measured = await ramping.measure(shot)
        if self._request.save:
            due_at = self._due_at(slot)
            line = line_of(slot, due_at, due_at + late_ms / 1000, used, measured)
            file = shot.files[0]
            await ramping.note(camera, self.record.job, {**line, "file": file.saved_path or file.file.path})
        return replace(progress, ramp=ramping.progress)

    def _capture(self, slot: int, due: float, began: float) -> CaptureRequest:
        """The request for the shot of a slot.

        Args:
            due: when it is due, in monotonic seconds.
            began: when the preparations begin.
        """
        request = self._request

        ready_at, needed_s = began, 0.0

        def needs(seconds: float) -> None:
            nonlocal needed_s
            needed_s = seconds

        async def ready() -> Release:
            nonlocal ready_at
            ready_at = time.monotonic()
            return Release(max(due, ready_at + needed_s + max(_SOON_S, _LEAD_FACTOR * self._arming_s)), due)

        def armed() -> None:
            now = time.monotonic()
            self._arming_s = now - ready_at
            self._prepared_s.append(now - began)

        key = key_of(self.record.job, slot)
        marks = {"fire": True} if request.bulb_s is None else {"bulb_s": request.bulb_s}
        exposure = {} if self._ramping is None else self._ramping.settings
        return CaptureRequest(
            settings={**request.settings, **exposure},
            download="none" if self._ramping is None else "thumbnail",
            save=request.save,
            filename=self._filename(slot),
            bulb_s=request.bulb_s,
            order=Order(key, text_of_slot(key, **marks)),
            # A bulb exposure is opened by the camera process as soon as the camera is ready.
            moment=None
            if request.bulb_s is not None
            else Moment(due + self._late_s, False, False, ready, armed, needs),
            wanted=self._is_wanted,
        )


def _late_ms(shot: Shot, began: float, due: float) -> float:
    """How much later than due the shutter was released, in milliseconds."""
    if shot.times is not None:
        return shot.times.commanded_ms
    return round((began - due) * 1000 + shot.timing.shutter_ms, 1)
