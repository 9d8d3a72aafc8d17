"""Inject faults one after the other, revert each fault, and check that the camera works again."""

from __future__ import annotations

import asyncio
import random
import time

from tests.soak.connection import Connection, ConnectionCut, ErrorReply
from tests.soak.faults import READY_S, Fault, draw_fault
from tests.soak.world import Camera, World
from tests.support.waiting import until

# If a camera does not work after this time, the run is aborted. The promised times are shorter.
_GIVE_UP_S = 180.0
_RETRY_S = 0.1
_FRAMES_S = 10.0


class Chaos:
    """Injects faults into the cameras of a world.

    Args:
        time_factor: the factor for all promised times, for machines that run other programs at the same time.
        short: whether to exclude faults that take minutes.
    """

    def __init__(self, world: World, rng: random.Random, time_factor: float, short: bool) -> None:
        self._world, self._rng, self._time_factor, self._short = world, rng, time_factor, short

    async def inject_faults(self, seconds: float) -> None:
        """Inject faults for `seconds`. Returns when every camera works again."""
        end = time.monotonic() + seconds
        camera, faults = None, list[Fault]()
        while time.monotonic() < end:
            if camera is None:
                await self._world.pause(self._rng.uniform(0.5, 2.5))
                camera = self._rng.choice(self._world.cameras)
            faults.append(await self._inject(camera))
            # Sometimes, the next fault is injected although the camera has not recovered.
            if self._rng.random() < 0.8 or time.monotonic() >= end:
                await self.recovered(camera, *faults)
                camera, faults = None, []

    async def _inject(self, camera: Camera) -> Fault:
        fault = await draw_fault(self._world, camera, self._rng, self._short)
        hold = self._rng.uniform(0.3, 4.0) if fault.lasts else 0.0
        self._world.journal.note(f"{camera.name}: {fault.words}" + (f", for {hold:.1f} s" if hold else ""))
        self._world.journal.faults[fault.kind] += 1
        camera.disturb()
        await fault.inject()
        await asyncio.sleep(hold)
        await fault.revert()
        return fault

    async def kill_server(self) -> None:
        """Kill the server with SIGKILL, start a new one, and wait until all cameras work again."""
        world = self._world
        world.journal.note("server: SIGKILL, and start")
        world.journal.faults["SIGKILL of the server"] += 1
        for camera in world.cameras:
            camera.disturb()
        await world.server.kill()
        await world.server.start()
        await asyncio.gather(*(self.recovered(camera) for camera in world.cameras))

    async def recovered(self, camera: Camera, *faults: Fault) -> None:
        """Wait until the camera replies and its viewers get frames. Exceeding the promised time is a violation."""
        journal, began = self._world.journal, time.monotonic()
        allowed = max((fault.ready_s for fault in faults), default=READY_S) * self._time_factor
        try:
            await self._wait_for_reply(camera)
        except TimeoutError:
            journal.violation(f"{camera.name} was not ready {_GIVE_UP_S:.0f} s after its last fault")
            raise
        ready = time.monotonic() - began
        if ready > allowed:
            words = " and ".join(fault.words for fault in faults) or "it had to be"
            journal.violation(f"{camera.name} was ready {ready:.1f} s after {words}; promised are {allowed:.0f}")
        await self._wait_for_frames(camera, began)
        frames = time.monotonic() - began
        if frames - ready > _FRAMES_S * self._time_factor:
            journal.violation(f"{camera.name}: a viewer had no frame until {frames - ready:.1f} s after it was ready")
        camera.end_disturbance()
        journal.ready_after.append(ready)
        journal.frames_after.append(frames)
        journal.note(f"{camera.name}: ready after {ready:.1f} s, all viewers after {frames:.1f} s")

    async def _wait_for_reply(self, camera: Camera) -> None:
        async with asyncio.timeout(_GIVE_UP_S):
            while (connection := await Connection.connect(self._world, "prober")) is not None:
                try:
                    await connection.ask("get_config", _GIVE_UP_S, port=camera.port, name="iso")
                    return
                except (ErrorReply, ConnectionCut):
                    await asyncio.sleep(_RETRY_S)
                finally:
                    await connection.close()

    async def _wait_for_frames(self, camera: Camera, since: float) -> None:
        """Wait until every viewer of the camera has received a frame after the time `since` (monotonic seconds)."""
        await until(lambda: all(last > since for last in camera.last_frame.values()), _GIVE_UP_S)
