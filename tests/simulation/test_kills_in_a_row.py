"""A server that is killed again and again learns the outcome of a lost shot nevertheless."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

from camera.errors import CaptureUnknown
from protocol import commands as c
from service.caller import Caller
from store.shots import ShotRecord
from tests.simulation.body import Traits
from tests.simulation.plan import Incident, Plan
from tests.simulation.world import World, run

pytestmark = pytest.mark.filterwarnings("ignore")  # about the coroutines of killed servers

CAMERA = Traits("ptpip:192.168.7.1", "11", 0.4, raw=False, to_ram=False, noise_reduction=False)
EVERY_S, KILLS = 20.0, 9


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without the logs of the simulated servers."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_the_search_for_a_lost_shot_ends_although_servers_are_killed() -> None:
    found: list[ShotRecord] = []

    async def live(world: World) -> None:
        world.bodies[0].fill(3)
        world.start_server()
        await asyncio.sleep(EVERY_S)
        world.faults.add(CAMERA.port, "unknown without release")
        # Twice the exposure may pass until its file is there, so one server alone is killed before the search ends.
        payload = c.CaptureImage(port=CAMERA.port, key="lost", settings={"shutterspeed": "30"})
        server = world.server
        assert server is not None
        with suppress(CaptureUnknown):
            await server.call(lambda: server.service.ask(Caller(lambda notice: None), "capture_image", payload))
        for _ in range(KILLS):
            await world.happen(Incident(at=EVERY_S, kind="kill", value=1))
        await asyncio.sleep(EVERY_S / 2)
        found.extend(await world.records())

    run(Plan(7, (CAMERA,), 3, (), ()), lambda *judged: [], live)
    assert [record.key for record in found] == ["lost"]
    assert found[0].outcome == "failed"
