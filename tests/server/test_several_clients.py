"""A client disconnects, or two clients use the same camera: no shot is lost, and other clients are not affected."""

from __future__ import annotations

import asyncio

import pytest

from simulator.client import Control
from tests.support.rig import Client, Server
from tests.support.wire import answer, answers, codes, logged_in, say, still_answers

# The operation that releases the shutter of the simulated camera.
RELEASE = "0x9128"


async def _capture_started(client: Client) -> None:
    await client.event(lambda event: event.get("state") == "capturing")


async def test_a_client_that_disconnects_during_a_capture_leaves_one_shot_and_a_free_camera(
    server: Server, client: Client, simulator: Control, ports: list[str]
) -> None:
    simulator.fault("late", RELEASE, seconds=1.0)
    await client.command("subscribe", events=["camera_state", "file_added"])
    disconnecting = await logged_in(server)
    await say(disconnecting, {"command": "capture_image", "payload": {"port": ports[0]}})
    await _capture_started(client)
    disconnecting.socket.transport.abort()
    added = await client.event("file_added")
    assert simulator.state()["shots"] == 1
    # The picture of the shot without a reply can be downloaded, and the camera can take another shot.
    downloaded = await client.command("download_last_image")
    assert downloaded["camera_filepath"] == added["camera_filepath"]
    captured = await client.command("capture_image")
    assert captured["camera_filepath"] != added["camera_filepath"]
    assert simulator.state()["shots"] == 2


async def test_commands_that_had_not_started_are_dropped_when_their_client_disconnects(
    server: Server, client: Client, simulator: Control, ports: list[str]
) -> None:
    simulator.fault("late", RELEASE, seconds=1.0)
    await client.command("subscribe", events=["camera_state", "file_added"])
    disconnecting = await logged_in(server)
    for _ in range(3):
        await say(disconnecting, {"command": "capture_image", "payload": {"port": ports[0]}})
    await _capture_started(client)
    disconnecting.socket.transport.abort()
    await client.event("file_added")
    await client.command("get_config", name="iso")
    assert simulator.state()["shots"] == 1


@pytest.mark.parametrize(
    "command", ["download_last_image", "get_config", "list_files", "start_live_view", "restart_camera"]
)
async def test_a_client_that_disconnects_during_a_command_leaves_a_free_camera(
    server: Server, client: Client, ports: list[str], command: str
) -> None:
    await client.command("capture_image")
    disconnecting = await logged_in(server)
    await say(disconnecting, {"command": command, "payload": {"port": ports[0]}})
    disconnecting.socket.transport.abort()
    assert (await client.command("get_config", name="iso"))["config_name"] == "iso"
    await client.command("capture_image")
    await still_answers(client)


async def test_two_clients_of_the_same_camera_get_different_pictures(
    server: Server, client: Client, simulator: Control, ports: list[str]
) -> None:
    async with await logged_in(server) as other:
        await other.command("select_camera", port=ports[0])
        first, second = await asyncio.gather(client.command("capture_image"), other.command("capture_image"))
    assert first["camera_filepath"] != second["camera_filepath"]
    assert simulator.state()["shots"] == 2


async def test_many_clients_on_one_camera_are_all_answered(
    server: Server, simulator: Control, ports: list[str]
) -> None:
    values = ["100", "200", "400", "800"]
    clients = [await logged_in(server) for _ in values]
    for client, value in zip(clients, values, strict=True):
        await say(client, {"command": "set_config", "payload": {"name": "iso", "value": value, "port": ports[0]}})
        await say(client, {"command": "get_config", "payload": {"port": ports[0]}})
        await say(client, {"command": "capture_image", "payload": {"port": ports[0]}})
    for client, value in zip(clients, values, strict=True):
        written, tree, captured = await answers(client, 3)
        assert written["value"] == value
        assert codes([tree, captured]) == ["ok", "ok"]
        await client.close()
    assert simulator.state()["shots"] == len(values)


async def test_errors_of_one_client_are_not_sent_to_other_clients(server: Server, client: Client) -> None:
    async with await logged_in(server) as faulty:
        for message in ("no JSON", "{}", '{"command": "nothing"}', '{"command": "get_config", "payload": {"x": 1}}'):
            await say(faulty, message)
            assert (await answer(faulty))["status"] == "error"
        await say(faulty, {"token": "guess"})
    await still_answers(client)
