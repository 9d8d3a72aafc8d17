"""The shutter button of the camera is pressed while a command takes a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from simulator.client import Control, ControlError
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, Server
from tests.support.waiting import until

SHUTTER_S = "0.3"
GET_EVENTS = "0x9116"
CARD = "/store_00020001/DCIM/100CANON"


@pytest.fixture
def camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """A camera with a long exposure, so that the test can press its button during a shot."""
    return own_camera(*QUICK[:-1], SHUTTER_S)


@pytest.fixture
def control(camera: OneCamera) -> Control:
    """The control port of the camera."""
    return camera.control


@pytest.mark.parametrize(
    ("image_format", "names"), [("L", ["IMG_0001.JPG"]), ("RAW + L", ["IMG_0001.JPG", "IMG_0001.CR2"])]
)
async def test_the_picture_of_the_button_is_not_part_of_the_commands_shot(
    new_server: Callable[..., Server], camera: OneCamera, control: Control, image_format: str, names: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as booth, await Client.connect(server) as other:
        await booth.command("set_config", name="imageformat", value=image_format)
        await other.command("subscribe", events=["file_added"])
        shot = asyncio.create_task(booth.command("capture_image", save=True, keep_on_camera=False, filename="guest"))
        await until(lambda: control.state()["shots"] == 1)
        control.fault("late", GET_EVENTS, seconds=1.2)  # so that the driver reads the events of both shots together

        def pressed() -> bool:
            with suppress(ControlError):  # the button does not work during the exposure of the first shot
                return bool(control.shutter())
            return False

        await until(pressed)
        reply = await shot
        assert [file["filename"] for file in reply["files"]] == names
        assert {Path(file["saved_path"]).stem for file in reply["files"]} == {"guest"}
        await other.event(lambda event: event["camera_filepath"] == f"{CARD}/IMG_0002.JPG")
        assert {file["path"].rpartition("/")[2].partition(".")[0] for file in control.state()["files"]} == {"IMG_0002"}
