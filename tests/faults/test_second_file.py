"""The second file of a shot (RAW and JPEG) appears late, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, Server

RAW_AND_JPEG = {"canon": ("imageformat", "RAW + L"), "nikon": ("imagequality", "NEF+Fine")}
LATE_S = 1.5


@pytest.mark.parametrize("maker", ["canon", "nikon"])
async def test_a_shot_has_its_second_file_even_if_a_slow_card_takes_seconds(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera], maker: str
) -> None:
    camera = own_camera(*QUICK, "--maker", maker)
    name, value = RAW_AND_JPEG[maker]
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("set_config", name=name, value=value)
        camera.control.fault("late_file", seconds=LATE_S)
        late = await client.command("capture_image")
        usual = await client.command("capture_image")
    paths = sorted(file["path"] for file in camera.control.state()["files"])
    assert [len(late["files"]), len(usual["files"])] == [2, 2]
    assert sorted(file["camera_filepath"] for reply in (late, usual) for file in reply["files"]) == paths


async def test_a_camera_that_offers_one_of_two_files_is_waited_for_only_once(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("set_config", name="imageformat", value="RAW + L")
        camera.control.fault("one_file", times=2)
        first_s, second_s = [await _one_file(client) for _ in range(2)]
        assert second_s < first_s / 2
        assert len((await client.command("capture_image"))["files"]) == 2


async def _one_file(client: Client) -> float:
    """Take a picture, which has one file; returns how long that took, in seconds."""
    began = time.monotonic()
    assert len((await client.command("capture_image"))["files"]) == 1
    return time.monotonic() - began
