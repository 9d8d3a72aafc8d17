"""Idle cameras: they are kept awake, a low battery is reported, and a process that uses much memory is replaced."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import psutil
import pytest

from camera import upkeep
from simulator.client import Control
from tests.support.cameras import QUICK, one_camera
from tests.support.in_process import InProcess
from tests.support.processes import camera_process
from tests.support.rig import Client, Server
from tests.support.waiting import until

SPARE = 2  # the index of a camera that the shared server does not use
STORAGE_INFO, KEEP_DEVICE_ON = "0x1005", "0x911d"


@pytest.mark.parametrize("maker", ["canon", "nikon"])
async def test_an_idle_camera_is_kept_awake_with_keep_alive(new_server: Callable[..., Server], maker: str) -> None:
    with one_camera("--maker", maker, *QUICK) as camera:
        server = new_server(NETWORK_CAMERAS=camera.port, KEEP_ALIVE="0.5")
        async with await Client.connect(server) as client:
            await client.command("get_config", name="iso")
            before, started = camera.control.state()["operations"], time.monotonic()

            def count_since(operation: str) -> int:
                return int(camera.control.state()["operations"].get(operation, 0) - before.get(operation, 0))

            await until(lambda: count_since(STORAGE_INFO) >= 4)
            # The driver itself sends the operation KEEP_DEVICE_ON, at most every 10 s. The server must not send it: the
            # operation would then have a data phase, and block for 2.5 s.
            assert count_since(KEEP_DEVICE_ON) <= 1 + (time.monotonic() - started) // 10
            if maker == "canon":
                await until(lambda: count_since(KEEP_DEVICE_ON) >= 1)


async def test_a_low_battery_is_reported(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(upkeep, "_CHECK_EVERY_S", 0.5)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
        await client.command("subscribe", events=["camera_warning"])
        simulator.battery(0, camera=SPARE)
        (warning,) = (await client.event("camera_warning"))["warnings"]
        assert "battery" in warning
        assert (await client.command("get_camera_info"))["warnings"] == [warning]
        assert warning in (await client.command("capture_image"))["warnings"]
        simulator.battery(100, camera=SPARE)
        assert (await client.event("camera_warning"))["warnings"] == []


async def test_a_process_that_grew_is_replaced_while_the_camera_is_idle(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(upkeep, "_MEMORY_EVERY_S", 0.5)
    server = await in_process(ports[SPARE], most_process_bytes=2**20)
    own_pid = psutil.Process().pid
    async with await server.connect() as client:
        await client.command("start_live_view")
        process = await camera_process(own_pid, ports[SPARE])
        for _ in range(60):
            await client.event("live_view_frame")
        assert process.is_running()
        await client.command("stop_live_view")
        await camera_process(own_pid, ports[SPARE], other_than=process.pid)
        assert (await client.command("get_config", name="iso"))["value"] == "100"
