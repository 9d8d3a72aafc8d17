"""A run from the first to the last moment: start, crowd, chaos, calm, end, kill, and the judgement."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.booth import take_photos, turn_dials
from tests.soak.chaos import Chaos
from tests.soak.figures import Watch, given_back, look
from tests.soak.ledger import Ledger
from tests.soak.line import Cut, Line, Refused
from tests.soak.report import check_log, check_stalls, summary
from tests.soak.story import Story
from tests.soak.viewers import HABITS, Viewer
from tests.soak.visitors import ask_for_health, come_and_go
from tests.soak.world import World
from tests.support.waiting import until

_WARM_UP_S, _CALM_S = 5.0, 30.0
_FINISH_S = 240.0
_SETTLE_S = 1.0  # until the connections of those who looked are gone
_SHORT_MINUTES = 2.0
# Where the server is killed in the middle of a longer run, as parts of it; the last part is the longest.
_LEGS = (0.25, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `patience`: by how much the promised times are stretched."""

    minutes: float
    seed: int
    cameras: int
    patience: float

    def random(self, name: str) -> random.Random:
        """A generator of one actor's own, so that nobody's draws depend on who is faster."""
        return random.Random(f"{self.seed} {name}")


class Run:
    """One run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.story = Story()
        self.ledger = Ledger(self.story)
        self._plan, self._folder = plan, folder
        self._crowd: list[asyncio.Task[None]] = []
        self._kills = 0

    async def run(self) -> bool:
        """Whether every promise was kept; prints everything."""
        plan, story = self._plan, self.story
        story.tell(f"seed {plan.seed}, {plan.minutes:g} minutes, {plan.cameras} cameras, in {self._folder}")
        with World(self._folder, plan.cameras, story) as world:
            short = plan.minutes <= _SHORT_MINUTES
            chaos = Chaos(world, plan.random("chaos"), plan.patience, short)
            try:
                await self._main_part(world, chaos, short)
                await self._end_by_kill(world, chaos)
            except (TimeoutError, Refused, Cut) as error:
                story.violation(f"the run was given up: {error!r}")
            finally:
                for task in self._crowd:
                    task.cancel()
                if self._crowd:
                    await asyncio.wait(self._crowd)
            states = {camera.name: await camera.state() for camera in world.cameras}
            self.ledger.judge(states, world.served.photos, world.served.log, self._kills)
            check_log(story, world.served.log)
            check_stalls(story, world.served.stalls, plan.patience)
        print(summary(story, self.ledger, plan.seed), flush=True)
        return not story.broken

    async def _main_part(self, world: World, chaos: Chaos, short: bool) -> None:
        plan = self._plan
        await world.served.start()
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        await world.pause(_SETTLE_S)
        before = look(world)
        watch = Watch(world)
        self._enter(watch.look(), ask_for_health(world, plan.patience), come_and_go(world, plan.random("visitors")))
        self._enter(*(Viewer(world, camera, habit).watch() for camera in world.cameras for habit in HABITS))
        self._open_booths(world)
        for camera in world.cameras:
            rng = plan.random(f"dials {camera.name}")
            self._enter(turn_dials(world, camera, rng, plan.patience))
        await world.pause(_WARM_UP_S)
        self.story.tell("chaos begins")
        seconds = plan.minutes * 60
        legs = (1.0,) if short else _LEGS
        for number, leg in enumerate(legs):
            if number > 0:
                self._kills += 1
                await chaos.kill_server()
            await chaos.rage(seconds * leg)
        self.story.tell("calm")
        await self._everybody_works(world, chaos)
        await self._leave(world)
        watch.check()
        await self._restart_cameras(world)
        await given_back(world, before)
        await world.served.stop()
        self.story.tell("server ended by SIGTERM")

    async def _everybody_works(self, world: World, chaos: Chaos) -> None:
        """With every fault taken back, each camera takes photos and each viewer sees."""
        for camera in world.cameras:
            await camera.ask(lambda control: control.clear())
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        begun = len(self.ledger.captures)
        allowed = _CALM_S * self._plan.patience
        with suppress(TimeoutError):
            await until(lambda: not self._without_photo(world, begun), allowed)
        for name in self._without_photo(world, begun):
            self.story.violation(f"{name} took no photo in the {allowed:.0f} s after the faults")

    def _without_photo(self, world: World, begun: int) -> set[str]:
        done = {capture.camera for capture in self.ledger.captures[begun:] if capture.outcome == "done"}
        return {camera.name for camera in world.cameras} - done

    async def _restart_cameras(self, world: World) -> None:
        """A camera that is opened again forgets the pictures that it kept for clients."""
        line = await Line.connect(world, "operator")
        assert line is not None
        for camera in world.cameras:
            await line.ask("restart_camera", 60.0, port=camera.port)
        await line.close()

    async def _end_by_kill(self, world: World, chaos: Chaos) -> None:
        """SIGKILL in the middle of photos; a new server just works, and ends in order."""
        await world.served.start()
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        begun = len(self.ledger.captures)
        self._open_booths(world)
        await until(lambda: bool(self.ledger.captures[begun:]), _CALM_S)
        await world.pause(self._plan.random("last kill").uniform(0.0, 1.0))
        self._kills += 1
        await chaos.kill_server()
        await self._everybody_works(world, chaos)
        await self._leave(world)
        await world.served.stop()
        self.story.tell("server ended by SIGTERM")

    def _open_booths(self, world: World) -> None:
        for camera in world.cameras:
            rng = self._plan.random(f"booth {camera.name} {world.served.life}")
            self._enter(take_photos(world, camera, self.ledger, rng))

    def _enter(self, *actors: Coroutine[Any, Any, None]) -> None:
        self._crowd += [asyncio.create_task(actor) for actor in actors]

    async def _leave(self, world: World) -> None:
        """Have everybody finish what is under way and go."""
        world.stopping = True
        try:
            async with asyncio.timeout(_FINISH_S):
                await asyncio.gather(*self._crowd)
        finally:
            world.stopping = False
        self._crowd = []
        for camera in world.cameras:
            camera.last_frame.clear()
