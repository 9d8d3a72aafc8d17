"""Several cameras: each camera has its own process, and no camera waits for another."""

from __future__ import annotations

import asyncio
import json

from simulator.client import Control
from tests.support.rig import Client, Server


async def test_a_slow_camera_delays_no_other(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    simulator.fault("late", "0x9128", seconds=2.0)
    async with await Client.connect(server) as other:
        await other.command("select_camera", port=ports[1])
        slow = asyncio.create_task(client.command("capture_image"))
        for _ in range(3):
            await other.command("capture_image")
            await other.command("get_config", name="iso")
        assert not slow.done()
        await slow
    assert [simulator.state(camera)["shots"] for camera in (0, 1)] == [1, 3]


async def test_commands_with_an_id_are_answered_before_a_slow_camera(
    client: Client, ports: list[str], simulator: Control
) -> None:
    simulator.fault("late", "0x9128", seconds=1.0)
    await client.socket.send(json.dumps({"command": "capture_image", "id": "slow"}))
    await client.socket.send(
        json.dumps({"command": "get_config", "id": 2, "payload": {"name": "iso", "port": ports[1]}})
    )
    await client.socket.send(json.dumps({"command": "ping", "id": "three"}))
    order = [(await client.reply())["id"] for _ in range(3)]
    assert order[-1] == "slow"


async def test_commands_without_an_id_are_answered_in_order(client: Client, simulator: Control) -> None:
    simulator.fault("late", "0x9128", seconds=0.5)
    for command in ("capture_image", "ping", "list_cameras"):
        await client.socket.send(json.dumps({"command": command}))
    assert "camera_filepath" in await client.reply()
    assert (await client.reply())["message"] == "pong"
    assert "cameras" in await client.reply()


async def test_two_cameras_stream_and_capture_in_parallel(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    async with await Client.connect(server) as other:
        await other.command("select_camera", port=ports[1])
        for each in (client, other):
            await each.command("start_live_view")
        for _ in range(3):
            await asyncio.gather(client.command("capture_image"), other.command("capture_image"))
        for each in (client, other):
            each.events.clear()
            await each.event("live_view_frame")
    assert [simulator.state(camera)["shots"] for camera in (0, 1)] == [3, 3]


async def test_settings_of_one_camera_do_not_affect_another(client: Client, ports: list[str]) -> None:
    await client.command("set_config", name="iso", value="800")
    assert (await client.command("get_config", name="iso", port=ports[1]))["value"] == "100"
