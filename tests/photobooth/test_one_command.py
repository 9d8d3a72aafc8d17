"""A photo in one command: settings for the shot, download, save, and what happens when something is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from simulator.client import Control
from tests.support.rig import Client, CommandError, Json, Server

ISO_TAG = 0x8827


def picture_of(reply: Json) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(reply["image_b64"], validate=True)))


def iso_of(image: Image.Image) -> int:
    return int(image.getexif().get_ifd(0x8769)[ISO_TAG])


async def test_settings_are_for_the_shot_and_put_back(guest: Client, camera: Control) -> None:
    reply = await guest.command("capture_image", settings={"iso": "800", "aperture": 8}, download="full")
    assert iso_of(picture_of(reply)) == 800
    assert (await guest.command("get_config", name="iso"))["value"] == "100"
    assert (await guest.command("get_config", name="aperture"))["value"] == "5.6"
    assert camera.state()["shots"] == 1


async def test_a_refused_setting_takes_no_picture_and_puts_the_others_back(guest: Client, camera: Control) -> None:
    with pytest.raises(CommandError) as refused:
        await guest.command("capture_image", settings={"iso": "800", "aperture": "77"})
    assert refused.value.code == "invalid_value"
    assert "8" in refused.value.details["choices"]
    assert "iso" in refused.value.details["put_back"]
    assert (await guest.command("get_config", name="iso"))["value"] == "100"
    assert camera.state()["shots"] == 0


async def test_the_operators_iso_is_for_pictures_and_the_clients_goes_before_it(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(CAPTURE_ISO="400")) as client:
        assert iso_of(picture_of(await client.command("capture_image", download="full"))) == 400
        own = await client.command("capture_image", download="full", settings={"iso": 1600})
        assert iso_of(picture_of(own)) == 1600
        assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_an_iso_in_the_settings_that_the_camera_has_not_does_not_stop_the_booth(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    server = new_booth(CAPTURE_ISO="123")
    async with await Client.connect(server) as client:
        await client.command("capture_image")
    server.wait_for_log("Configured ISO 123 is not used")


async def test_the_preview_iso_is_set_while_somebody_watches(new_booth: Callable[..., Server], camera: Control) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="3200", CAPTURE_ISO="200")) as client:
        await client.command("start_live_view")
        assert (await client.command("get_config", name="iso"))["value"] == "3200"
        assert iso_of(picture_of(await client.command("capture_image", download="full"))) == 200
        assert (await client.command("get_config", name="iso"))["value"] == "3200"
        await client.command("subscribe", events=["camera_state"])
        await client.command("stop_live_view")
        await client.event(lambda event: event.get("state") == "ready")
        assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_saved_picture_is_what_the_camera_took(guest: Client, camera: Control, photos: Path) -> None:
    reply = await guest.command("capture_image", save=True)
    saved = Path(reply["files"][0]["saved_path"])
    assert saved.parent == photos
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_IMG_0001\.jpg", saved.name)
    (held,) = camera.state(sha256=True)["files"]
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == held["sha256"]
    assert [path.name for path in photos.iterdir()] == [saved.name]


async def test_a_client_that_leaves_in_the_middle_of_its_picture_loses_no_photo(
    new_booth: Callable[..., Server], camera: Control, photos: Path
) -> None:
    booth = new_booth()
    leaver = await Client.connect(booth)
    payload = {"download": "full", "save": True}
    await leaver.socket.send(json.dumps({"command": "capture_image", "payload": payload}))
    async for _ in leaver.socket.recv_streaming():
        leaver.socket.transport.abort()
        break
    async with await Client.connect(booth) as client:  # a camera does one thing at a time: this comes after the photo
        await client.command("get_config", name="iso")
    (saved,) = photos.iterdir()
    (held,) = camera.state(sha256=True)["files"]
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == held["sha256"]


async def test_raw_and_jpeg_are_both_saved_and_the_jpeg_is_the_picture(guest: Client, camera: Control) -> None:
    await guest.command("set_config", name="imageformat", value="RAW + L")
    reply = await guest.command("capture_image", save=True, download="full", filename="guest.png")
    names = [Path(file["saved_path"]).name for file in reply["files"]]
    assert names == ["guest.jpg", "guest.cr2"]
    assert reply["mimetype"] == "image/jpeg"
    assert picture_of(reply).size == (1296, 864)


async def test_a_name_is_never_overwritten(guest: Client, camera: Control, photos: Path) -> None:
    photos.mkdir()
    (photos / "guest.jpg").write_text("somebody's")
    reply = await guest.command("capture_image", save=True, filename="guest.jpg")
    assert Path(reply["files"][0]["saved_path"]).name == "guest-2.jpg"
    assert (photos / "guest.jpg").read_text() == "somebody's"


@pytest.mark.parametrize(
    "name", ["../guest.jpg", "a/b.jpg", "/etc/guest.jpg", ".hidden", "..", "a\\b", "a\0b", "x" * 199 + "é"]
)
async def test_a_name_cannot_leave_the_folder(guest: Client, camera: Control, name: str) -> None:
    with pytest.raises(CommandError) as refused:
        await guest.command("capture_image", save=True, filename=name)
    assert refused.value.code == "invalid_path"
    assert camera.state()["shots"] == 0


async def test_the_copy_on_the_camera_goes_once_it_is_saved(guest: Client, camera: Control) -> None:
    reply = await guest.command("capture_image", save=True, keep_on_camera=False)
    assert Path(reply["files"][0]["saved_path"]).is_file()
    assert camera.state()["files"] == []


async def test_without_saving_the_copy_on_the_camera_cannot_go(guest: Client, camera: Control) -> None:
    with pytest.raises(CommandError) as refused:
        await guest.command("capture_image", keep_on_camera=False)
    assert refused.value.code == "invalid_payload"
    assert "save" in str(refused.value)
    assert camera.state()["shots"] == 0


async def test_a_picture_that_cannot_be_fetched_stays_on_the_camera_and_the_reply_says_so(
    guest: Client, camera: Control, photos: Path
) -> None:
    camera.fault("code", operation="0x9107", code="0x2002", times=None)
    camera.fault("code", operation="0x1009", code="0x2002", times=None)
    camera.fault("code", operation="0x101B", code="0x2002", times=None)
    reply = await guest.command("capture_image", save=True, keep_on_camera=False)
    assert "still on the camera" in reply["warnings"][0]
    assert "saved_path" not in reply["files"][0]
    assert len(camera.state()["files"]) == camera.state()["shots"] == 1
    assert list(photos.iterdir()) == []


async def test_a_photo_folder_that_cannot_be_used_is_refused_before_the_shutter(
    guest: Client, camera: Control, photos: Path
) -> None:
    photos.write_text("a file in the folder's place")
    with pytest.raises(CommandError) as refused:
        await guest.command("capture_image", save=True)
    assert refused.value.code == "folder_not_writable"
    assert f"{photos} is not a folder" in str(refused.value)
    assert camera.state()["shots"] == 0


async def test_the_thumbnail_of_a_photo_that_does_not_stay_on_the_camera(guest: Client, camera: Control) -> None:
    reply = await guest.command("capture_image", download="thumbnail", save=True, keep_on_camera=False)
    assert (picture_of(reply).size, reply.get("warnings")) == ((160, 120), None)
    assert camera.state()["files"] == []


async def test_the_thumbnail_alone(guest: Client, camera: Control) -> None:
    reply = await guest.command("capture_image", download="thumbnail")
    assert max(picture_of(reply).size) <= 160


async def test_the_reply_tells_how_long_it_took(guest: Client, camera: Control) -> None:
    timing = (await guest.command("capture_image", download="full"))["timing"]
    assert 0 < timing["shutter_ms"] < timing["file_known_ms"] < timing["file_here_ms"]


async def test_live_view_goes_on_after_a_photo(guest: Client, camera: Control) -> None:
    await guest.command("start_live_view", format="binary")
    await guest.command("capture_image", save=True)
    guest.binary.clear()
    while not guest.binary:
        await guest.receive()
    assert camera.state()["live_view"]


async def test_capture_saved_is_told_to_who_asked(guest: Client, camera: Control) -> None:
    await guest.command("subscribe", events=["capture_saved"])
    reply = await guest.command("capture_image", save=True)
    event = await guest.event("capture_saved")
    assert event["saved_path"] == reply["files"][0]["saved_path"]
