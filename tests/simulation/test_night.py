"""A time-lapse of 24 hours with sunset and sunrise, through the real server under virtual time."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from PIL import Image

from camera.model import ConfigItem
from camera.orientation import Orientation
from protocol import commands as c
from service.caller import Caller, Notice
from service.jobs import ramping
from service.jobs.exposures import ev_of
from tests.simulation.body import BASE, Body, Release, Traits
from tests.simulation.plan import Plan
from tests.simulation.worker import ISO_VALUES, ModelWorker
from tests.simulation.world import World, run

pytestmark = pytest.mark.filterwarnings("ignore")  # about the coroutines of killed servers

INTERVAL_S, SLOTS = 60.0, 1440
SPEEDS = tuple(f"{2 ** (third / 3):.6f}" for third in range(-36, 13))  # 1/4096 s to 16 s
NOON_EV, MIDNIGHT_EV = 12.0, -4.0


def light(seconds: float) -> float:
    """The light in EV: day, a sunset after 6 h, a night, a sunrise after 18 h."""
    hours = seconds / 3600
    night = 1 / (1 + math.exp(-(hours - 6) * 4)) - 1 / (1 + math.exp(-(hours - 18) * 4))
    return NOON_EV + (MIDNIGHT_EV - NOON_EV) * night


class Day:
    """One day with a camera whose thumbnails show light and exposure."""

    def __init__(self) -> None:
        self.brightness: list[float] = []
        self.slots: list[dict[str, Any]] = []
        self.table: list[dict[str, str]] = []
        self.left: dict[str, str] = {}

    async def live(self, world: World) -> None:
        """Run the job to its end."""
        body = world.bodies[0]
        body.fill(0)
        world.start_server()
        server = world.server
        assert server is not None
        client = Caller(self._event)
        client.subscribed = {"job_shot"}
        server.events.join(client)
        payload = c.StartJob(
            kind="timelapse", port=body.traits.port, interval_s=INTERVAL_S, count=SLOTS,
            settings={"shutterspeed": SPEEDS[0]}, ramp=c.RampOptions(max_s=10.0, max_iso=1600),
        )  # fmt: skip
        with patch.object(ramping, "uptime_s", world.clock.uptime):
            await server.call(lambda: server.service.ask(Caller(lambda notice: None), "start_job", payload))
            while not (jobs := await world.jobs()) or jobs[0].state != "done":
                await _sleep(world, INTERVAL_S)
        self.left = dict(body.settings)
        text = (world.disk.photos / f"job-{jobs[0].job}.csv").read_text()
        self.table = list(csv.DictReader(text.splitlines()))

    def _event(self, notice: Notice) -> None:
        if notice.name == "job_shot":
            self.slots.append(dict(notice.values))

    def released(self, release: Callable[[Body, str], Release]) -> Callable[[Body, str], Release]:
        """Note how bright each picture is."""

        def released(body: Body, by: str) -> Release:
            made = release(body, by)
            speed, iso = ev_of("shutterspeed", body.settings["shutterspeed"]), ev_of("iso", body.settings["iso"])
            assert speed is not None
            assert iso is not None
            self.brightness.append(light(made.at) + speed + iso)
            return made

        return released

    async def thumbnail(self, worker: ModelWorker, path: str, orientation: Orientation) -> bytes:
        """The thumbnail of the last picture."""
        grey = 255 * (0.18 * 2 ** self.brightness[-1]) ** (1 / 2.2)
        data = io.BytesIO()
        Image.new("L", (16, 12), min(255, round(grey))).save(data, "JPEG", quality=95)
        return data.getvalue()


async def _sleep(world: World, seconds: float) -> None:
    done = world.loop.create_future()
    world.loop.call_later(seconds, done.set_result, None)
    await done


async def _at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


def _item(worker: ModelWorker, name: str) -> ConfigItem:
    choices = {"shutterspeed": SPEEDS, "iso": ISO_VALUES}.get(name, ())
    value = worker._body.settings[name]
    return ConfigItem(name, name, "radio" if choices else "text", value, False, choices)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without the logs of the simulated server."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_a_day_with_sunset_and_sunrise() -> None:
    day = Day()

    async def thumbnail(worker: ModelWorker, path: str, orientation: Orientation) -> bytes:
        return await day.thumbnail(worker, path, orientation)

    camera = Traits("ptpip:192.168.7.1", "11", 0.4, raw=False, to_ram=False, noise_reduction=False)
    with (
        patch.object(Body, "_released", day.released(Body._released)),
        patch.object(ModelWorker, "_thumbnail", thumbnail),
        patch.object(ModelWorker, "_item", _item),
        patch.object(asyncio, "to_thread", _at_once),
    ):
        result = run(Plan(7, (camera,), 0, (), ()), lambda *judged: [], day.live)
    assert result.violations == []
    assert [slot["n"] for slot in day.slots] == list(range(SLOTS))
    assert [slot for slot in day.slots if slot["status"] != "ok"] == []
    late = sorted(slot["late_ms"] for slot in day.slots)
    assert late[round(0.9 * SLOTS)] <= 20
    assert late[-1] < 2000  # the simulated disk is slow for a moment from time to time
    assert len(day.brightness) == SLOTS
    assert max(abs(after - before) for before, after in itertools.pairwise(day.brightness)) <= 0.4
    # The light changes by 16 EV.
    assert max(abs(one - day.brightness[0]) for one in day.brightness) <= 1.0
    assert day.left == BASE
    # No drift: the last picture is due exactly so many intervals after the first one.
    times = [c.seconds_of(line["due"]) for line in day.table]
    assert len(times) == SLOTS
    assert times[-1] - times[0] == pytest.approx((SLOTS - 1) * INTERVAL_S, abs=0.002)
    assert {line["iso"] for line in day.table} >= {"100", "200"}
