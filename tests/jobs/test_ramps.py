"""Time-lapses whose exposure follows the light, on simulated cameras whose thumbnails show light and exposure."""

from __future__ import annotations

import asyncio
import csv
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.jobs.exposures import ev_of
from tests.jobs.orders import ended, start
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until

# The light at which the usual picture is right with 1/125 s, f/5.6 and ISO 100.
LIGHT = 12.0
RAMP = {"max_s": 0.125, "ev_per_hour": 50_000.0}


@dataclass(frozen=True)
class Place:
    """A camera in daylight, a server, and a client that gets the events of jobs."""

    camera: OneCamera
    server: Server
    client: Client


@pytest.fixture
async def place(own_camera: Callable[..., OneCamera], new_server: Callable[..., Server]) -> AsyncIterator[Place]:
    """A camera in daylight with a server."""
    camera = own_camera(*QUICK)
    camera.control.light((0, LIGHT))
    server = new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1")
    async with await Client.connect(server) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["job_state", "job_shot"])
        yield Place(camera, server, client)


def table(folder: Path, job: int) -> list[dict[str, str]]:
    """The lines of the table of a job."""
    with open(folder / "photos" / f"job-{job}.csv", newline="") as file:
        return list(csv.DictReader(file))


def exposures(camera: OneCamera) -> list[float]:
    """The exposures of all shots in EV, relative to 1 s and ISO 100."""
    found = []
    for release in camera.control.releases():
        used = [ev_of(name, str(release["settings"][name])) for name in ("shutterspeed", "iso")]
        found.append(sum(one for one in used if one is not None))
    return found


async def test_a_sunset_and_the_night_after_it(place: Place, tmp_path: Path) -> None:
    camera, client, light = place.camera, place.client, LIGHT
    frames, plateau = 22, 7
    job = await start(client, interval_s=0.8, count=frames, ramp=RAMP)
    for _ in range(frames - plateau):
        await client.event(lambda event: event.get("status") is not None)
        light -= 0.25
        camera.control.light((0, light))
    status = await ended(client, job)
    lines = table(tmp_path, job)
    assert len(lines) == status["shots"]
    measured = [float(line["measured_ev"]) for line in lines]
    used = exposures(camera)
    assert max(abs(after - before) for before, after in itertools.pairwise(measured)) <= 0.4
    # The light fell by more than the shutter speed alone could follow, and the exposure followed it.
    assert max(abs(one - measured[0]) for one in measured) <= 1.0
    assert used[-1] - used[0] > 2.0
    assert used == sorted(used)  # no changes to and fro, also on the plateau
    assert [line["shutterspeed"] for line in lines] == [
        one["settings"]["shutterspeed"] for one in camera.control.releases()
    ]
    assert all(Path(line["file"]).exists() and line["due"] and line["taken"] for line in lines)
    assert (await client.command("get_config", name="shutterspeed"))["value"] == "1/125"


async def test_a_ramp_goes_on_after_a_kill(place: Place, new_server: Callable[..., Server]) -> None:
    camera = place.camera
    job = await start(place.client, interval_s=0.8, count=500, ramp=RAMP)
    await place.client.event("job_shot")
    camera.control.light((0, LIGHT - 3))
    await until(lambda: exposures(camera)[-1] - exposures(camera)[0] > 1.4)
    place.server.kill()
    taken = camera.control.state()["shots"]
    darker = exposures(camera)[-1]
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1"))
    await until(lambda: camera.control.state()["shots"] > taken + 1)
    async with await Client.connect(server) as client:
        await client.command("stop_job", job=job)
        assert (await client.command("get_config", name="shutterspeed"))["value"] == "1/125"
    assert min(exposures(camera)[taken:]) >= darker - 0.4


@pytest.mark.parametrize(
    ("ramp", "code"),
    [
        ({"max_s": 5}, "invalid_payload"),
        ({"min_s": 0.5, "max_s": 0.1}, "invalid_payload"),
        ({"max_s": 0.1, "order": ["iso", "iso"]}, "invalid_payload"),
        ({"max_s": 0.1, "fast": True}, "invalid_payload"),
        ({"max_s": 1e-5, "min_s": 1e-5}, "invalid_value"),
    ],
)
async def test_an_impossible_ramp_is_refused(client: Client, ramp: Json, code: str) -> None:
    with pytest.raises(CommandError) as error:
        await start(client, count=1, interval_s=1.0, ramp=ramp)
    assert error.value.code == code
