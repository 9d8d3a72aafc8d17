"""The Photonic dialect: every message of the Photonic photobooth's protocol, as its frontend sends it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from protocol.photonic import TABLE
from simulator.client import Control
from tests.support.rig import TOKEN, Json, Server
from tests.support.waiting import WITHIN_S


class Frontend:
    """Sends messages of the dialect. It stores the received frames separately from the replies."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Json] = []

    async def receive(self) -> Json:
        async with asyncio.timeout(WITHIN_S):
            message = json.loads(await self.socket.recv())
        assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
        if message["type"] == "preview_frame":
            self.frames.append(message)
        return dict(message)

    async def ask(self, kind: str, **fields: Any) -> Json:
        await self.socket.send(json.dumps({"type": kind, **fields}))
        while (reply := await self.receive())["type"] == "preview_frame":
            pass
        return reply


@pytest.fixture
async def frontend(new_booth: Callable[..., Server], camera: Control) -> AsyncIterator[Frontend]:
    server = new_booth()
    async with connect(f"{server.uri}/ws", max_size=None) as socket:
        await socket.send(json.dumps({"token": TOKEN}))
        yield Frontend(socket)


async def test_a_preview_is_started_and_stopped(frontend: Frontend, camera: Control) -> None:
    started = await frontend.ask("start_preview", requestId="one")
    assert (started["type"], started["requestId"]) == ("preview_started", "one")
    while len(frontend.frames) < 5:
        await frontend.receive()
    numbers = [frame["frame_number"] for frame in frontend.frames]
    assert numbers == sorted(set(numbers))
    with Image.open(io.BytesIO(base64.b64decode(frontend.frames[0]["data"], validate=True))) as image:
        assert image.size == (480, 320)
    stopped = await frontend.ask("stop_preview", requestId="two")
    assert (stopped["type"], stopped["requestId"]) == ("preview_stopped", "two")


async def test_bulb_exposure_is_rejected(frontend: Frontend, camera: Control) -> None:
    rejected = await frontend.ask("set_camera_setting", section="actions", option="bulb", value="1")
    assert (rejected["type"], rejected["code"]) == ("error", "not_supported")
    assert "0x9125" not in camera.state()["operations"]


async def test_starting_or_stopping_twice_is_not_an_error(frontend: Frontend) -> None:
    await frontend.ask("start_preview")
    assert (await frontend.ask("start_preview"))["type"] == "preview_started"
    while len(frontend.frames) < 10:
        await frontend.receive()
    numbers = [frame["frame_number"] for frame in frontend.frames]
    assert len(numbers) == len(set(numbers))
    await frontend.ask("stop_preview")
    assert (await frontend.ask("stop_preview"))["type"] == "preview_stopped"


async def test_starting_again_with_other_options_applies_them(frontend: Frontend) -> None:
    await frontend.ask("start_preview", fps=5)
    assert (await frontend.ask("start_preview", rotation=90))["fps"] == 30
    frontend.frames.clear()
    while not frontend.frames:
        await frontend.receive()
    with Image.open(io.BytesIO(base64.b64decode(frontend.frames[0]["data"]))) as image:
        assert image.size == (320, 480)


async def test_a_photo_is_taken_with_its_settings_and_saved_and_returned(
    frontend: Frontend, camera: Control, photos: Path
) -> None:
    reply = await frontend.ask("capture_photo", requestId="uuid", settings={"iso": 400}, filename="guest.jpg")
    assert (reply["type"], reply["requestId"], reply["filename"]) == ("photo_captured", "uuid", "guest.jpg")
    assert Path(reply["filepath"]) == photos / "guest.jpg"
    picture = base64.b64decode(reply["image"], validate=True)
    assert (photos / "guest.jpg").read_bytes() == picture
    with Image.open(io.BytesIO(picture)) as image:
        assert image.getexif().get_ifd(0x8769)[0x8827] == 400
    assert camera.state()["shots"] == 1


async def test_camera_information(frontend: Frontend) -> None:
    reply = await frontend.ask("get_camera_info", requestId=7)
    assert (reply["type"], reply["requestId"]) == ("camera_info", 7)
    assert reply["data"]["serial"] == "SIM0000001"


async def test_a_setting_is_written_and_read(frontend: Frontend) -> None:
    written = await frontend.ask("set_camera_setting", requestId="a", section="imgsettings", option="iso", value=400)
    read = await frontend.ask("get_camera_setting", requestId="b", section="imgsettings", option="iso")
    assert [written["type"], read["type"]] == ["setting_updated", "setting_value"]
    for reply in (written, read):
        assert (reply["section"], reply["option"], reply["value"]) == ("imgsettings", "iso", "400")


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ({"type": "get_camera_setting", "section": "actions", "option": "iso"}, "config_not_found", "imgsettings"),
        (
            {"type": "set_camera_setting", "section": "imgsettings", "option": "iso", "value": 401},
            "invalid_value",
            "400",
        ),
        ({"type": "set_camera_setting", "section": "imgsettings", "option": "iso"}, "invalid_payload", "value"),
        ({"type": "get_camera_setting", "section": 3, "option": "iso"}, "invalid_payload", "section"),
        ({"type": "start_preview", "rotation": 45}, "invalid_payload", "270"),
        ({"type": "capture_photo", "filename": "../guest.jpg"}, "invalid_path", "slashes"),
        ({"type": "capture_photo", "sttings": {}}, "invalid_payload", "sttings"),
        ({"type": "make_coffee"}, "unknown_command", "capture_photo"),
        ({"type": "start_preveiw"}, "unknown_command", "Did you mean start_preview"),
        ({"type": 5}, "unknown_command", "capture_photo"),
    ],
)
async def test_errors_are_sent_in_the_dialect(
    frontend: Frontend, camera: Control, message: Json, code: str, words: str
) -> None:
    await frontend.socket.send(json.dumps(message | {"requestId": "x"}))
    reply = await frontend.receive()
    assert (reply["type"], reply["code"], reply["requestId"]) == ("error", code, "x")
    assert words in reply["error"]
    assert camera.state()["shots"] == 0


async def test_replies_come_in_the_order_of_the_messages(frontend: Frontend) -> None:
    await frontend.socket.send(json.dumps({"type": "capture_photo", "requestId": 1}))
    await frontend.socket.send(json.dumps({"type": "get_camera_info", "requestId": 2}))
    assert [(await frontend.receive())["requestId"] for _ in range(2)] == [1, 2]


def test_the_table_contains_every_message_of_the_frontend() -> None:
    assert set(TABLE) == {
        "start_preview", "stop_preview", "capture_photo", "get_camera_info", "set_camera_setting", "get_camera_setting",
    }  # fmt: skip
