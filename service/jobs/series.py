"""Shots one after the other, as soon as the camera can take them."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping

from camera.errors import CameraBusy, CameraDisconnected, CameraError, CaptureAbandoned
from camera.model import BurstLength
from camera.photos.open_shot import Order
from camera.photos.request import CaptureRequest
from camera.session import Session
from camera.values import WantedValue
from service.jobs.job import Job, key_of
from service.jobs.status import slots_of
from service.orders import text_of_slot
from service.slots import NextSlot

# How long to wait before the camera is asked again, if it is away or in use, in seconds.
_AGAIN_S = 1.0


class Series(Job):
    """A series of shots that has not ended. A shot that fails is counted, and the series goes on."""

    @property
    def next_slot(self) -> NextSlot | None:
        """The next shot, for which the camera has to be free at once."""
        if self.record.state not in ("scheduled", "running") or self._stopped:
            return None
        return NextSlot(self.record.job, time.time(), 0.0)

    def _is_over(self, slot: int) -> bool:
        return slot >= slots_of(self._request, self.record.starts_at)

    def _due_at(self, slot: int) -> float:
        return time.time()

    async def _go_on(self, slot: int) -> None:
        if self._paused:
            await self._wait_for_change(_AGAIN_S)
            return
        camera = self._tools.camera(self.record)
        if camera is None or not camera.reconnect.connected:
            await self._wait_for_camera()
            return
        await self._enter("running", self._room_message)
        try:
            if await self._prepare(slot, camera):
                await self._shoot(slot, camera)
        except (CameraBusy, CameraDisconnected):  # before anything was done
            await self._wait_for_camera()

    async def _wait_for_camera(self) -> None:
        await self._enter("waiting", "The camera is away or in use.")
        await self._wait_for_change(_AGAIN_S)

    async def _prepare(self, slot: int, camera: Session) -> bool:
        """Prepare the next shot. Returns whether it is taken; otherwise, the job has ended.

        Raises:
            CameraBusy, CameraDisconnected: this is repeated.
        """
        return True

    async def _shoot(self, slot: int, camera: Session) -> None:
        try:
            shot = await camera.photos.capture(self._capture(slot), lambda shot, picture: None)
        except CaptureAbandoned:
            return
        except CameraError as error:
            if isinstance(error, CameraBusy | CameraDisconnected) and error.shot is None:
                raise
            await self._advance(self.record.progress.count(failed=1))
            self._emit_failure(slot, error)
        else:
            await self._advance(self.record.progress.count(shots=1))
            self._emit_shot(slot, None, [one.recorded for one in shot.files])

    @abstractmethod
    def _capture(self, slot: int) -> CaptureRequest:
        """The request for a shot."""

    def _shot(self, slot: int, settings: Mapping[str, WantedValue], burst: BurstLength | None = None) -> CaptureRequest:
        """The request for a shot, or for a burst, with settings that are restored after it."""
        key = key_of(self.record.job, slot)
        marks = {} if burst is None else {"frames": burst.frames}
        return CaptureRequest(
            settings=settings,
            save=self._request.save,
            filename=self._filename(slot),
            order=Order(key, text_of_slot(key, **marks)),
            burst=burst,
            wanted=self._is_wanted,
        )
