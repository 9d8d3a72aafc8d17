"""The shutter is closed at the end of a bulb exposure, whatever happens to the server and its camera process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.exposure.exposures import MAKERS, start
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until, until_answers


@pytest.fixture(scope="module", params=MAKERS)
def shared_camera(request: pytest.FixtureRequest) -> Iterator[OneCamera]:
    """One camera of each kind. Each test has its own server for it."""
    with one_camera(*MAKERS[request.param]) as camera:
        yield camera


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state."""
    with in_factory_state(shared_camera.process):
        yield shared_camera


async def test_the_end_of_the_server_closes_the_shutter(new_server: Callable[..., Server], camera: OneCamera) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("subscribe", events=["exposure_started"])
        await start(client)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        await until(lambda: not camera.control.state()["shutter_held"])
        assert await stopping == 0


async def test_the_kill_of_the_server_closes_the_shutter(new_server: Callable[..., Server], camera: OneCamera) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("subscribe", events=["exposure_started"])
        await client.info_with_card()
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        await asyncio.to_thread(server.kill)
    await until(lambda: not camera.control.state()["shutter_held"])
    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    again = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(again) as client:
        await until_answers(lambda: outcome_known(client))
        (shot,) = (await client.command("list_shots"))["shots"]
        assert [file["camera_filepath"] for file in shot["files"]] == [camera.control.state()["files"][-1]["path"]]
    assert camera.control.state()["properties"]["shutterspeed"] != "bulb"


async def outcome_known(client: Client) -> bool:
    shots = (await client.command("list_shots"))["shots"]
    return len(shots) == 1 and shots[0]["outcome"] is not None


async def test_after_the_kill_of_a_camera_process_the_next_one_closes_the_shutter(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    speed = camera.control.state()["properties"]["shutterspeed"]
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["exposure_started", "exposure_ended", "capture_checked"])
        await client.info_with_card()
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        process.kill()
        with pytest.raises(CommandError, match="capture_unknown"):
            await client.reply()
        ended = await client.event("exposure_ended")
        assert ended["aborted"]
        assert not camera.control.state()["shutter_held"]
        checked = await client.event("capture_checked")
    assert checked["files"] == [file["path"] for file in camera.control.state()["files"]]
    assert "differs from the requested one" in checked["message"]
    await until(lambda: camera.control.state()["properties"]["shutterspeed"] == speed)


async def test_the_kill_of_the_template_process_does_not_disturb_the_exposure(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["exposure_started"])
        await start(client, bulb_s=1.0)
        process = await camera_process(server.process.pid, camera.port)
        psutil.Process(process.ppid()).kill()
        assert (await client.reply())["camera_filepath"] == camera.control.state()["files"][-1]["path"]
        assert process.is_running()
        assert (await client.command("get_config", name="iso"))["status"] == "ok"


async def test_after_the_kill_of_both_the_next_server_closes_the_shutter(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("subscribe", events=["exposure_started"])
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        process.kill()
        await asyncio.to_thread(server.kill)
    assert camera.control.state()["shutter_held"]
    again = new_server(NETWORK_CAMERAS=camera.port)
    again.wait_for_log("Shutter button released")
    assert not camera.control.state()["shutter_held"]
