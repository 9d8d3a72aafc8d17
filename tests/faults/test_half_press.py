"""The shutter button never stays half pressed, whatever ends the half press."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.support.cameras import QUICK, OneCamera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until, until_answers

LONG_MS = 5000


@pytest.fixture
def camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """A camera in factory state."""
    return own_camera(*QUICK)


@pytest.fixture
def server(camera: OneCamera, new_server: Callable[..., Server]) -> Server:
    """A server for the camera."""
    return new_server(NETWORK_CAMERAS=camera.port, RESTART_DELAY="0.3")


def half_pressed(camera: OneCamera) -> bool:
    """Whether the button is half pressed."""
    pressed: bool = camera.control.state()["focus"]["half_pressed"]
    return pressed


async def pressing(camera: OneCamera, client: Client) -> asyncio.Task[object]:
    """Start a long half press; returns when the button is half pressed."""
    task = asyncio.create_task(client.command("half_press", hold_ms=LONG_MS))
    await until(lambda: half_pressed(camera))
    return task


async def test_a_killed_camera_process_leaves_the_button_to_the_next_one(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        press = await pressing(camera, client)
        (await camera_process(server.process.pid, camera.port)).kill()
        with pytest.raises(CommandError, match="camera_disconnected"):
            await press
        assert (await client.command("get_config", name="iso"))["value"] == "100"
        assert not half_pressed(camera)


async def test_a_process_that_was_killed_later_releases_nothing(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        await client.command("half_press", hold_ms=100)
        released = camera.control.state()["operations"]["0x9129"]
        (await camera_process(server.process.pid, camera.port)).kill()

        async def open_again() -> bool:
            return bool((await client.command("get_camera_info"))["connected"])

        await until_answers(open_again)
        assert camera.control.state()["operations"]["0x9129"] == released


async def test_a_killed_server_does_not_leave_the_button_pressed(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        press = await pressing(camera, client)
        process = await camera_process(server.process.pid, camera.port)
        os.kill(server.process.pid, signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: not half_pressed(camera))
        assert time.monotonic() - killed < LONG_MS / 1000
        await until(lambda: not process.is_running())
        press.cancel()
        await asyncio.wait((press,))
    server.kill()


async def test_after_the_kill_of_all_the_next_server_releases_the_button(
    camera: OneCamera, server: Server, new_server: Callable[..., Server]
) -> None:
    async with await Client.connect(server) as client:
        press = await pressing(camera, client)
        (await camera_process(server.process.pid, camera.port)).kill()
        await asyncio.to_thread(server.kill)
        await asyncio.wait((press,))
        press.exception()
        assert half_pressed(camera)
    new_server(NETWORK_CAMERAS=camera.port)
    await until(lambda: not half_pressed(camera))


async def test_after_a_server_that_has_stopped_the_next_one_releases_nothing(
    camera: OneCamera, server: Server, new_server: Callable[..., Server]
) -> None:
    async with await Client.connect(server) as client:
        await client.command("half_press", hold_ms=100)
    assert await asyncio.to_thread(server.stop) == 0
    released = camera.control.state()["operations"]["0x9129"]
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        assert (await client.command("get_config", name="iso"))["value"] == "100"
    assert camera.control.state()["operations"]["0x9129"] == released


async def test_a_server_that_stops_releases_the_button(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        press = await pressing(camera, client)
        assert await asyncio.to_thread(server.stop) == 0
        assert not half_pressed(camera)
        await asyncio.wait((press,))
        press.exception()


async def test_a_client_that_leaves_does_not_leave_the_button_pressed(camera: OneCamera, server: Server) -> None:
    client = await Client.connect(server)
    press = asyncio.create_task(client.command("half_press", hold_ms=1000))
    await until(lambda: half_pressed(camera))
    press.cancel()
    await client.close()
    await until(lambda: not half_pressed(camera))
    async with await Client.connect(server) as other:
        assert (await other.command("get_camera_info"))["connected"]


async def test_a_refused_press_is_released(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        camera.control.fault("code", "RemoteReleaseOn", code="0x2002", execute=True)
        with pytest.raises(CommandError, match="camera_error"):
            await client.command("half_press", hold_ms=LONG_MS)
        assert not half_pressed(camera)


async def test_a_release_is_repeated_while_the_camera_is_busy(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        camera.control.fault("busy", "RemoteReleaseOff", times=3)
        await client.command("half_press", hold_ms=100)
        assert not half_pressed(camera)


async def test_a_refused_release_is_repeated_after_the_camera_was_opened_again(
    camera: OneCamera, server: Server
) -> None:
    async with await Client.connect(server) as client:
        camera.control.fault("code", "RemoteReleaseOff", code="0x2002")
        with pytest.raises(CommandError, match="camera_io: The shutter button could not be released"):
            await client.command("half_press", hold_ms=100)
        assert (await client.command("get_config", name="iso"))["value"] == "100"
        assert not half_pressed(camera)


async def test_an_autofocus_outside_live_view_releases_the_button(camera: OneCamera, server: Server) -> None:
    async with await Client.connect(server) as client:
        camera.control.set("focusmode", "One Shot")
        camera.control.fault("focus_failed", times=None)
        assert (await client.command("autofocus"))["focused"] is False
        assert (half_pressed(camera), camera.control.state()["focus"]["half_presses"]) == (False, 1)


async def test_a_camera_that_is_off_during_the_hold_is_released_when_it_is_back(
    camera: OneCamera, server: Server
) -> None:
    async with await Client.connect(server) as client:
        press = asyncio.create_task(client.command("half_press", hold_ms=500))
        await until(lambda: half_pressed(camera))
        camera.control.power(False)
        with pytest.raises(CommandError):
            await press
        camera.control.power(True)

        async def open_again() -> bool:
            return bool((await client.command("get_camera_info"))["connected"])

        await until_answers(open_again)
        assert not half_pressed(camera)
