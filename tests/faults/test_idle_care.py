"""What happens to a camera that nobody uses: kept awake, warned of, and its process replaced when it grew."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import psutil
import pytest

from camera import upkeep
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.faults.processes import camera_process
from tests.support.cameras import QUICK
from tests.support.in_process import InProcess
from tests.support.rig import Client, Server
from tests.support.waiting import until

SPARE = 2  # the camera that the shared server does not have
STORAGE_INFO, KEEP_DEVICE_ON = "0x1005", "0x911d"


@pytest.mark.parametrize("maker", ["canon", "nikon"])
async def test_an_idle_camera_is_kept_awake_where_that_is_wanted(new_server: Callable[..., Server], maker: str) -> None:
    with SimulatorProcess("--maker", maker, *QUICK) as process, Control(process.control) as camera:
        server = new_server(NETWORK_CAMERAS=process.cameras[0].address, KEEP_ALIVE="0.5")
        async with await Client.connect(server) as client:
            await client.command("get_config", name="iso")
            before, started = camera.state()["operations"], time.monotonic()

            def since(operation: str) -> int:
                return int(camera.state()["operations"].get(operation, 0) - before.get(operation, 0))

            await until(lambda: since(STORAGE_INFO) >= 4)
            # Only the driver sends this one right: as an order of ours it has a data phase, and blocks for 2.5 s.
            assert since(KEEP_DEVICE_ON) <= 1 + (time.monotonic() - started) // 10
            if maker == "canon":
                await until(lambda: since(KEEP_DEVICE_ON) >= 1)


async def test_a_low_battery_is_told_before_it_is_empty(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(upkeep, "_CHECK_EVERY_S", 0.5)
    running = await in_process(ports[SPARE])
    async with await running.connect() as client:
        await client.command("get_config", name="iso")
        await client.command("subscribe", events=["camera_warning"])
        simulator.battery(0, camera=SPARE)
        (words,) = (await client.event("camera_warning"))["warnings"]
        assert "battery" in words
        assert (await client.command("get_camera_info"))["warnings"] == [words]
        assert words in (await client.command("capture_image"))["warnings"]
        simulator.battery(100, camera=SPARE)
        assert (await client.event("camera_warning"))["warnings"] == []


async def test_a_process_that_grew_is_replaced_while_nobody_uses_the_camera(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(upkeep, "_MEMORY_EVERY_S", 0.5)
    running = await in_process(ports[SPARE], most_process_bytes=2**20)
    own = psutil.Process().pid
    async with await running.connect() as client:
        await client.command("start_live_view")
        watched = await camera_process(own, ports[SPARE])
        for _ in range(60):
            await client.event("live_view_frame")
        assert watched.is_running()
        await client.command("stop_live_view")
        await camera_process(own, ports[SPARE], other_than=watched.pid)
        assert (await client.command("get_config", name="iso"))["value"] == "100"
