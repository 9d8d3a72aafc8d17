"""The commands that start and stop movies."""

from __future__ import annotations

import asyncio

from protocol import commands as c
from service.caller import Caller
from service.cameras import Cameras
from service.slots import Slots
from service.tasks import Tasks


class MovieCommands:
    """Starts and stops movies. A movie belongs to no connection.

    Args:
        cameras: selection of cameras.
        tasks: runs the starts and stops, which continue if their callers disconnect.
        slots: the next slots of jobs.
    """

    def __init__(self, cameras: Cameras, tasks: Tasks, slots: Slots) -> None:
        self._cameras = cameras
        self._slots = slots
        self._tasks = tasks

    async def start_movie(self, caller: Caller, payload: c.StartMovie) -> c.MovieInfo:
        camera = await self._cameras.chosen(payload.port, caller.selected)
        self._slots.check(camera, payload.force, payload.max_s)
        movie, shot = await asyncio.shield(self._tasks.start(camera.start_movie(payload.max_s)))
        return c.MovieInfo(
            message="Movie started", max_s=movie.max_s, started_at=movie.started_at, ends_at=movie.ends_at, shot=shot
        )

    async def stop_movie(self, caller: Caller, payload: c.CameraPayload) -> c.MovieStopped:
        camera = await self._cameras.chosen(payload.port, caller.selected)
        movie = await asyncio.shield(self._tasks.start(camera.stop_movie()))
        late = "The camera has not written the file in time. Wait for the event file_added, or look at get_shot later."
        return c.MovieStopped(
            message=f"Movie of {movie.recorded_s:.1f} s recorded",
            files=[c.ImageFile.of(file) for file in movie.files],
            recorded_s=movie.recorded_s,
            shot=movie.number,
            warnings=None if movie.files else [late],
        )
