"""Captures with files on the card and in the RAM of the camera, and shots with the camera's own button."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulator.client import Control
from tests.support.marks import decoded, from_base64, mark
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until

CARD = "/store_00020001/DCIM/100CANON"


async def download(client: Client, path: str | None = None) -> bytes:
    """Download the picture with this path, or the last picture."""
    payload: Json = {} if path is None else {"camera_filepath": path}
    return from_base64((await client.command("download_last_image", **payload))["image_b64"])


@pytest.fixture
async def to_ram(client: Client) -> AsyncIterator[None]:
    """Set the camera to save pictures in its RAM. The test restores the setting, because the driver keeps it."""
    await client.command("set_config", name="capturetarget", value="Internal RAM")
    yield
    await client.command("set_config", name="capturetarget", value="Memory card")


async def test_raw_and_jpeg_are_both_reported_and_the_jpeg_is_the_picture(client: Client) -> None:
    await client.command("set_config", name="imageformat", value="RAW + L")
    captured = await client.command("capture_image")
    assert [file["camera_filepath"] for file in captured["files"]] == [f"{CARD}/IMG_0001.JPG", f"{CARD}/IMG_0001.CR2"]
    assert [file["mimetype"] for file in captured["files"]] == ["image/jpeg", "image/x-canon-cr2"]
    assert captured["camera_filepath"] == f"{CARD}/IMG_0001.JPG"
    for file in captured["files"]:
        assert len(await download(client, file["camera_filepath"])) == file["size"]
    assert mark(await download(client), "shot") == 1


async def test_a_shot_that_is_only_raw_is_the_picture(client: Client) -> None:
    await client.command("set_config", name="imageformat", value="RAW")
    captured = await client.command("capture_image")
    assert [file["filename"] for file in captured["files"]] == ["IMG_0001.CR2"]
    assert len(await download(client)) == captured["files"][0]["size"]


async def test_each_shot_has_its_own_files(client: Client, simulator: Control) -> None:
    await client.command("set_config", name="imageformat", value="RAW + L")
    shots = [await client.command("capture_image") for _ in range(3)]
    paths = [file["camera_filepath"] for shot in shots for file in shot["files"]]
    assert len(set(paths)) == 6
    assert sorted(paths) == sorted(file["path"] for file in simulator.state()["files"])


@pytest.mark.usefixtures("to_ram")
async def test_shots_in_ram_can_all_be_downloaded(client: Client, simulator: Control) -> None:
    paths = [(await client.command("capture_image"))["camera_filepath"] for _ in range(4)]
    assert len(set(paths)) == 4
    assert [mark(await download(client, path), "shot") for path in paths] == [1, 2, 3, 4]
    assert mark(await download(client), "shot") == 4
    assert simulator.state()["files"] == []
    assert simulator.state()["ram_files"] == 0


@pytest.mark.usefixtures("to_ram")
async def test_raw_and_jpeg_in_ram_are_both_kept(client: Client) -> None:
    await client.command("set_config", name="imageformat", value="RAW + L")
    for shot in (1, 2):
        files = (await client.command("capture_image"))["files"]
        assert [file["mimetype"] for file in files] == ["image/jpeg", "image/x-canon-cr2"]
        assert mark(await download(client, files[0]["camera_filepath"]), "shot") == shot
        assert len(await download(client, files[1]["camera_filepath"])) == files[1]["size"]


@pytest.mark.usefixtures("to_ram")
async def test_a_shot_in_ram_can_be_deleted(client: Client) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    await client.command("delete_file", camera_filepath=path)
    with pytest.raises(CommandError, match="file_not_found"):
        await client.command("download_last_image", camera_filepath=path)


@pytest.mark.usefixtures("to_ram")
async def test_the_capture_target_remains_after_a_restart_of_the_camera_process(
    client: Client, simulator: Control
) -> None:
    await client.command("restart_camera")
    await client.command("capture_image")
    assert simulator.state()["files"] == []
    assert mark(await download(client), "shot") == 1


@pytest.mark.usefixtures("to_ram")
async def test_a_shot_in_ram_remains_after_a_restart_of_the_camera_process(client: Client) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    await client.command("restart_camera")
    assert mark(await download(client, path), "shot") == 1


async def test_the_camera_button_is_reported_and_its_picture_is_the_last(client: Client, simulator: Control) -> None:
    await client.command("capture_image")
    await client.command("subscribe", events=["file_added"])
    (path,) = await asyncio.to_thread(simulator.shutter)
    added = await client.event("file_added")
    assert (added["camera_filepath"], added["port"]) == (path, simulator.state()["address"])
    assert mark(await download(client), "shot") == 2


async def test_the_camera_button_is_reported_during_live_view(client: Client, simulator: Control) -> None:
    await client.command("subscribe", events=["file_added"])
    await client.command("start_live_view", format="binary")
    (path,) = await asyncio.to_thread(simulator.shutter)
    assert (await client.event("file_added"))["camera_filepath"] == path


@pytest.mark.usefixtures("to_ram")
async def test_the_camera_button_with_pictures_to_ram_returns_the_right_picture(
    client: Client, simulator: Control
) -> None:
    await client.command("restart_camera")  # after each start, the driver uses the same names for pictures in RAM
    first = (await client.command("capture_image"))["camera_filepath"]
    await client.command("restart_camera")
    await client.command("subscribe", events=["file_added"])
    await asyncio.to_thread(simulator.shutter)
    added = (await client.event("file_added"))["camera_filepath"]
    assert mark(await download(client, added), "shot") == 2
    assert mark(await download(client), "shot") == 2
    assert mark(await download(client, first), "shot") == 1


async def test_a_shot_is_reported_to_subscribers_only(client: Client, server: Server, ports: list[str]) -> None:
    async with await Client.connect(server) as listener, await Client.connect(server) as unsubscribed:
        await listener.command("subscribe", events=["file_added", "camera_state"])
        path = (await client.command("capture_image"))["camera_filepath"]
        assert (await listener.event("file_added"))["camera_filepath"] == path
        await unsubscribed.command("ping")
        await client.command("ping")
        assert unsubscribed.events == client.events == []


async def test_a_path_that_is_used_again_returns_the_new_picture(client: Client, simulator: Control) -> None:
    path = (await client.command("capture_image"))["camera_filepath"]
    first = await download(client, path)
    simulator.reset()  # this formats the card, so that the next file gets the same name
    await client.command("restart_camera")  # because libgphoto2 caches the size of a file by its name
    await client.command("set_config", name="imageformat", value="S")
    assert (await client.command("capture_image"))["camera_filepath"] == path
    assert decoded(await download(client, path)).size < decoded(first).size


async def test_ten_captures_without_a_pause_succeed(client: Client, simulator: Control) -> None:
    paths = [(await client.command("capture_image"))["camera_filepath"] for _ in range(10)]
    assert paths == [f"{CARD}/IMG_{number:04d}.JPG" for number in range(1, 11)]
    assert simulator.state()["shots"] == 10


async def test_simultaneous_captures_of_two_clients_return_different_pictures(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    async with await Client.connect(server) as second_client:
        replies = await asyncio.gather(
            client.command("capture_image"), second_client.command("capture_image", port=ports[0])
        )
    assert {reply["camera_filepath"] for reply in replies} == {f"{CARD}/IMG_0001.JPG", f"{CARD}/IMG_0002.JPG"}
    assert simulator.state()["shots"] == 2


async def test_a_shot_completes_if_its_client_disconnects(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    await client.command("subscribe", events=["file_added"])
    disconnecting = await Client.connect(server)
    await disconnecting.socket.send(f'{{"command": "capture_image", "payload": {{"port": "{ports[0]}"}}}}')
    await until(lambda: simulator.state()["shots"] == 1)  # a shot that has not started is not taken for nobody
    disconnecting.socket.transport.abort()
    await client.event("file_added")
    assert simulator.state()["shots"] == 1
    assert (await client.command("capture_image"))["camera_filepath"] == f"{CARD}/IMG_0002.JPG"
