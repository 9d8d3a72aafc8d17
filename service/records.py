"""The records of shots, and the cameras that took these shots."""

from __future__ import annotations

from contextlib import suppress

from camera.errors import CameraDisconnected, CameraError
from camera.session import Session
from service.cameras import Cameras
from store.database import StoreUnavailable
from store.shots import ShotRecord, ShotStore


class Records:
    """Finds the outcome and the camera of a recorded shot.

    Args:
        cameras: selection of cameras.
        shots: the records of shots.
    """

    def __init__(self, cameras: Cameras, shots: ShotStore) -> None:
        self._cameras = cameras
        self._shots = shots

    async def with_outcome(self, record: ShotRecord) -> ShotRecord:
        """The record, after its outcome was determined, if that is possible now."""
        if record.outcome is not None:
            return record
        with suppress(CameraError):
            photos = (await self.camera_of(record)).photos
            await photos.settle()
            await photos.write_outcomes()
        with suppress(StoreUnavailable):  # then the outcome stays unknown
            return await self._shots.get(record.shot) or record
        return record

    async def camera_of(self, record: ShotRecord) -> Session:
        """The camera of a shot: not the selected one, and perhaps on another port than during the shot.

        Raises:
            CameraDisconnected: it is not connected.
        """

        def found() -> Session | None:
            known = self._cameras.registry.known
            return next((one for one in known if one.photos.camera_number == record.camera), None)

        if found() is None:  # perhaps it was not opened since the start of the server
            with suppress(CameraError):
                await (await self._cameras.registry.by_port(record.port)).photos.settle()
        if (camera := found()) is None:
            raise CameraDisconnected("The camera of that shot is not connected.")
        return camera
