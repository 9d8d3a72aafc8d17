"""A complete run: start, clients, faults, recovery, stop, a kill during captures, and the final checks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.chaos import Chaos
from tests.soak.connection import Connection, ConnectionCut, ErrorReply, Json
from tests.soak.figures import UsageMonitor, check_released, measure
from tests.soak.journal import Journal
from tests.soak.ledger import Ledger
from tests.soak.pairing import Pairing
from tests.soak.records import all_shots
from tests.soak.report import check_log, check_stalls, summary
from tests.soak.users import change_settings, take_photos
from tests.soak.viewers import VIEWER_KINDS, Viewer
from tests.soak.visitors import poll_health, run_visitors
from tests.soak.world import World
from tests.support.waiting import until

_WARM_UP_S, _CALM_S = 5.0, 30.0
_FINISH_S = 240.0
_SETTLE_S = 1.0  # after this time, the connections that checked the cameras are closed
_SHORT_MINUTES = 2.0
# If a run takes longer than _SHORT_MINUTES, it is divided into these fractions. The server is killed between two parts.
_PARTS = (0.25, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run. `time_factor` is the factor for all promised times."""

    minutes: float
    seed: int
    cameras: int
    time_factor: float

    def random(self, name: str) -> random.Random:
        """The random generator of one actor. Its numbers do not depend on the timing of other actors."""
        return random.Random(f"{self.seed} {name}")


class Run:
    """One run in its own folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.journal = Journal()
        self.ledger = Ledger(self.journal)
        self._plan, self._folder = plan, folder
        self._clients: list[asyncio.Task[None]] = []
        self._kills = 0
        self._records: list[Json] = []

    async def run(self) -> bool:
        """Run all parts and print the results. Returns whether every promise was kept."""
        plan, journal = self._plan, self.journal
        journal.note(f"seed {plan.seed}, {plan.minutes:g} minutes, {plan.cameras} cameras, in {self._folder}")
        with World(self._folder, plan.cameras, journal) as world:
            short = plan.minutes <= _SHORT_MINUTES
            chaos = Chaos(world, plan.random("chaos"), plan.time_factor, short)
            try:
                await self._main_part(world, chaos, short)
                await self._end_by_kill(world, chaos)
            except (TimeoutError, ErrorReply, ConnectionCut) as error:
                journal.violation(f"the run was given up: {error!r}")
            finally:
                for task in self._clients:
                    task.cancel()
                if self._clients:
                    await asyncio.wait(self._clients)
            states = {camera.name: await camera.state() for camera in world.cameras}
            self.ledger.check_all(states, world.server.photos, world.server.log, self._kills)
            await self._check_pairs(world)
            check_log(journal, world.server.log)
            check_stalls(journal, world.server.stalls, plan.time_factor, world.server.stacks)
        print(summary(journal, self.ledger, plan.seed), flush=True)
        return not journal.broken

    async def _check_pairs(self, world: World) -> None:
        for camera in world.cameras:
            captures = [capture for capture in self.ledger.captures if capture.camera == camera.name]
            records = [record for record in self._records if record["port"] == camera.port]
            account = await camera.account(world.server.log)
            Pairing(self.journal, account, captures).check(records, camera.findings)

    async def _main_part(self, world: World, chaos: Chaos, short: bool) -> None:
        plan = self._plan
        await world.server.start()
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        await world.pause(_SETTLE_S)
        before = measure(world)
        watch = UsageMonitor(world)
        self._start_clients(
            watch.measure(), poll_health(world, plan.time_factor), run_visitors(world, plan.random("visitors"))
        )
        self._start_clients(*(Viewer(world, camera, kind).watch() for camera in world.cameras for kind in VIEWER_KINDS))
        self._open_booths(world)
        for camera in world.cameras:
            rng = plan.random(f"dials {camera.name}")
            self._start_clients(change_settings(world, camera, rng, plan.time_factor))
        await world.pause(_WARM_UP_S)
        self.journal.note("chaos begins")
        seconds = plan.minutes * 60
        parts = (1.0,) if short else _PARTS
        for number, part in enumerate(parts):
            if number > 0:
                self._kills += 1
                await chaos.kill_server()
            await chaos.inject_faults(seconds * part)
        self.journal.note("calm")
        await self._check_all_recovered(world, chaos)
        await self._stop_clients(world)
        watch.check()
        await self._restart_cameras(world)
        await check_released(world, before)
        await world.server.stop()
        self.journal.note("server ended by SIGTERM")

    async def _check_all_recovered(self, world: World, chaos: Chaos) -> None:
        """End all faults, and check that each camera takes a photo and each viewer gets frames."""
        for camera in world.cameras:
            await camera.ask(lambda control: control.clear())
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        first_index = len(self.ledger.captures)
        allowed = _CALM_S * self._plan.time_factor
        with suppress(TimeoutError):
            await until(lambda: not self._without_photo(world, first_index), allowed)
        for name in self._without_photo(world, first_index):
            self.journal.violation(f"{name} took no photo in the {allowed:.0f} s after the faults")

    def _without_photo(self, world: World, first_index: int) -> set[str]:
        done = {capture.camera for capture in self.ledger.captures[first_index:] if capture.outcome == "done"}
        return {camera.name for camera in world.cameras} - done

    async def _restart_cameras(self, world: World) -> None:
        """Restart all cameras, so that the server releases the pictures that it keeps for downloads."""
        connection = await Connection.connect(world, "operator")
        assert connection is not None
        for camera in world.cameras:
            await connection.ask("restart_camera", 60.0, port=camera.port)
        await connection.close()

    async def _end_by_kill(self, world: World, chaos: Chaos) -> None:
        """Kill the server during captures. Check that a new server works and stops cleanly."""
        await world.server.start()
        await asyncio.gather(*(chaos.recovered(camera) for camera in world.cameras))
        first_index = len(self.ledger.captures)
        self._open_booths(world)
        await until(lambda: bool(self.ledger.captures[first_index:]), _CALM_S)
        await world.pause(self._plan.random("last kill").uniform(0.0, 1.0))
        self._kills += 1
        await chaos.kill_server()
        await self._check_all_recovered(world, chaos)
        await self._stop_clients(world)
        self._records = await all_shots(world)
        await world.server.stop()
        self.journal.note("server ended by SIGTERM")

    def _open_booths(self, world: World) -> None:
        for camera in world.cameras:
            rng = self._plan.random(f"booth {camera.name} {world.server.restarts}")
            self._start_clients(take_photos(world, camera, self.ledger, rng))

    def _start_clients(self, *actors: Coroutine[Any, Any, None]) -> None:
        self._clients += [asyncio.create_task(actor) for actor in actors]

    async def _stop_clients(self, world: World) -> None:
        """Let all clients finish their requests and disconnect."""
        world.stopping = True
        try:
            async with asyncio.timeout(_FINISH_S):
                await asyncio.gather(*self._clients)
        finally:
            world.stopping = False
        self._clients = []
        for camera in world.cameras:
            camera.last_frame.clear()
