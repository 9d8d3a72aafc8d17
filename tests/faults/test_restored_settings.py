"""After a shot with its own settings, the old values are restored, even if the camera process or the server ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.client import Control
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until, until_answers

SPARE = 2  # the index of a camera that the shared server does not use
CAPTURE, FULL_PRESS = "0x9128", 1
SETTINGS = {"iso": "800", "aperture": "8"}


@pytest.fixture
def start(new_server: Callable[..., Server], ports: list[str]) -> Callable[[], Server]:
    """A function that starts a server for the spare camera. All servers of a test use the same state folder."""
    return lambda: new_server(NETWORK_CAMERAS=ports[SPARE], RESTART_DELAY="0.3")


async def slow_shutter(client: Client, simulator: Control) -> asyncio.Task[object]:
    """Start a shot with its own settings. Returns after the release. The camera responds to the release 8 s later."""
    await client.info_with_card()
    # After this shot, the server knows the exposure. Otherwise, it would assume 30 s for the shot that is interrupted.
    await client.command("capture_image")
    before = simulator.state(SPARE)["shots"]
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=8, camera=SPARE)
    shooting = asyncio.create_task(client.command("capture_image", settings=SETTINGS))
    await until(lambda: simulator.state(SPARE)["shots"] == before + 1)
    return shooting


async def restored(server: Server) -> None:
    """Wait until the camera has the same settings as before the shot, and check that a new shot has no warnings."""
    async with await Client.connect(server) as client:

        async def as_before() -> bool:
            with suppress(CommandError):
                iso = (await client.command("get_config", name="iso"))["value"]
                return bool((iso, (await client.command("get_config", name="aperture"))["value"]) == ("100", "5.6"))
            return False

        await until_answers(as_before)
        shot = await client.command("capture_image")
        assert "warnings" not in shot


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_ends_during_a_shot_leaves_it_to_the_next(
    start: Callable[[], Server], simulator: Control, number: signal.Signals
) -> None:
    server = start()
    async with await Client.connect(server) as client:
        shooting = await slow_shutter(client, simulator)
        if number == signal.SIGKILL:
            server.kill()
        else:
            assert server.stop(number) == 0
        with suppress(CommandError, ConnectionClosed):
            await shooting
    simulator.clear(SPARE)
    await restored(start())


async def test_a_camera_process_that_is_lost_during_a_shot_leaves_it_to_the_next(
    start: Callable[[], Server], simulator: Control, ports: list[str]
) -> None:
    server = start()
    async with await Client.connect(server) as client:
        shooting = await slow_shutter(client, simulator)
        simulator.power(False, camera=SPARE)
        (await camera_process(server.process.pid, ports[SPARE])).kill()
        with pytest.raises(CommandError, match="capture_unknown"):
            await shooting
    simulator.clear(SPARE)
    simulator.power(True, camera=SPARE)
    await restored(server)


async def test_a_setting_that_cannot_be_restored_stops_no_later_shot(
    start: Callable[[], Server], simulator: Control
) -> None:
    server = start()
    async with await Client.connect(server) as client:
        shooting = await slow_shutter(client, simulator)
        server.kill()
        with suppress(CommandError, ConnectionClosed):
            await shooting
    simulator.clear(SPARE)
    simulator.fault("code", "0x9110", code=0x200F, times=None, camera=SPARE)  # every change of a setting fails
    async with await Client.connect(start()) as client:
        assert await client.command("capture_image")
    simulator.clear(SPARE)


async def test_a_setting_that_was_set_on_purpose_is_not_restored(
    start: Callable[[], Server], simulator: Control
) -> None:
    server = start()
    async with await Client.connect(server) as client:
        shooting = await slow_shutter(client, simulator)
        simulator.power(False, camera=SPARE)
        with pytest.raises(CommandError):
            await shooting
        simulator.clear(SPARE)
        simulator.fault("code", "0x9110", code=0x200F, times=None, camera=SPARE)
        simulator.power(True, camera=SPARE)

        async def chosen() -> bool:
            simulator.clear(SPARE)
            with suppress(CommandError):
                return bool(await client.command("set_config", name="iso", value="1600"))
            return False

        await until_answers(chosen)
        await client.command("capture_image")
        assert (await client.command("get_config", name="iso"))["value"] == "1600"
