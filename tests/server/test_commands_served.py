"""Commands that need no camera, and subscriptions. The server knows every declared command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from protocol.catalogue import COMMANDS
from simulator.client import Control
from tests.support.rig import Client, Server
from tests.support.wire import answers, codes, logged_in, refused, say, still_answers

EVENTS = [
    "camera_connected", "camera_disconnected", "camera_state", "camera_warning", "capture_checked", "capture_saved", "config_changed",
    "exposure_ended", "exposure_started", "file_added", "job_shot", "job_state", "live_view_stopped", "movie_ended", "movie_started",
]  # fmt: skip


async def test_list_commands_returns_every_command_with_its_schemas(bare_client: Client) -> None:
    commands = {command["command"]: command for command in (await bare_client.command("list_commands"))["commands"]}
    assert list(commands) == list(COMMANDS)
    for name, command in commands.items():
        assert command["payload"]["additionalProperties"] is False
        assert command["reply"]["type"] == "object"
        assert command["example"]["command"] == name
        assert command["summary"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_the_example_of_every_command_is_accepted(bare_client: Client, name: str) -> None:
    await say(bare_client, {"command": name, "payload": COMMANDS[name].example})
    [code] = codes(await answers(bare_client, 1))
    # Commands that need a camera fail with one of these codes.
    assert code in (
        "ok",
        "no_camera_selected",
        "camera_not_found",
        "live_view_not_running",
        "shot_not_found",
        "job_not_found",
    )


async def test_server_info_returns_versions_and_uptime(bare_client: Client) -> None:
    info = await bare_client.command("server_info")
    assert (info["server"], info["protocol"]) == ("gphoto-ws-server", 1)
    assert info["version"]
    assert tuple(int(part) for part in info["libgphoto2"].split(".")) >= (2, 5, 34)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(info["time"])) < timedelta(minutes=1)
    assert 0 < info["uptime"] <= (await bare_client.command("server_info"))["uptime"]


async def test_the_libgphoto2_version_is_known_as_soon_as_the_server_listens(
    new_server: Callable[..., Server],
) -> None:
    async with await Client.connect(new_server()) as first:
        assert (await first.command("server_info"))["libgphoto2"]


async def test_without_cameras_the_list_is_empty_and_captures_are_rejected(bare_client: Client) -> None:
    assert (await bare_client.command("list_cameras"))["cameras"] == []
    error = await refused(bare_client, "capture_image")
    assert error.code == "no_camera_selected"
    assert error.details["ports"] == []


async def test_subscriptions_are_cumulative_and_removed_by_name(bare_client: Client) -> None:
    assert (await bare_client.command("subscribe", events=["file_added"]))["events"] == ["file_added"]
    assert (await bare_client.command("subscribe", events=["camera_state", "file_added"]))["events"] == [
        "camera_state", "file_added",
    ]  # fmt: skip
    assert (await bare_client.command("unsubscribe", events=["file_added"]))["events"] == ["camera_state"]
    assert (await bare_client.command("subscribe", events=["*"]))["events"] == EVENTS
    assert (await bare_client.command("unsubscribe", events=["file_added", "*"]))["events"] == []


async def test_an_event_has_a_time_and_a_port(client: Client, ports: list[str], simulator: Control) -> None:
    await client.command("subscribe", events=["file_added"])
    [path] = simulator.shutter()
    event = await client.event("file_added")
    assert event.pop("time").endswith("Z")
    assert event.pop("seq") > 0
    assert event == {"event": "file_added", "port": ports[0], "camera_filepath": path}


async def test_events_are_sent_to_subscribers_only(server: Server, simulator: Control, client: Client) -> None:
    async with (
        await logged_in(server) as file_subscriber,
        await logged_in(server) as config_subscriber,
        await logged_in(server) as unsubscribed,
    ):
        await file_subscriber.command("subscribe", events=["file_added"])
        await config_subscriber.command("subscribe", events=["config_changed"])
        await unsubscribed.command("subscribe", events=["*"])
        await unsubscribed.command("unsubscribe", events=["*"])
        unsubscribed.events.clear()
        simulator.shutter()
        await file_subscriber.event("file_added")
        await client.command("set_config", name="iso", value="1600")
        await config_subscriber.event(lambda event: (event.get("config_name"), event.get("value")) == ("iso", "1600"))
        await config_subscriber.command("ping")
        await asyncio.gather(still_answers(client), still_answers(unsubscribed), still_answers(file_subscriber))
        assert {event["event"] for event in file_subscriber.events} <= {"file_added"}
        assert {event["event"] for event in config_subscriber.events} <= {"config_changed"}
        assert unsubscribed.events == client.events == []


async def test_the_wildcard_does_not_include_frames(server: Server, client: Client) -> None:
    async with await logged_in(server) as listener:
        await listener.command("subscribe", events=["*"])
        await client.command("start_live_view", fps=30)
        await client.event("live_view_frame")
        await listener.event(lambda event: event.get("state") == "live")
        await client.command("stop_live_view")
        await listener.event(lambda event: event.get("state") == "ready")
        assert "live_view_frame" not in {event["event"] for event in listener.events}


async def test_subscriptions_end_with_the_connection(
    server: Server, simulator: Control, ports: list[str], client: Client
) -> None:
    async with await logged_in(server) as first:
        await first.command("subscribe", events=["*"])
    async with await logged_in(server) as second, await logged_in(server) as listener:
        await listener.command("subscribe", events=["file_added"])
        simulator.shutter()
        await listener.event("file_added")
        await still_answers(second)
