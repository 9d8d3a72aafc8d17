"""A shot with an unknown outcome: the server searches the card for the file, and emits an event with the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until, until_answers

SPARE = 2  # the index of a camera that the shared server does not use
CAPTURE, FULL_PRESS, RELEASE = "0x9128", 1, "0x9129"
NIKON_CAPTURE = "0x9207"
FIRST = "/store_00020001/DCIM/100CANON/IMG_0001.JPG"


@pytest.fixture
def server(new_server: Callable[..., Server], simulator: Control, ports: list[str]) -> Server:
    """A new server for the spare camera."""
    return new_server(NETWORK_CAMERAS=ports[SPARE], RESTART_DELAY="0.3")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of the new server."""
    async with await Client.connect(server) as client:
        yield client


async def capture_with_unknown_outcome(client: Client, server: Server, simulator: Control, port: str) -> None:
    """Start a shot, and kill the camera process after the release and before the reply."""
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=1, camera=SPARE)
    capture = asyncio.create_task(client.command("capture_image"))
    await until(lambda: simulator.state(SPARE)["shots"] == 1)
    (await camera_process(server.process.pid, port)).kill()
    with pytest.raises(CommandError, match="capture_unknown"):
        await capture


async def test_the_file_of_an_unknown_shot_is_found_and_reported(
    client: Client, server: Server, simulator: Control, ports: list[str]
) -> None:
    await client.info_with_card()
    await client.command("subscribe", events=["capture_checked"])
    await capture_with_unknown_outcome(client, server, simulator, ports[SPARE])
    event = await client.event("capture_checked")
    assert event["files"] == [FIRST]
    assert FIRST in event["message"]
    assert (await client.info_with_card())["last_unknown_capture"]["files"] == [FIRST]
    assert (await client.command("download_last_image"))["camera_filepath"] == FIRST


async def test_a_shot_after_the_unknown_shot_is_not_reported_as_its_file(
    client: Client, server: Server, simulator: Control, ports: list[str]
) -> None:
    await client.info_with_card()
    await client.command("subscribe", events=["capture_checked"])
    await capture_with_unknown_outcome(client, server, simulator, ports[SPARE])
    second = await client.command("capture_image")
    assert (await client.event("capture_checked"))["files"] == [FIRST]
    assert second["camera_filepath"].endswith("IMG_0002.JPG")


@pytest.mark.parametrize("error", [("busy", {}), ("code", {"code": 0x2005}), ("code", {"code": 0x200C})], ids=str)
async def test_an_error_after_the_shutter_fired_is_an_unknown_outcome(
    client: Client, simulator: Control, error: tuple[str, dict[str, int]]
) -> None:
    await client.info_with_card()
    await client.command("subscribe", events=["capture_checked"])
    kind, arguments = error
    simulator.fault(kind, RELEASE, camera=SPARE, times=1, **arguments)
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.command("capture_image")
    assert simulator.state(SPARE)["shots"] == 1
    assert (await client.event("capture_checked"))["files"] == [FIRST]


async def test_no_picture_is_lost_if_a_nikon_fires_and_answers_busy(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    """libgphoto2 itself releases the shutter again then."""
    camera = own_camera("--maker", "nikon", *QUICK)
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("subscribe", events=["file_added"])
        camera.control.fault("code", NIKON_CAPTURE, code=0x2019, execute=True)
        shot = await client.command("capture_image")
        assert [file["filename"] for file in shot["files"]] == ["DSC_0001.JPG"]
        added = [(await client.event("file_added"))["camera_filepath"] for _ in range(2)]
    assert sorted(path.rpartition("/")[2] for path in added) == ["DSC_0001.JPG", "DSC_0002.JPG"]
    assert camera.control.state()["shots"] == 2


async def test_if_the_shutter_did_not_fire_no_file_is_reported(
    client: Client, server: Server, simulator: Control
) -> None:
    await client.info_with_card()
    await client.command("subscribe", events=["capture_checked"])
    simulator.fault("silent", CAPTURE, after=FULL_PRESS, camera=SPARE)
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.command("capture_image")
    event = await client.event("capture_checked")
    assert (event["files"], simulator.state(SPARE)["shots"]) == ([], 0)


async def test_after_a_kill_during_a_shot_the_next_server_looks_for_its_file(
    client: Client, server: Server, simulator: Control, ports: list[str], new_server: Callable[..., Server]
) -> None:
    await client.info_with_card()
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=1, camera=SPARE)
    await client.socket.send(json.dumps({"command": "capture_image"}))
    await until(lambda: simulator.state(SPARE)["shots"] == 1)
    server.kill()
    second = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(second) as second_client:
        assert (await second_client.info_with_card())["last_unknown_capture"]["files"] == [FIRST]
        (await second_client.command("capture_image"))
    assert second.stop() == 0  # two servers would take the camera from each other
    async with await Client.connect(new_server(NETWORK_CAMERAS=ports[SPARE])) as third_client:
        assert "last_unknown_capture" not in await third_client.info_with_card()


async def test_captures_work_if_the_state_folder_is_not_writable(
    new_server: Callable[..., Server], simulator: Control, ports: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    server = new_server(NETWORK_CAMERAS=ports[SPARE], STATE_DIR=str(tmp_path / "file"))
    async with await Client.connect(server) as client:
        assert (await client.command("capture_image"))["status"] == "ok"
    server.wait_for_log("Shots in progress are kept in memory only")


@pytest.mark.parametrize("code", [0x2002, 0x200F, 0x200C, 0xA102, 0xFFFF, 0x2019], ids=hex)
async def test_a_camera_that_fires_and_answers_with_an_error_fires_once_and_the_picture_is_known(
    client: Client, simulator: Control, code: int
) -> None:
    simulator.fault("code", CAPTURE, after=FULL_PRESS, code=code, execute=True, camera=SPARE)
    assert (await client.command("capture_image"))["camera_filepath"] == FIRST
    assert simulator.state(SPARE)["shots"] == 1


@pytest.mark.parametrize("code", [0x2002, 0xA102, 0xFFFF], ids=hex)
async def test_a_camera_that_answers_with_an_error_and_does_not_fire_is_reported_within_a_second(
    client: Client, simulator: Control, code: int
) -> None:
    simulator.fault("code", CAPTURE, after=FULL_PRESS, code=code, camera=SPARE)
    with pytest.raises(CommandError) as failed:
        await client.command("capture_image")
    assert (failed.value.code, simulator.state(SPARE)["shots"]) == ("camera_error", 0)
    assert (await client.command("capture_image"))["camera_filepath"] == FIRST


@pytest.mark.parametrize("raw", [False, True], ids=["JPEG", "RAW and JPEG"])
async def test_files_that_were_saved_and_deleted_before_a_kill_are_reported(
    client: Client, server: Server, simulator: Control, ports: list[str], new_server: Callable[..., Server], raw: bool
) -> None:
    await client.info_with_card()
    # The camera deletes the file and sends no reply. With RAW and JPEG, this happens at the first file.
    simulator.fault("silent", "DeleteObject", execute=True, camera=SPARE)
    order: Json = {"save": True, "keep_on_camera": False, "key": "the only one"}
    if raw:
        order["settings"] = {"imageformat": "RAW + L"}
    await client.socket.send(json.dumps({"command": "capture_image", "payload": order}))
    await until(lambda: bool(simulator.state(SPARE)["deleted"]))
    server.kill()
    async with await Client.connect(new_server(NETWORK_CAMERAS=ports[SPARE])) as second_client:
        repeated = await second_client.command("capture_image", **order)
        shot = await second_client.command("get_shot", shot=repeated["shot"])
        finding = (await second_client.info_with_card())["last_unknown_capture"]
    (release,) = simulator.releases(SPARE)
    written = sorted((file["path"] for file in release["files"]), key=lambda path: not path.endswith(".JPG"))
    assert [file["camera_filepath"] for file in repeated["files"]] == written
    assert (repeated["repeated"], Path(repeated["files"][0]["saved_path"]).stat().st_size) == (
        True,
        repeated["files"][0]["size"],
    )
    assert (shot["outcome"], [file["camera_filepath"] for file in shot["files"]]) == ("done", written)
    assert shot["files"][0]["saved_path"] == repeated["files"][0]["saved_path"]
    assert finding["files"] == written
    assert [warning.partition(",")[0] for warning in repeated.get("warnings", [])] == [
        "IMG_0001.CR2 was not saved"
    ] * raw


async def test_a_file_that_was_saved_and_not_deleted_before_a_kill_has_a_warning(
    client: Client, server: Server, simulator: Control, ports: list[str], new_server: Callable[..., Server]
) -> None:
    await client.info_with_card()
    simulator.fault("silent", "DeleteObject", camera=SPARE)
    order: Json = {"save": True, "keep_on_camera": False, "key": "the only one"}
    await client.socket.send(json.dumps({"command": "capture_image", "payload": order}))
    await until(lambda: not simulator.state(SPARE)["faults"])
    server.kill()
    async with await Client.connect(new_server(NETWORK_CAMERAS=ports[SPARE])) as second_client:
        repeated = await second_client.command("capture_image", **order)
    assert [file["camera_filepath"] for file in repeated["files"]] == [FIRST]
    assert repeated["files"][0]["saved_path"]
    assert "not deleted from the camera" in repeated["warnings"][0]


@pytest.mark.parametrize("killed", ["camera process", "server"])
async def test_a_picture_of_the_own_button_just_before_an_unknown_shot_is_not_reported_as_its_file(
    client: Client, server: Server, simulator: Control, ports: list[str], new_server: Callable[..., Server], killed: str
) -> None:
    await client.info_with_card()
    simulator.fault("late", CAPTURE, after=FULL_PRESS, seconds=1, camera=SPARE)
    async with await Client.connect(server) as watcher:
        await watcher.command("subscribe", events=["file_added"])
        await asyncio.to_thread(simulator.shutter, SPARE)
        await client.socket.send(json.dumps({"command": "capture_image", "payload": {"key": "the only one"}}))
        await until(lambda: simulator.state(SPARE)["shots"] == 2)
        await watcher.event("file_added")
        await watcher.command("list_shots")  # which is read after the record of the release was written
    if killed == "server":
        server.kill()
        server = new_server(NETWORK_CAMERAS=ports[SPARE])
    else:
        (await camera_process(server.process.pid, ports[SPARE])).kill()
    second = FIRST.replace("IMG_0001", "IMG_0002")
    async with await Client.connect(server) as second_client:

        async def known() -> bool:
            return (await second_client.command("list_shots"))["shots"][0]["outcome"] is not None

        await until_answers(known)
        shot = (await second_client.command("list_shots"))["shots"][0]
    assert [file["camera_filepath"] for file in shot["files"]] == [second]
