"""Bulb exposures on simulated cameras of both makers: length, settings, early ends, and what others may do meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.exposure.exposures import LONG_S, MAKERS, start
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until_answers

# The allowed difference is large, because other tests run at the same time.
ACCURACY_S = 0.4


@pytest.fixture(scope="module", params=MAKERS)
def shared_camera(request: pytest.FixtureRequest) -> Iterator[OneCamera]:
    """One camera of each kind."""
    with one_camera(*MAKERS[request.param]) as camera:
        yield camera


@pytest.fixture(scope="module")
def shared_server(shared_camera: OneCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(cwd=tmp_path_factory.mktemp("bulb"), NETWORK_CAMERAS=shared_camera.port)
    yield server
    assert server.stop() == 0


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state. After the test, its shutter is closed, and its button is not half pressed."""
    with in_factory_state(shared_camera.process):
        yield shared_camera
        state = shared_camera.control.state()
        assert (state["shutter_held"], state["focus"]["half_pressed"]) == (False, False)


@pytest.fixture
async def client(shared_server: Server, camera: OneCamera) -> AsyncIterator[Client]:
    async with await Client.connect(shared_server, close_timeout=0.2) as client:
        await client.command("subscribe", events=["exposure_started", "exposure_ended", "capture_checked"])
        yield client


def last_exposure(camera: OneCamera) -> Json:
    """The last release of the shutter, as the camera recorded it."""
    return camera.control.releases()[-1]


async def test_an_exposure_is_as_long_as_ordered(client: Client, camera: OneCamera) -> None:
    before = camera.control.state()["properties"]
    captured = await client.command("capture_image", bulb_s=0.5)
    measured = last_exposure(camera)["exposed_s"]
    assert 0.5 - ACCURACY_S < measured < 0.5 + ACCURACY_S
    assert abs(captured["exposed_s"] - measured) < ACCURACY_S
    assert captured["files"][0]["camera_filepath"] == camera.control.state()["files"][-1]["path"]
    started, ended = await client.event("exposure_started"), await client.event("exposure_ended")
    assert (started["bulb_s"], ended["aborted"], ended["exposed_s"]) == (0.5, False, captured["exposed_s"])
    after = camera.control.state()["properties"]
    assert after["shutterspeed"] == before["shutterspeed"] != last_exposure(camera)["settings"]["shutterspeed"]
    assert last_exposure(camera)["settings"]["shutterspeed"].lower() == "bulb"
    assert "warnings" not in captured


async def test_stop_exposure_ends_it_and_the_picture_is_kept(client: Client, camera: OneCamera) -> None:
    await start(client)
    stopped = await client.command("stop_exposure")
    assert 0 < stopped["exposed_s"] < LONG_S
    assert (await client.event("exposure_ended"))["aborted"]
    captured = await client.reply()
    assert (captured["id"], captured["exposed_s"]) == ("shot", stopped["exposed_s"])
    assert len(camera.control.state()["files"]) == 1


async def test_stop_exposure_can_delete_the_picture(client: Client, camera: OneCamera) -> None:
    await start(client, key="the key of a deleted picture")
    await client.command("stop_exposure", keep=False)
    with pytest.raises(CommandError, match="its picture was deleted") as error:
        await client.reply()
    assert (error.value.code, error.value.reply["id"]) == ("cancelled", "shot")
    assert camera.control.state()["files"] == []
    with pytest.raises(CommandError, match="cancelled"):  # also for a repeated request
        await client.command("capture_image", bulb_s=LONG_S, key="the key of a deleted picture")
    assert len(camera.control.releases()) == 1


async def test_an_exposure_that_is_being_prepared_is_stopped(client: Client, camera: OneCamera) -> None:
    await client.command("subscribe", events=["camera_state"])
    message = {"command": "capture_image", "id": "shot", "payload": {"bulb_s": LONG_S}}
    await client.socket.send(json.dumps(message))
    await client.event(lambda event: event.get("state") == "capturing")
    stopped = await client.command("stop_exposure")
    assert (await client.reply())["exposed_s"] == stopped["exposed_s"] < LONG_S


async def test_other_commands_are_refused_until_the_end(client: Client, camera: OneCamera) -> None:
    started = await start(client)
    requests = camera.control.state()["operations"]
    for command, payload in (
        ("get_config", {"name": "iso"}), ("set_config", {"name": "iso", "value": "400"}), ("capture_image", {}),
        ("capture_image", {"bulb_s": 1}), ("start_live_view", {}), ("capture_preview", {}), ("list_files", {}),
        ("restart_camera", {}), ("sync_clock", {}),
    ):  # fmt: skip
        with pytest.raises(CommandError, match="bulb exposure until") as error:
            await client.command(command, **payload)
        assert error.value.code == "camera_busy"
        assert error.value.details["ends_at"] == started["ends_at"]
    info = await client.command("get_camera_info")
    assert info["state"] == "capturing"
    assert camera.control.state()["operations"] == requests
    await client.command("stop_exposure")
    await client.reply()
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_live_view_continues_after_an_exposure(client: Client, camera: OneCamera) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    await client.command("capture_image", bulb_s=0.3)
    client.events.clear()
    await client.event("live_view_frame")
    await client.command("stop_live_view")


async def test_a_repeated_order_takes_one_picture(client: Client, camera: OneCamera) -> None:
    first = await client.command("capture_image", bulb_s=0.2, key="the key")
    again = await client.command("capture_image", bulb_s=0.2, key="the key")
    assert (again["shot"], again["repeated"]) == (first["shot"], True)
    assert again["exposed_s"] == first["exposed_s"]
    assert len(camera.control.releases()) == 1
    with pytest.raises(CommandError, match="key_reused"):
        await client.command("capture_image", bulb_s=0.3, key="the key")


async def test_the_picture_of_a_client_that_left_is_taken(
    client: Client, shared_server: Server, camera: OneCamera
) -> None:
    async with await Client.connect(shared_server) as leaving:
        await leaving.command("subscribe", events=["exposure_started"])
        await start(leaving)
    await client.command("stop_exposure")

    async def ready() -> bool:
        return bool((await client.command("get_camera_info"))["state"] == "ready")

    await until_answers(ready)
    assert len(camera.control.state()["files"]) == 1


@pytest.mark.parametrize(
    ("payload", "words"),
    [({"bulb_s": 0}, "greater than or equal to 0.1"), ({"bulb_s": 36001}, "less than or equal to 36000"),
     ({"bulb_s": "1"}, "number"), ({"bulb_s": 1, "settings": {"shutterspeed": "1/60"}}, "not both")],
)  # fmt: skip
async def test_invalid_exposures_are_rejected(client: Client, payload: Json, words: str) -> None:
    with pytest.raises(CommandError, match=words) as error:
        await client.command("capture_image", **payload)
    assert error.value.code == "invalid_payload"


async def test_there_is_no_exposure_to_stop(client: Client) -> None:
    with pytest.raises(CommandError, match="no_exposure"):
        await client.command("stop_exposure")


@pytest.mark.parametrize("shared_camera", ["canon", "canon without bulb operations"], indirect=True)
@pytest.mark.parametrize(("dial", "possible"), [("Manual", True), ("Bulb", True), ("P", False), ("AV", False)])
async def test_the_error_says_how_to_turn_the_dial(
    client: Client, camera: OneCamera, dial: str, possible: bool
) -> None:
    await asyncio.to_thread(camera.control.set, "autoexposuremode", dial)
    if possible:
        await client.command("capture_image", bulb_s=0.2)
        return
    with pytest.raises(CommandError, match="Turn the mode dial to M") as error:
        await client.command("capture_image", bulb_s=0.2)
    assert error.value.code == "bulb_unavailable"
    assert "dial" in error.value.details["how"]
    assert camera.control.releases() == []
    assert camera.control.state()["properties"]["autoexposuremode"] == dial


async def test_a_nikon_on_another_dial_position_gets_its_mode_back(tmp_path: Path) -> None:
    with one_camera(*MAKERS["nikon"]) as camera:
        camera.control.set("expprogram", "A")
        camera.control.set("longexpnr", "On")
        server = Server(cwd=tmp_path, NETWORK_CAMERAS=camera.port)
        async with await Client.connect(server) as client:
            captured = await client.command("capture_image", bulb_s=1)  # noise reduction takes another second
        state = camera.control.state()
        assert (state["properties"]["expprogram"], "warnings" in captured) == ("A", False)
        assert last_exposure(camera)["settings"]["expprogram"] == "M"
        assert server.stop() == 0


async def test_a_camera_without_bulb_exposures(new_server: Callable[..., Server], picture_folder: Path) -> None:
    server = new_server(VCAMERADIR=str(picture_folder))
    async with await Client.connect(server) as client:
        with pytest.raises(CommandError, match="has no bulb exposures") as error:
            await client.command("capture_image", bulb_s=1)
    assert error.value.code == "bulb_unavailable"
    assert error.value.details["how"] in str(error.value)
