"""Whatever interrupts a burst: the button is released, the pictures are found, and the drive mode is restored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.burst.cameras import CANON
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until, until_answers

EVENTS = ["capture_checked", "camera_state"]


@pytest.fixture(scope="module")
def shared_camera() -> Iterator[OneCamera]:
    """A camera whose memory and card are quick. Each test has its own server for it."""
    with one_camera(*CANON) as camera:
        yield camera


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state."""
    with in_factory_state(shared_camera.process):
        yield shared_camera


async def start(client: Client, camera: OneCamera, **length: int) -> None:
    """Start a burst with the id "burst", and wait until the button is held and two pictures are taken."""
    await client.command("subscribe", events=EVENTS)
    await client.info_with_card()
    await client.socket.send(json.dumps({"command": "capture_burst", "id": "burst", "payload": length}))
    await until(lambda: camera.control.state()["button_held"] and len(camera.control.releases()) > 1)


async def at_rest(client: Client) -> None:
    """Wait until the only shot has an outcome."""

    async def known() -> bool:
        (shot,) = (await client.command("list_shots"))["shots"]
        return bool(shot["state"] == "closed")

    await until_answers(known)


def released(camera: OneCamera) -> bool:
    state = camera.control.state()
    return not state["button_held"] and not state["focus"]["half_pressed"]


def assert_complete(camera: OneCamera, files: list[str]) -> None:
    state = camera.control.state()
    assert sorted(files) == sorted(file["path"] for file in state["files"])
    assert len(files) == len(camera.control.releases())
    assert state["properties"]["drivemode"] == "Single"


LENGTHS = pytest.mark.parametrize("length", [{"frames": 100}, {"hold_ms": 10_000}])


@LENGTHS
async def test_the_kill_of_the_camera_process(
    new_server: Callable[..., Server], camera: OneCamera, length: dict[str, int]
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client, camera, **length)
        (await camera_process(server.process.pid, camera.port)).kill()
        with pytest.raises(CommandError, match="capture_unknown"):
            await client.reply()
        checked = await client.event("capture_checked")
        assert released(camera)
        assert "It was interrupted" in checked["message"]
        await at_rest(client)
        (shot,) = (await client.command("list_shots"))["shots"]
        assert shot["outcome"] == "done"
        assert_complete(camera, checked["files"])
        assert checked["files"] == [file["camera_filepath"] for file in shot["files"]]
        assert (await client.command("capture_image"))["camera_filepath"] not in checked["files"]


@LENGTHS
async def test_the_end_of_the_server(
    new_server: Callable[..., Server], camera: OneCamera, length: dict[str, int]
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client, camera, **length)
        assert await asyncio.to_thread(server.stop) == 0
    assert released(camera)
    again = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(again) as client:
        await at_rest(client)
        (shot,) = (await client.command("list_shots"))["shots"]
        assert_complete(camera, [file["camera_filepath"] for file in shot["files"]])


@LENGTHS
async def test_the_kill_of_the_server(
    new_server: Callable[..., Server], camera: OneCamera, length: dict[str, int]
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client, camera, **length)
        process = await camera_process(server.process.pid, camera.port)
        await asyncio.to_thread(server.kill)
    await until(lambda: released(camera))
    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    again = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(again) as client:
        await at_rest(client)
        (shot,) = (await client.command("list_shots"))["shots"]
        assert shot["outcome"] == "done"
        assert_complete(camera, [file["camera_filepath"] for file in shot["files"]])


async def test_after_the_kill_of_both_the_next_server_releases_the_button(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client, camera, hold_ms=10_000)
        process = await camera_process(server.process.pid, camera.port)
        process.kill()
        await asyncio.to_thread(server.kill)
    assert not released(camera)
    again = new_server(NETWORK_CAMERAS=camera.port)
    again.wait_for_log("Shutter button released")
    assert released(camera)


@LENGTHS
async def test_the_loss_of_the_connection(
    new_server: Callable[..., Server], camera: OneCamera, length: dict[str, int]
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client, camera, **length)
        camera.control.fault("drop")
        with pytest.raises(CommandError, match="capture_unknown"):
            await client.reply()
        checked = await client.event("capture_checked")
        assert released(camera)
        await at_rest(client)
        assert_complete(camera, checked["files"])
