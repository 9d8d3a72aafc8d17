"""The commands that need no camera, and that every command is served."""

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
    "camera_connected", "camera_disconnected", "camera_state", "camera_warning", "capture_checked", "capture_saved", "config_changed", "file_added",
    "live_view_stopped",
]  # fmt: skip


async def test_list_commands_tells_every_command_with_its_schemas(visitor: Client) -> None:
    told = {command["command"]: command for command in (await visitor.command("list_commands"))["commands"]}
    assert list(told) == list(COMMANDS)
    for name, command in told.items():
        assert command["payload"]["additionalProperties"] is False
        assert command["reply"]["type"] == "object"
        assert command["example"]["command"] == name
        assert command["summary"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_the_example_of_every_command_is_understood(visitor: Client, name: str) -> None:
    await say(visitor, {"command": name, "payload": COMMANDS[name].example})
    [code] = codes(await answers(visitor, 1))
    # Without a camera the ones that need one say so.
    assert code in ("ok", "no_camera_selected", "camera_not_found", "live_view_not_running")


async def test_server_info_tells_versions_and_uptime(visitor: Client) -> None:
    info = await visitor.command("server_info")
    assert (info["server"], info["protocol"]) == ("gphoto-ws-server", 1)
    assert info["version"]
    assert tuple(int(part) for part in info["libgphoto2"].split(".")) >= (2, 5, 34)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(info["time"])) < timedelta(minutes=1)
    assert 0 < info["uptime"] <= (await visitor.command("server_info"))["uptime"]


async def test_who_asks_the_moment_the_server_listens_is_told_the_version_of_libgphoto2_too(
    new_server: Callable[..., Server],
) -> None:
    async with await Client.connect(new_server()) as first:
        assert (await first.command("server_info"))["libgphoto2"]


async def test_without_cameras_the_list_is_empty_and_commands_say_so(visitor: Client) -> None:
    assert (await visitor.command("list_cameras"))["cameras"] == []
    error = await refused(visitor, "capture_image")
    assert error.code == "no_camera_selected"
    assert error.details["ports"] == []


async def test_subscriptions_add_up_and_are_taken_back_by_name(visitor: Client) -> None:
    assert (await visitor.command("subscribe", events=["file_added"]))["events"] == ["file_added"]
    assert (await visitor.command("subscribe", events=["camera_state", "file_added"]))["events"] == [
        "camera_state", "file_added",
    ]  # fmt: skip
    assert (await visitor.command("unsubscribe", events=["file_added"]))["events"] == ["camera_state"]
    assert (await visitor.command("subscribe", events=["*"]))["events"] == EVENTS
    assert (await visitor.command("unsubscribe", events=["file_added", "*"]))["events"] == []


async def test_an_event_names_its_time_and_its_port(client: Client, ports: list[str], simulator: Control) -> None:
    await client.command("subscribe", events=["file_added"])
    [path] = simulator.shutter()
    event = await client.event("file_added")
    assert event.pop("time").endswith("Z")
    assert event == {"event": "file_added", "port": ports[0], "camera_filepath": path}


async def test_events_reach_those_who_subscribed_to_them_and_nobody_else(
    server: Server, simulator: Control, client: Client
) -> None:
    async with (
        await logged_in(server) as for_files,
        await logged_in(server) as for_settings,
        await logged_in(server) as no_more,
    ):
        await for_files.command("subscribe", events=["file_added"])
        await for_settings.command("subscribe", events=["config_changed"])
        await no_more.command("subscribe", events=["*"])
        await no_more.command("unsubscribe", events=["*"])
        no_more.events.clear()
        simulator.shutter()
        await for_files.event("file_added")
        await client.command("set_config", name="iso", value="1600")
        await for_settings.event(lambda event: (event.get("config_name"), event.get("value")) == ("iso", "1600"))
        await for_settings.command("ping")
        await asyncio.gather(still_answers(client), still_answers(no_more), still_answers(for_files))
        assert {event["event"] for event in for_files.events} <= {"file_added"}
        assert {event["event"] for event in for_settings.events} <= {"config_changed"}
        assert no_more.events == client.events == []


async def test_the_wildcard_holds_no_frames(server: Server, client: Client) -> None:
    async with await logged_in(server) as listener:
        await listener.command("subscribe", events=["*"])
        await client.command("start_live_view", fps=30)
        await client.event("live_view_frame")
        await listener.event(lambda event: event.get("state") == "live")
        await client.command("stop_live_view")
        await listener.event(lambda event: event.get("state") == "ready")
        assert "live_view_frame" not in {event["event"] for event in listener.events}


async def test_subscriptions_end_with_the_connection(server: Server, simulator: Control, ports: list[str]) -> None:
    async with await logged_in(server) as first:
        await first.command("subscribe", events=["*"])
    async with await logged_in(server) as second, await logged_in(server) as listener:
        await listener.command("subscribe", events=["file_added"])
        simulator.shutter()
        await listener.event("file_added")
        await still_answers(second)
