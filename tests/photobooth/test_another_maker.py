"""Another maker: the same commands on a Nikon, whose names and ways differ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.photobooth.pictures import PICTURES
from tests.support.cameras import in_factory_state
from tests.support.rig import Client, CommandError, Server


@pytest.fixture(scope="module")
def nikon_process() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--maker", "nikon", *PICTURES) as simulator:
        yield simulator


@pytest.fixture
def nikon(nikon_process: SimulatorProcess) -> Iterator[Control]:
    """The Nikon's control port, the camera in factory state."""
    with in_factory_state(nikon_process) as control:
        yield control


@pytest.fixture
async def guest(
    nikon_process: SimulatorProcess, nikon: Control, new_server: Callable[..., Server]
) -> AsyncIterator[Client]:
    """A client of a booth with a Nikon."""
    server = new_server(NETWORK_CAMERAS=nikon_process.cameras[0].address)
    async with await Client.connect(server) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "own", "value", "told"),
    [
        ("aperture", "f-number", "8", "f/8"),
        ("f-number", "f-number", "f/11", "f/11"),
        ("imageformat", "imagequality", "NEF+Fine", "NEF+Fine"),
        ("capturetarget", "capturetarget", "card", "Memory card"),
    ],
)
async def test_other_makers_words_are_understood(guest: Client, name: str, own: str, value: str, told: str) -> None:
    reply = await guest.command("set_config", name=name, value=value)
    assert (reply["config_name"], reply["value"]) == (own, told)
    assert (await guest.command("get_config", name=name))["value"] == told


async def test_both_files_of_a_shot_come_with_the_jpeg_first(guest: Client, nikon: Control) -> None:
    await guest.command("set_config", name="imageformat", value="NEF+Fine")
    reply = await guest.command("capture_image", save=True, filename="guest")
    assert [file["mimetype"] for file in reply["files"]] == ["image/jpeg", "image/x-nikon-nef"]
    assert [file["saved_path"].rpartition("/")[2] for file in reply["files"]] == ["guest.jpg", "guest.nef"]
    assert nikon.state()["shots"] == 1


async def test_settings_of_a_shot_are_put_back(guest: Client, nikon: Control) -> None:
    before = (await guest.command("get_config", name="f-number"))["value"]
    await guest.command("capture_image", settings={"aperture": "11", "iso": 800})
    assert (await guest.command("get_config", name="f-number"))["value"] == before


async def test_a_still_in_live_view_is_taken_once_and_the_stream_goes_on(guest: Client, nikon: Control) -> None:
    await guest.command("start_live_view", format="binary")
    while not guest.binary:
        await guest.receive()
    await guest.command("capture_image")
    guest.binary.clear()
    while not guest.binary:
        await guest.receive()
    assert nikon.state()["shots"] == 1


@pytest.mark.parametrize("code", [0x200C, 0x200E, 0x2005])
async def test_what_is_refused_after_the_release_is_no_shot_that_did_not_fire(
    guest: Client, nikon: Control, code: int
) -> None:
    await guest.command("get_config", name="iso")
    nikon.fault("code", "0x90c8", code=code, times=1)  # DeviceReady, which is asked for once the shutter was released
    with pytest.raises(CommandError, match="capture_unknown"):
        await guest.command("capture_image")
    assert nikon.state()["shots"] == 1


@pytest.mark.parametrize("fault", ["focus_failed", "locked", "full"])
async def test_a_refused_release_is_no_unknown_one(guest: Client, nikon: Control, fault: str) -> None:
    await guest.command("get_config", name="iso")
    match fault:
        case "focus_failed":
            nikon.fault("focus_failed")
        case "locked":
            nikon.write_protect(True)
        case "full":
            nikon.card(full=True)
    with pytest.raises(CommandError) as refused:
        await guest.command("capture_image")
    assert refused.value.code == ("card_full" if fault == "full" else "camera_error")
    assert nikon.state()["shots"] == 0
    nikon.write_protect(False)
    nikon.card(full=False)
    await guest.command("capture_image")
    assert nikon.state()["shots"] == 1
