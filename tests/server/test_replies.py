"""Each command gets exactly one reply, and nothing is sent unasked. Also tests the ids and the order of replies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.client import Control
from tests.support.rig import Client, Server
from tests.support.wire import answer, answers, codes, logged_in, say, still_answers

# The operation that releases the shutter of the simulated camera.
RELEASE = "0x9128"


async def test_each_of_many_commands_gets_exactly_one_reply(client: Client) -> None:
    commands: list[dict[str, Any]] = [
        {"command": "ping"},
        {"command": "get_config", "payload": {"name": "iso"}},
        {"command": "get_config", "payload": {"name": "nothing"}},
        {"command": "nothing"},
        {"command": "ping", "payload": {"x": 1}},
        {"command": "capture_image"},
        {"command": "set_config", "payload": {"name": "iso", "value": "400"}},
        {"command": "set_config", "payload": {"name": "iso", "value": "401"}},
        {"command": "list_files"},
        {"command": "server_info"},
    ]
    for command in commands:
        await say(client, command)
    assert codes(await answers(client, len(commands))) == [
        "ok", "ok", "config_not_found", "unknown_command", "invalid_payload", "ok", "ok", "invalid_value", "ok", "ok",
    ]  # fmt: skip
    await still_answers(client)


async def test_camera_events_are_sent_only_to_subscribers(server: Server, client: Client, simulator: Control) -> None:
    async with await logged_in(server) as listener:
        await listener.command("subscribe", events=["*"])
        [path] = simulator.shutter()
        await listener.event(lambda event: event.get("camera_filepath") == path)
        await client.command("set_config", name="iso", value="800")
        await listener.event(lambda event: event.get("config_name") == "iso")
    await still_answers(client)
    assert client.events == []


@pytest.mark.parametrize("request_id", [17, 0, -1, 2**63 - 1, "a", "", "x" * 128, "\u00e4\u00f6 \U0001f4f7", "17"])
async def test_a_reply_repeats_the_id_and_names_the_command(bare_client: Client, request_id: str | int) -> None:
    await say(bare_client, {"command": "ping", "id": request_id})
    assert await answer(bare_client) == {"status": "ok", "id": request_id, "command": "ping", "message": "pong"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"command": "nothing"}, "unknown_command"),
        ({"command": "ping", "payload": {"x": 1}}, "invalid_payload"),
        ({"command": "ping", "payload": []}, "invalid_payload"),
        ({"command": "ping", "extra": 1}, "bad_request"),
        ({"command": "get_config", "payload": {"port": "usb:009,009"}}, "camera_not_found"),
    ],
)
async def test_an_error_reply_has_the_id(bare_client: Client, message: dict[str, Any], code: str) -> None:
    await say(bare_client, {**message, "id": "mine"})
    reply = await answer(bare_client)
    assert (reply["code"], reply["id"], reply["command"]) == (code, "mine", message["command"])


@pytest.mark.parametrize("request_id", ["1.5", "true", "[]", "{}", json.dumps("x" * 129), str(2**63), "1e400"])
async def test_an_invalid_id_is_rejected_and_not_repeated(bare_client: Client, request_id: str) -> None:
    await say(bare_client, f'{{"command": "ping", "id": {request_id}}}')
    reply = await answer(bare_client)
    assert reply["code"] == "bad_request"
    assert "id" not in reply
    await still_answers(bare_client)


@pytest.mark.parametrize("message", ['{"command":"ping"}', '{"command":"ping","payload":null,"id":null}'])
async def test_without_an_id_the_reply_has_no_id_or_command(bare_client: Client, message: str) -> None:
    await say(bare_client, message)
    assert await answer(bare_client) == {"status": "ok", "message": "pong"}


async def test_commands_without_an_id_are_answered_in_order(client: Client, simulator: Control) -> None:
    simulator.fault("late", RELEASE, seconds=0.5)
    for command in ("capture_image", "ping", "nothing", "list_cameras"):
        await say(client, {"command": command})
    await say(client, "no JSON")
    captured, pong, unknown, listed, broken = await answers(client, 5)
    assert captured["message"] == "Image captured successfully"
    assert pong["message"] == "pong"
    assert unknown["code"] == "unknown_command"
    assert len(listed["cameras"]) == 2
    assert broken["code"] == "invalid_json"


async def test_a_command_with_an_id_is_answered_before_a_slow_one(client: Client, simulator: Control) -> None:
    simulator.fault("late", RELEASE, seconds=1.0)
    await say(client, {"command": "capture_image"})
    await say(client, {"command": "ping", "id": "quick"})
    first, second = await answers(client, 2)
    assert first["id"] == "quick"
    assert second["message"] == "Image captured successfully"


async def test_a_slow_command_with_an_id_does_not_delay_others(client: Client, simulator: Control) -> None:
    simulator.fault("late", RELEASE, seconds=1.0)
    await say(client, {"command": "capture_image", "id": "slow"})
    await still_answers(client)
    assert (await answer(client))["id"] == "slow"


async def test_cameras_work_in_parallel(client: Client, simulator: Control, ports: list[str]) -> None:
    simulator.fault("late", RELEASE, seconds=1.5)
    await say(client, {"command": "capture_image", "payload": {"port": ports[0]}, "id": "slow"})
    await say(client, {"command": "capture_image", "payload": {"port": ports[1]}, "id": "quick"})
    assert [reply["id"] for reply in await answers(client, 2)] == ["quick", "slow"]
