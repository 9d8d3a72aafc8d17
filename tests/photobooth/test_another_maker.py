"""The commands of a photobooth with a Nikon camera. Its settings have other names, and it behaves differently."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from simulator.client import Control
from tests.photobooth.pictures import PICTURES
from tests.support.cameras import OneCamera
from tests.support.rig import Client, CommandError, Server


@pytest.fixture
def booth_camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """A Nikon in factory state."""
    return own_camera("--maker", "nikon", *PICTURES)


@pytest.fixture
def nikon(booth_camera: OneCamera) -> Control:
    """The control port of the Nikon."""
    return booth_camera.control


@pytest.fixture
async def booth_client(booth_camera: OneCamera, new_server: Callable[..., Server]) -> AsyncIterator[Client]:
    """A client of a server with a Nikon."""
    server = new_server(NETWORK_CAMERAS=booth_camera.port)
    async with await Client.connect(server) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "config_name", "value", "config_value"),
    [
        ("aperture", "f-number", "8", "f/8"),
        ("f-number", "f-number", "f/11", "f/11"),
        ("imageformat", "imagequality", "NEF+Fine", "NEF+Fine"),
        ("capturetarget", "capturetarget", "card", "Memory card"),
    ],
)
async def test_names_and_values_of_other_makers_are_accepted(
    booth_client: Client, name: str, config_name: str, value: str, config_value: str
) -> None:
    reply = await booth_client.command("set_config", name=name, value=value)
    assert (reply["config_name"], reply["value"]) == (config_name, config_value)
    assert (await booth_client.command("get_config", name=name))["value"] == config_value


async def test_both_files_of_a_shot_are_saved_with_the_jpeg_first(booth_client: Client, nikon: Control) -> None:
    await booth_client.command("set_config", name="imageformat", value="NEF+Fine")
    reply = await booth_client.command("capture_image", save=True, filename="guest")
    assert [file["mimetype"] for file in reply["files"]] == ["image/jpeg", "image/x-nikon-nef"]
    assert [file["saved_path"].rpartition("/")[2] for file in reply["files"]] == ["guest.jpg", "guest.nef"]
    assert nikon.state()["shots"] == 1


async def test_settings_of_a_shot_are_restored(booth_client: Client, nikon: Control) -> None:
    before = (await booth_client.command("get_config", name="f-number"))["value"]
    await booth_client.command("capture_image", settings={"aperture": "11", "iso": 800})
    assert (await booth_client.command("get_config", name="f-number"))["value"] == before


async def test_a_capture_during_live_view_is_taken_once_and_the_stream_continues(
    booth_client: Client, nikon: Control
) -> None:
    await booth_client.command("start_live_view", format="binary")
    while not booth_client.binary:
        await booth_client.receive()
    await booth_client.command("capture_image")
    booth_client.binary.clear()
    while not booth_client.binary:
        await booth_client.receive()
    assert nikon.state()["shots"] == 1


@pytest.mark.parametrize("code", [0x200C, 0x200E, 0x2005])
async def test_an_error_after_the_release_is_an_unknown_outcome(
    booth_client: Client, nikon: Control, code: int
) -> None:
    await booth_client.command("get_config", name="iso")
    nikon.fault("code", "0x90c8", code=code, times=1)  # DeviceReady; the driver sends this operation after the release
    with pytest.raises(CommandError, match="capture_unknown"):
        await booth_client.command("capture_image")
    assert nikon.state()["shots"] == 1


@pytest.mark.parametrize("fault", ["focus_failed", "locked", "full"])
async def test_a_rejected_release_is_not_an_unknown_outcome(booth_client: Client, nikon: Control, fault: str) -> None:
    await booth_client.command("get_config", name="iso")
    match fault:
        case "focus_failed":
            nikon.fault("focus_failed")
        case "locked":
            nikon.write_protect(True)
        case "full":
            nikon.card(full=True)
    with pytest.raises(CommandError) as caught:
        await booth_client.command("capture_image")
    assert caught.value.code == ("card_full" if fault == "full" else "camera_error")
    assert nikon.state()["shots"] == 0
    nikon.write_protect(False)
    nikon.card(full=False)
    await booth_client.command("capture_image")
    assert nikon.state()["shots"] == 1
