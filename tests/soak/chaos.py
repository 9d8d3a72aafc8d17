"""The course of events: one fault after the other, each taken back and its camera seen to work again."""

from __future__ import annotations

import asyncio
import random
import time

from tests.soak.faults import READY_S, Blow, draw
from tests.soak.line import Cut, Line, Refused
from tests.soak.world import Camera, World
from tests.support.waiting import until

# How long the run goes on waiting for a camera that broke the promise, before it gives up.
_GIVE_UP_S = 180.0
_AGAIN_S = 0.1
_FRAMES_S = 10.0


class Chaos:
    """Strikes the cameras of a world.

    Args:
        patience: by how much the promised times are stretched, for machines that do other things meanwhile.
        short: leave out what takes minutes.
    """

    def __init__(self, world: World, rng: random.Random, patience: float, short: bool) -> None:
        self._world, self._rng, self._patience, self._short = world, rng, patience, short

    async def rage(self, seconds: float) -> None:
        """Strike for that long; every camera works again when this returns."""
        end = time.monotonic() + seconds
        victim, blows = None, list[Blow]()
        while time.monotonic() < end:
            if victim is None:
                await self._world.pause(self._rng.uniform(0.5, 2.5))
                victim = self._rng.choice(self._world.cameras)
            blows.append(await self._strike(victim))
            # Sometimes the next one comes before it has recovered.
            if self._rng.random() < 0.8 or time.monotonic() >= end:
                await self.recovered(victim, *blows)
                victim, blows = None, []

    async def _strike(self, camera: Camera) -> Blow:
        blow = await draw(self._world, camera, self._rng, self._short)
        hold = self._rng.uniform(0.3, 4.0) if blow.lasts else 0.0
        self._world.story.tell(f"{camera.name}: {blow.words}" + (f", for {hold:.1f} s" if hold else ""))
        self._world.story.faults[blow.kind] += 1
        camera.disturb()
        await blow.strike()
        await asyncio.sleep(hold)
        await blow.revert()
        return blow

    async def kill_server(self) -> None:
        """SIGKILL of the server, a new one, and both cameras at work again."""
        world = self._world
        world.story.tell("server: SIGKILL, and start")
        world.story.faults["SIGKILL of the server"] += 1
        for camera in world.cameras:
            camera.disturb()
        await world.served.kill()
        await world.served.start()
        await asyncio.gather(*(self.recovered(camera) for camera in world.cameras))

    async def recovered(self, camera: Camera, *blows: Blow) -> None:
        """See it answer a question and its viewers get frames, within what is promised after the worst of these faults."""
        story, began = self._world.story, time.monotonic()
        allowed = max((blow.ready_s for blow in blows), default=READY_S) * self._patience
        try:
            await self._answers(camera)
        except TimeoutError:
            story.violation(f"{camera.name} was not ready {_GIVE_UP_S:.0f} s after its last fault")
            raise
        ready = time.monotonic() - began
        if ready > allowed:
            words = " and ".join(blow.words for blow in blows) or "it had to be"
            story.violation(f"{camera.name} was ready {ready:.1f} s after {words}; promised are {allowed:.0f}")
        await self._frames_flow(camera, began)
        frames = time.monotonic() - began
        if frames - ready > _FRAMES_S * self._patience:
            story.violation(f"{camera.name}: a viewer had no frame until {frames - ready:.1f} s after it was ready")
        camera.calm()
        story.ready_after.append(ready)
        story.frames_after.append(frames)
        story.tell(f"{camera.name}: ready after {ready:.1f} s, all viewers after {frames:.1f} s")

    async def _answers(self, camera: Camera) -> None:
        async with asyncio.timeout(_GIVE_UP_S):
            while (line := await Line.connect(self._world, "prober")) is not None:
                try:
                    await line.ask("get_config", _GIVE_UP_S, port=camera.port, name="iso")
                    return
                except (Refused, Cut):
                    await asyncio.sleep(_AGAIN_S)
                finally:
                    await line.close()

    async def _frames_flow(self, camera: Camera, since: float) -> None:
        """Every viewer got a frame."""
        await until(lambda: all(last > since for last in camera.last_frame.values()), _GIVE_UP_S)
