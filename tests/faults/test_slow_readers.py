"""Clients that read slowly stay connected; clients that do not read are disconnected with a close code."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks import crowd
from camera.events import CameraEvent, FileAdded
from server import limits
from simulator.client import Control
from tests.support.in_process import InProcess
from tests.support.rig import TOKEN, Client
from tests.support.waiting import until

SPARE = 2  # the index of a camera that the shared server does not use
CHANGES = 600
Start = Callable[..., Awaitable[InProcess]]


def subscribe(*events: str) -> str:
    """The message that subscribes to these events."""
    return json.dumps({"command": "subscribe", "payload": {"events": events}})


async def test_a_client_that_reads_gets_the_last_of_600_quick_setting_changes(
    in_process: Start, simulator: Control, ports: list[str]
) -> None:
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
        await client.command("subscribe", events=["config_changed"])
        # These calls block the event loop, in which the server also runs. So the server then reads all changes at once.
        for number in range(CHANGES):
            simulator.set("iso", ("200", "400")[number % 2], camera=SPARE)
        simulator.set("iso", "1600", camera=SPARE)
        await client.event(lambda event: (event["config_name"], event["value"]) == ("iso", "1600"))
        assert (await client.command("get_config", name="iso"))["value"] == "1600"


async def test_events_behind_a_long_download_reach_a_slow_reader(
    in_process: Start, simulator: Control, ports: list[str]
) -> None:
    server = await in_process(ports[SPARE])
    small_buffer = socket.socket()
    small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small_buffer.connect(("127.0.0.1", urlsplit(server.uri).port))
    async with connect(server.uri, sock=small_buffer, max_size=None, max_queue=1) as connection:
        client = Client(connection)
        await connection.send(json.dumps({"token": TOKEN}))
        await client.command("capture_image")
        await client.command("subscribe", events=["file_added"])
        await connection.send('{"command": "download_last_image"}')
        for number in range(CHANGES):
            server.app.service.events.emit(CameraEvent(ports[SPARE], FileAdded(f"/card/{number}.jpg")))
            if number % 20 == 0:
                await asyncio.sleep(0)
        assert (await client.reply())["image_b64"]
        for number in range(CHANGES):
            assert (await client.event("file_added"))["camera_filepath"] == f"/card/{number}.jpg"


@pytest.mark.parametrize("command", ["download_last_image", "start_live_view"])
async def test_a_client_that_stops_reading_too_long_is_closed_with_4413(
    in_process: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    simulator: Control,
    ports: list[str],
    command: str,
) -> None:
    monkeypatch.setattr(limits, "READ_STALL_SECONDS", 1)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("capture_image")
    async with crowd.deaf(server.uri, TOKEN, *[json.dumps({"command": command})] * limits.STREAMS) as stalled:
        await until(lambda: "does not read" in caplog.text, 20)
        stalled.transport.resume_reading()
        with suppress(ConnectionClosed):
            while True:
                await stalled.recv()
        assert stalled.close_code == 4413


async def test_a_client_with_too_many_unread_event_bytes_is_disconnected_once(
    in_process: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ports: list[str]
) -> None:
    server = await in_process()
    async with crowd.deaf(server.uri, TOKEN, subscribe("file_added")) as stalled:
        long_name = "x" * 60_000
        for number in range(400):
            server.app.service.events.emit(CameraEvent("usb:001,002", FileAdded(f"/{long_name}/{number}.jpg")))
            await asyncio.sleep(0)
        stalled.transport.resume_reading()
        with suppress(ConnectionClosed):
            while True:
                await stalled.recv()
        assert stalled.close_code == 4413
    assert caplog.text.count("does not read") == 1


async def test_a_reader_so_slow_that_pings_are_delayed_gets_its_whole_download(
    in_process: Start, monkeypatch: pytest.MonkeyPatch, simulator: Control, ports: list[str]
) -> None:
    monkeypatch.setattr(limits, "PING_SECONDS", 0.2)
    monkeypatch.setattr(limits, "PONG_SECONDS", 0.5)
    server = await in_process(ports[SPARE])
    small_buffer = socket.socket()
    small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small_buffer.connect(("127.0.0.1", urlsplit(server.uri).port))
    async with connect(server.uri, sock=small_buffer, max_size=None, max_queue=1) as connection:
        await connection.send(json.dumps({"token": TOKEN}))
        await connection.send('{"command": "capture_image"}')
        assert json.loads(await connection.recv())["status"] == "ok"
        await connection.send('{"command": "download_last_image"}')
        text = ""
        async for fragment in connection.recv_streaming():
            text += str(fragment)
            await asyncio.sleep(0.7)  # slow: this client gets a ping only after it has read several fragments
        assert json.loads(text)["image_b64"]
