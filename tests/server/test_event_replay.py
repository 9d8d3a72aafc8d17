"""A client that was away gets the events that it has missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from camera.events import CameraEvent, FileAdded
from store.events import MOST_EVENTS
from tests.support.cameras import QUICK, OneCamera
from tests.support.in_process import InProcess
from tests.support.rig import Client, CommandError, Json, Server

PORT = "ptpip:127.0.0.1:1"
CUTS, EVENTS = 120, 12_000  # more events than the log keeps


@pytest.fixture
async def server() -> AsyncIterator[InProcess]:
    server = await InProcess.start()
    yield server
    await server.app.stop()


def emit(server: InProcess, number: int) -> None:
    """Let an event happen."""
    server.app.service.events.emit(CameraEvent(PORT, FileAdded(f"/card/{number}.jpg")))


def place(reply: Json) -> Json:
    """The place in the log that a reply contains."""
    return {"epoch": reply["epoch"], "seq": reply["seq"]}


async def resume(server: InProcess | Server, since: Json, **payload: Any) -> tuple[Client, Json]:
    """A new client that subscribes to everything since a place, and the reply."""
    client = await (server.connect() if isinstance(server, InProcess) else Client.connect(server, close_timeout=0.2))
    return client, await client.command("subscribe", since=since, **{"events": ["*"], **payload})


async def test_missed_events_come_in_order_and_then_live_ones(server: InProcess) -> None:
    async with await server.connect() as client:
        start = place(await client.command("subscribe", events=["file_added"]))
    for number in range(5):
        emit(server, number)
    client, reply = await resume(server, start)
    async with client:
        emit(server, 5)
        events = [await client.event("file_added") for _ in range(6)]
    assert (reply["recovered"], reply["missed"], reply["seq"]) == (True, 5, start["seq"] + 5)
    assert [event["camera_filepath"] for event in events] == [f"/card/{number}.jpg" for number in range(6)]
    assert [event["seq"] for event in events] == [start["seq"] + 1 + number for number in range(6)]


async def test_only_subscribed_events_are_repeated(server: InProcess) -> None:
    async with await server.connect() as client:
        start = place(await client.command("server_info"))
    emit(server, 1)
    client, reply = await resume(server, start, events=["config_changed"])
    async with client:
        assert (reply["recovered"], reply["missed"]) == (True, 0)


async def test_a_client_that_is_cut_off_again_and_again_misses_nothing_and_gets_nothing_twice(
    server: InProcess,
) -> None:
    async with await server.connect() as client:
        since = place(await client.command("subscribe", events=["file_added"]))
    start = since["seq"]

    async def happen() -> None:
        for number in range(EVENTS):
            emit(server, number)
            if number % 20 == 0:
                await asyncio.sleep(0)
            if number - (since["seq"] - start) > MOST_EVENTS // 2:  # so that no event is too old for the client
                await asyncio.sleep(0.01)

    happening = asyncio.create_task(happen())
    got: list[int] = []
    while len(got) < EVENTS:
        client, reply = await resume(server, since, events=["file_added"])
        assert reply["recovered"] is True
        until = len(got) + EVENTS // CUTS
        while len(got) < min(until, EVENTS):
            event = await client.event("file_added")
            got.append(int(event["camera_filepath"].removeprefix("/card/").removesuffix(".jpg")))
            since["seq"] = event["seq"]
        client.socket.transport.abort()
    await happening
    assert got == list(range(EVENTS))


@pytest.mark.parametrize("change", [{"epoch": "another"}, {"seq": 10**6}])
async def test_events_of_another_life_of_the_log_are_not_recovered(server: InProcess, change: Json) -> None:
    emit(server, 1)
    async with await server.connect() as client:
        start = place(await client.command("server_info"))
    client, reply = await resume(server, start | change)
    async with client:
        assert (reply["recovered"], reply["missed"]) == (False, 0)
        emit(server, 2)
        assert (await client.event("file_added"))["camera_filepath"] == "/card/2.jpg"


async def test_events_that_are_too_old_are_not_recovered(server: InProcess) -> None:
    async with await server.connect() as client:
        start = place(await client.command("server_info"))
    for number in range(MOST_EVENTS + 1):
        emit(server, number)
    for seq, recovered in ((start["seq"], False), (start["seq"] + 1, True)):
        client, reply = await resume(server, start | {"seq": seq}, events=["config_changed"])
        async with client:
            assert reply["recovered"] is recovered


@pytest.mark.parametrize("since", [{"epoch": "a"}, {"seq": 1}, {"epoch": "a", "seq": -1}, 7])
async def test_an_invalid_place_is_an_error(server: InProcess, since: Any) -> None:
    async with await server.connect() as client:
        with pytest.raises(CommandError, match="since"):
            await client.command("subscribe", events=["*"], since=since)


async def test_events_before_a_restart_are_repeated_after_it(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    port = own_camera(*QUICK).port
    first = new_server(NETWORK_CAMERAS=port)
    async with await Client.connect(first) as client:
        await client.command("subscribe", events=["camera_state"])
        start = place(await client.command("server_info"))
        await client.command("select_camera", port=port)
    assert first.stop() == 0
    client, reply = await resume(new_server(NETWORK_CAMERAS=port), start | {"seq": 0})
    async with client:
        assert (reply["recovered"], reply["epoch"]) == (True, start["epoch"])
        seqs = [(await client.event(lambda event: "seq" in event))["seq"] for _ in range(reply["missed"])]
        assert seqs == list(range(1, reply["seq"] + 1))


async def test_after_a_kill_the_log_has_a_new_life(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    port = own_camera(*QUICK).port
    first = new_server(NETWORK_CAMERAS=port)
    async with await Client.connect(first) as client:
        await client.command("select_camera", port=port)
        start = place(await client.command("server_info"))
    first.kill()
    client, reply = await resume(new_server(NETWORK_CAMERAS=port), start)
    async with client:
        assert reply["recovered"] is False
        assert reply["epoch"] != start["epoch"]
        # The numbers of the new life may be used again, so they are comparable only together with the epoch.
        assert reply["seq"] <= start["seq"] + 10
