"""A shot whose outcome is not known: its card is looked at, and what is found is told, also by the next server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from simulator.client import Control
from tests.faults.processes import camera_process
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import WITHIN_S, until

SPARE = 2  # the camera that the shared server does not have
CAPTURE, FULL_PRESS, RELEASE = "0x9128", 1, "0x9129"
FIRST = "/store_00020001/DCIM/100CANON/IMG_0001.JPG"


@pytest.fixture
def server(new_server: Callable[..., Server], simulator: Control, ports: list[str]) -> Server:
    """A server of the test's own on the spare camera."""
    return new_server(NETWORK_CAMERAS=ports[SPARE], RESTART_DELAY="0.3")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of it."""
    async with await Client.connect(server) as client:
        yield client


async def details(client: Client) -> Json:
    """What is known of the camera, once its card was read."""
    async with asyncio.timeout(WITHIN_S):
        while "file_count" not in (told := await client.command("get_camera_info")):
            pass
    return told


async def shoot_into_the_void(client: Client, server: Server, simulator: Control, port: str) -> None:
    """A shot that is taken while its camera process dies."""
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=1, camera=SPARE)
    shooting = asyncio.create_task(client.command("capture_image"))
    await until(lambda: simulator.state(SPARE)["shots"] == 1)
    (await camera_process(server.process.pid, port)).kill()
    with pytest.raises(CommandError, match="capture_unknown"):
        await shooting


async def test_the_file_of_a_shot_is_found_and_told(
    client: Client, server: Server, simulator: Control, ports: list[str]
) -> None:
    await details(client)
    await client.command("subscribe", events=["capture_checked"])
    await shoot_into_the_void(client, server, simulator, ports[SPARE])
    event = await client.event("capture_checked")
    assert event["files"] == [FIRST]
    assert FIRST in event["message"]
    assert (await details(client))["last_unknown_capture"]["files"] == [FIRST]
    assert (await client.command("download_last_image"))["camera_filepath"] == FIRST


async def test_a_shot_right_after_it_is_not_taken_for_it(
    client: Client, server: Server, simulator: Control, ports: list[str]
) -> None:
    await details(client)
    await client.command("subscribe", events=["capture_checked"])
    await shoot_into_the_void(client, server, simulator, ports[SPARE])
    second = await client.command("capture_image")
    assert (await client.event("capture_checked"))["files"] == [FIRST]
    assert second["camera_filepath"].endswith("IMG_0002.JPG")


@pytest.mark.parametrize("refusal", [("busy", {}), ("code", {"code": 0x2005}), ("code", {"code": 0x200C})], ids=str)
async def test_what_is_refused_after_the_shutter_is_no_shot_that_did_not_fire(
    client: Client, simulator: Control, refusal: tuple[str, dict[str, int]]
) -> None:
    await details(client)
    await client.command("subscribe", events=["capture_checked"])
    kind, arguments = refusal
    simulator.fault(kind, RELEASE, camera=SPARE, times=1, **arguments)
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.command("capture_image")
    assert simulator.state(SPARE)["shots"] == 1
    assert (await client.event("capture_checked"))["files"] == [FIRST]


async def test_a_camera_that_never_fired_has_nothing_to_find(
    client: Client, server: Server, simulator: Control
) -> None:
    await details(client)
    await client.command("subscribe", events=["capture_checked"])
    simulator.fault("silent", CAPTURE, after=FULL_PRESS, camera=SPARE)
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.command("capture_image")
    event = await client.event("capture_checked")
    assert (event["files"], simulator.state(SPARE)["shots"]) == ([], 0)


async def test_a_server_that_was_killed_in_the_middle_of_a_shot_has_it_looked_for_by_the_next(
    client: Client, server: Server, simulator: Control, ports: list[str], new_server: Callable[..., Server]
) -> None:
    await details(client)
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=1, camera=SPARE)
    await client.socket.send(json.dumps({"command": "capture_image"}))
    await until(lambda: simulator.state(SPARE)["shots"] == 1)
    server.kill()
    async with await Client.connect(new_server(NETWORK_CAMERAS=ports[SPARE])) as later:
        assert (await details(later))["last_unknown_capture"]["files"] == [FIRST]
        (await later.command("capture_image"))
    async with await Client.connect(new_server(NETWORK_CAMERAS=ports[SPARE])) as last:
        assert "last_unknown_capture" not in await details(last)


async def test_a_state_folder_that_cannot_be_written_to_stops_no_shot(
    new_server: Callable[..., Server], simulator: Control, ports: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    server = new_server(NETWORK_CAMERAS=ports[SPARE], STATE_DIR=str(tmp_path / "file"))
    async with await Client.connect(server) as client:
        assert (await client.command("capture_image"))["status"] == "ok"
    server.wait_for_log("Shots in progress could not be recorded")
