"""The main commands with a server and a camera: login, select, capture, download and settings."""

from __future__ import annotations

import base64
import io

from PIL import Image

from simulator.client import Control
from tests.support.rig import Client, Server


async def test_a_picture_is_captured_and_downloaded(client: Client, simulator: Control) -> None:
    captured = await client.command("capture_image")
    assert captured["message"] == "Image captured successfully"
    downloaded = await client.command("download_last_image", camera_filepath=captured["camera_filepath"])
    picture = base64.b64decode(downloaded["image_b64"], validate=True)
    assert simulator.state()["shots"] == 1
    assert len(picture) == downloaded["size"] == captured["files"][0]["size"]
    assert Image.open(io.BytesIO(picture)).size == (1296, 864)


async def test_two_clients_have_their_own_selection(server: Server, simulator: Control, ports: list[str]) -> None:
    async with await Client.connect(server) as first, await Client.connect(server) as second:
        await first.command("select_camera", port=ports[0])
        await second.command("select_camera", port=ports[1])
        await first.command("capture_image")
        await second.command("set_config", name="iso", value=800)
    assert [simulator.state(camera)["shots"] for camera in (0, 1)] == [1, 0]
