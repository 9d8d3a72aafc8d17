"""A focus stack: pictures with the focus in steps from near to far."""

from __future__ import annotations

from dataclasses import replace

from camera.errors import CameraError, LiveViewNeeded
from camera.model import FocusMove, Frame
from camera.orientation import AS_IS
from camera.photos.request import CaptureRequest
from camera.photos.room import Room
from camera.session import Session
from protocol import commands as c
from protocol.errors import explain
from service.jobs.job import Tools
from service.jobs.series import Series
from service.jobs.status import slots_of
from store.jobs import JobRecord, JobState


class _NoViewer:
    """Keeps live view on, because many cameras move the focus only in live view. Its frames are dropped."""

    fps = 1.0
    orientation = AS_IS

    def offer(self, frame: Frame) -> None:
        """Drop a frame."""

    def ended(self, reason: str) -> None:
        """Do nothing; live view is asked for again before the next step."""


class FocusStack(Series):
    """A focus stack that has not ended.

    Each step is recorded before the focus moves. So after a kill, a picture can be there twice, but none is missing.
    """

    def __init__(self, record: JobRecord, request: c.StartJob, tools: Tools, room: Room | None = None) -> None:
        super().__init__(record, request, tools, room)
        self._viewer = _NoViewer()
        self._viewed: Session | None = None

    async def _prepare(self, slot: int, camera: Session) -> bool:
        progress, request = self.record.progress, self._request
        if progress.moves < slot:
            assert request.steps is not None, "it is given"
            planned = replace(progress, moves=slot, moved=progress.moved + request.steps)
            await self._advance(planned)
            move = await self._drive(camera, request.steps)
            await self._advance(replace(planned, moved=progress.moved + move.moved))
            if move.at_limit and move.moved < request.steps:
                taken, ordered = progress.next, slots_of(request, self.record.starts_at)
                await self._end("done", f"The lens is at its limit after {taken} of {ordered} pictures.")
                return False
        await self._wait_for_change(request.settle_ms / 1000)
        return self._is_wanted()

    def _capture(self, slot: int) -> CaptureRequest:
        return self._shot(slot, self._request.settings)

    async def _drive(self, camera: Session, steps: int) -> FocusMove:
        """Move the focus, with live view if the camera needs it. Raises CameraError."""
        for again in (True, False):
            async with camera.in_movie() as remote:
                try:
                    return await remote.drive_focus(steps, self._request.size)
                except LiveViewNeeded:
                    if not again:
                        raise
            await camera.live.add(self._viewer, _nothing)
            self._viewed = camera
        raise AssertionError("it has returned or raised")

    async def _end(self, state: JobState, message: str) -> None:
        """Move the focus back, and end the job."""
        if self._request.back and self.record.progress.moved:
            try:
                await self._move_back()
            except CameraError as error:
                message = f"{message} The focus was not moved back: {explain(error)}".strip()
        if self._viewed is not None:
            self._viewed.live.remove(self._viewer)
        await self._enter(state, message)

    async def _move_back(self) -> None:
        """Move the focus to where it was before the first picture. Raises CameraError."""
        camera = self._tools.camera(self.record)
        assert self._request.steps is not None, "it is given"
        while camera is not None and (moved := self.record.progress.moved):
            steps = min(moved, self._request.steps)
            await self._advance(replace(self.record.progress, moved=moved - steps))
            await self._drive(camera, -steps)


async def _nothing() -> None:
    pass
