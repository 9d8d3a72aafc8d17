"""Clients that read, fast or slowly, are served whatever waits for them; those that do not are told why they go."""

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

SPARE = 2  # the camera that the shared server does not have
CHANGES = 600
Start = Callable[..., Awaitable[InProcess]]


def subscribe(*events: str) -> str:
    """The command."""
    return json.dumps({"command": "subscribe", "payload": {"events": events}})


async def test_600_quick_changes_of_a_setting_keep_a_client_that_reads_and_the_last_one_reaches_it(
    in_process: Start, simulator: Control, ports: list[str]
) -> None:
    running = await in_process(ports[SPARE])
    async with await running.connect() as client:
        await client.command("get_config", name="iso")
        await client.command("subscribe", events=["config_changed"])
        # In this process the server hears of them all at once, as behind anything that holds its loop up.
        for number in range(CHANGES):
            simulator.set("iso", ("200", "400")[number % 2], camera=SPARE)
        simulator.set("iso", "1600", camera=SPARE)
        await client.event(lambda event: (event["config_name"], event["value"]) == ("iso", "1600"))
        assert (await client.command("get_config", name="iso"))["value"] == "1600"


async def test_events_behind_a_long_download_reach_who_reads_it_slowly(
    in_process: Start, simulator: Control, ports: list[str]
) -> None:
    running = await in_process(ports[SPARE])
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small.connect(("127.0.0.1", urlsplit(running.uri).port))
    async with connect(running.uri, sock=small, max_size=None, max_queue=1) as slow:
        client = Client(slow)
        await slow.send(json.dumps({"token": TOKEN}))
        await client.command("capture_image")
        await client.command("subscribe", events=["file_added"])
        await slow.send('{"command": "download_last_image"}')
        for number in range(CHANGES):
            running.app.service.events.emit(CameraEvent(ports[SPARE], FileAdded(f"/card/{number}.jpg")))
            if number % 20 == 0:
                await asyncio.sleep(0)
        assert (await client.reply())["image_b64"]
        for number in range(CHANGES):
            assert (await client.event("file_added"))["camera_filepath"] == f"/card/{number}.jpg"


@pytest.mark.parametrize("asks", ["download_last_image", "start_live_view"])
async def test_who_reads_again_too_late_is_told_4413(
    in_process: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    simulator: Control,
    ports: list[str],
    asks: str,
) -> None:
    monkeypatch.setattr(limits, "READ_STALL_SECONDS", 1)
    running = await in_process(ports[SPARE])
    async with await running.connect() as client:
        await client.command("capture_image")
    async with crowd.deaf(running.uri, TOKEN, *[json.dumps({"command": asks})] * limits.STREAMS) as late:
        await until(lambda: "does not read" in caplog.text, 20)
        late.transport.resume_reading()
        with suppress(ConnectionClosed):
            while True:
                await late.recv()
        assert late.close_code == 4413


async def test_who_does_not_read_is_dropped_once_where_too_many_bytes_of_events_wait(
    in_process: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, ports: list[str]
) -> None:
    running = await in_process()
    async with crowd.deaf(running.uri, TOKEN, subscribe("file_added")) as late:
        long = "x" * 60_000
        for number in range(400):
            running.app.service.events.emit(CameraEvent("usb:001,002", FileAdded(f"/{long}/{number}.jpg")))
            await asyncio.sleep(0)
        late.transport.resume_reading()
        with suppress(ConnectionClosed):
            while True:
                await late.recv()
        assert late.close_code == 4413
    assert caplog.text.count("does not read") == 1


async def test_who_reads_so_slowly_that_pings_wait_is_served_to_the_end(
    in_process: Start, monkeypatch: pytest.MonkeyPatch, simulator: Control, ports: list[str]
) -> None:
    monkeypatch.setattr(limits, "PING_SECONDS", 0.2)
    monkeypatch.setattr(limits, "PONG_SECONDS", 0.5)
    running = await in_process(ports[SPARE])
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small.connect(("127.0.0.1", urlsplit(running.uri).port))
    async with connect(running.uri, sock=small, max_size=None, max_queue=1) as slow:
        await slow.send(json.dumps({"token": TOKEN}))
        await slow.send('{"command": "capture_image"}')
        assert json.loads(await slow.recv())["status"] == "ok"
        await slow.send('{"command": "download_last_image"}')
        text = ""
        async for fragment in slow.recv_streaming():
            text += str(fragment)
            await asyncio.sleep(0.7)  # its pace: a ping waits behind more than one of them
        assert json.loads(text)["image_b64"]
