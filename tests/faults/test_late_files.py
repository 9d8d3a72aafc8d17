"""The camera writes a file long after the release. In between, the camera process or the server is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until

WRITING_S = "2.5"
FIRST, SECOND = (f"/store_00020001/DCIM/100CANON/IMG_000{number}.JPG" for number in (1, 2))


@pytest.fixture
def slow_camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """A camera that writes a file to the card 2.5 s after the release."""
    return own_camera(*QUICK[:-1], WRITING_S)


@pytest.fixture
def control(slow_camera: OneCamera) -> Control:
    """The control port of the slow camera."""
    return slow_camera.control


@pytest.fixture
def start(new_server: Callable[..., Server], slow_camera: OneCamera) -> Callable[[], Server]:
    """A function that starts a server for the slow camera. All servers of a test use the same state folder."""
    return lambda: new_server(NETWORK_CAMERAS=slow_camera.port, RESTART_DELAY="0.3", WRITE_TIME="10")


async def test_the_next_shot_does_not_get_the_file_of_a_shot_whose_process_was_lost(
    start: Callable[[], Server], control: Control
) -> None:
    server = start()
    async with await Client.connect(server) as guest, await Client.connect(server) as other:
        port = (await guest.info_with_card())["port"]
        await other.command("subscribe", events=["capture_checked"])
        shot = asyncio.create_task(guest.command("capture_image", key="guest"))
        await until(lambda: control.state()["shots"] == 1)
        (await camera_process(server.process.pid, port)).kill()
        with pytest.raises(CommandError, match="capture_unknown"):
            await shot
        assert (await other.command("capture_image"))["camera_filepath"] == SECOND
        assert (await other.event("capture_checked"))["files"] == [FIRST]
        assert (await guest.command("capture_image", key="guest"))["camera_filepath"] == FIRST
    assert control.state()["shots"] == 2


async def test_the_next_server_waits_for_the_file_of_a_shot_of_a_killed_server(
    start: Callable[[], Server], control: Control
) -> None:
    server = start()
    async with await Client.connect(server) as guest:
        await guest.info_with_card()
        shot = asyncio.create_task(guest.command("capture_image", key="guest"))
        await until(lambda: control.state()["shots"] == 1)
        server.kill()
        with suppress(ConnectionClosed):
            await shot
    async with await Client.connect(start()) as guest:
        assert (await guest.command("capture_image"))["camera_filepath"] == SECOND
        assert (await guest.command("capture_image", key="guest"))["camera_filepath"] == FIRST
    assert control.state()["shots"] == 2
