"""A photo in one command: settings of the shot, download, save, and rejected requests."""

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


async def test_settings_apply_to_the_shot_and_are_restored(booth_client: Client, camera: Control) -> None:
    reply = await booth_client.command("capture_image", settings={"iso": "800", "aperture": 8}, download="full")
    assert iso_of(picture_of(reply)) == 800
    assert (await booth_client.command("get_config", name="iso"))["value"] == "100"
    assert (await booth_client.command("get_config", name="aperture"))["value"] == "5.6"
    assert camera.state()["shots"] == 1


async def test_a_rejected_setting_takes_no_picture_and_restores_the_others(
    booth_client: Client, camera: Control
) -> None:
    with pytest.raises(CommandError) as caught:
        await booth_client.command("capture_image", settings={"iso": "800", "aperture": "77"})
    assert caught.value.code == "invalid_value"
    assert "8" in caught.value.details["choices"]
    assert "iso" in caught.value.details["put_back"]
    assert (await booth_client.command("get_config", name="iso"))["value"] == "100"
    assert camera.state()["shots"] == 0


async def test_capture_iso_applies_unless_the_client_sets_an_iso(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(CAPTURE_ISO="400")) as client:
        assert iso_of(picture_of(await client.command("capture_image", download="full"))) == 400
        reply_with_iso = await client.command("capture_image", download="full", settings={"iso": 1600})
        assert iso_of(picture_of(reply_with_iso)) == 1600
        assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_configured_iso_that_the_camera_lacks_is_ignored(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    server = new_booth(CAPTURE_ISO="123")
    async with await Client.connect(server) as client:
        await client.command("capture_image")
    server.wait_for_log("Configured ISO 123 is not used")


async def test_the_preview_iso_is_set_during_live_view(new_booth: Callable[..., Server], camera: Control) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="3200", CAPTURE_ISO="200")) as client:
        await client.command("start_live_view")
        assert (await client.command("get_config", name="iso"))["value"] == "3200"
        assert iso_of(picture_of(await client.command("capture_image", download="full"))) == 200
        assert (await client.command("get_config", name="iso"))["value"] == "3200"
        await client.command("subscribe", events=["camera_state"])
        await client.command("stop_live_view")
        await client.event(lambda event: event.get("state") == "ready")
        assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_saved_picture_is_identical_to_the_cameras_file(
    booth_client: Client, camera: Control, photos: Path
) -> None:
    reply = await booth_client.command("capture_image", save=True)
    saved = Path(reply["files"][0]["saved_path"])
    assert saved.parent == photos
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_IMG_0001\.jpg", saved.name)
    (on_camera,) = camera.state(sha256=True)["files"]
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == on_camera["sha256"]
    assert [path.name for path in photos.iterdir()] == [saved.name]


async def test_the_photo_is_saved_when_the_client_disconnects_during_its_reply(
    new_booth: Callable[..., Server], camera: Control, photos: Path
) -> None:
    booth = new_booth()
    leaving_client = await Client.connect(booth)
    payload = {"download": "full", "save": True}
    await leaving_client.socket.send(json.dumps({"command": "capture_image", "payload": payload}))
    async for _ in leaving_client.socket.recv_streaming():
        leaving_client.socket.transport.abort()
        break
    # The commands of a camera run one after the other, so get_config waits until the photo is saved.
    async with await Client.connect(booth) as client:
        await client.command("get_config", name="iso")
    (saved,) = photos.iterdir()
    (on_camera,) = camera.state(sha256=True)["files"]
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == on_camera["sha256"]


async def test_raw_and_jpeg_are_both_saved_and_the_jpeg_is_returned(booth_client: Client, camera: Control) -> None:
    await booth_client.command("set_config", name="imageformat", value="RAW + L")
    reply = await booth_client.command("capture_image", save=True, download="full", filename="guest.png")
    names = [Path(file["saved_path"]).name for file in reply["files"]]
    assert names == ["guest.jpg", "guest.cr2"]
    assert reply["mimetype"] == "image/jpeg"
    assert picture_of(reply).size == (1296, 864)


async def test_an_existing_file_is_never_overwritten(booth_client: Client, camera: Control, photos: Path) -> None:
    photos.mkdir()
    (photos / "guest.jpg").write_text("somebody's")
    reply = await booth_client.command("capture_image", save=True, filename="guest.jpg")
    assert Path(reply["files"][0]["saved_path"]).name == "guest-2.jpg"
    assert (photos / "guest.jpg").read_text() == "somebody's"


@pytest.mark.parametrize(
    "name", ["../guest.jpg", "a/b.jpg", "/etc/guest.jpg", ".hidden", "..", "a\\b", "a\0b", "x" * 199 + "é"]
)
async def test_a_file_name_with_a_path_is_rejected(booth_client: Client, camera: Control, name: str) -> None:
    with pytest.raises(CommandError) as caught:
        await booth_client.command("capture_image", save=True, filename=name)
    assert caught.value.code == "invalid_path"
    assert camera.state()["shots"] == 0


async def test_with_keep_on_camera_false_the_saved_file_is_deleted_on_the_camera(
    booth_client: Client, camera: Control
) -> None:
    reply = await booth_client.command("capture_image", save=True, keep_on_camera=False)
    assert Path(reply["files"][0]["saved_path"]).is_file()
    assert camera.state()["files"] == []


async def test_keep_on_camera_false_requires_save(booth_client: Client, camera: Control) -> None:
    with pytest.raises(CommandError) as caught:
        await booth_client.command("capture_image", keep_on_camera=False)
    assert caught.value.code == "invalid_payload"
    assert "save" in str(caught.value)
    assert camera.state()["shots"] == 0


async def test_a_picture_that_cannot_be_downloaded_stays_on_the_camera_with_a_warning(
    booth_client: Client, camera: Control, photos: Path
) -> None:
    camera.fault("code", operation="0x9107", code="0x2002", times=None)
    camera.fault("code", operation="0x1009", code="0x2002", times=None)
    camera.fault("code", operation="0x101B", code="0x2002", times=None)
    reply = await booth_client.command("capture_image", save=True, keep_on_camera=False)
    assert "still on the camera" in reply["warnings"][0]
    assert "saved_path" not in reply["files"][0]
    assert len(camera.state()["files"]) == camera.state()["shots"] == 1
    assert list(photos.iterdir()) == []


async def test_an_unusable_photo_folder_is_reported_before_the_shot(
    booth_client: Client, camera: Control, photos: Path
) -> None:
    photos.write_text("a file in the folder's place")
    with pytest.raises(CommandError) as caught:
        await booth_client.command("capture_image", save=True)
    assert caught.value.code == "folder_not_writable"
    assert f"{photos} is not a folder" in str(caught.value)
    assert camera.state()["shots"] == 0


async def test_a_thumbnail_is_returned_although_the_photo_is_deleted_on_the_camera(
    booth_client: Client, camera: Control
) -> None:
    reply = await booth_client.command("capture_image", download="thumbnail", save=True, keep_on_camera=False)
    assert (picture_of(reply).size, reply.get("warnings")) == ((160, 120), None)
    assert camera.state()["files"] == []


async def test_only_a_thumbnail_can_be_downloaded(booth_client: Client, camera: Control) -> None:
    reply = await booth_client.command("capture_image", download="thumbnail")
    assert max(picture_of(reply).size) <= 160


async def test_the_reply_contains_the_timing(booth_client: Client, camera: Control) -> None:
    timing = (await booth_client.command("capture_image", download="full"))["timing"]
    assert 0 < timing["shutter_ms"] < timing["file_known_ms"] < timing["file_here_ms"]


async def test_live_view_continues_after_a_photo(booth_client: Client, camera: Control) -> None:
    await booth_client.command("start_live_view", format="binary")
    await booth_client.command("capture_image", save=True)
    booth_client.binary.clear()
    while not booth_client.binary:
        await booth_client.receive()
    assert camera.state()["live_view"]


async def test_capture_saved_is_emitted_to_subscribers(booth_client: Client, camera: Control) -> None:
    await booth_client.command("subscribe", events=["capture_saved"])
    reply = await booth_client.command("capture_image", save=True)
    event = await booth_client.event("capture_saved")
    assert event["saved_path"] == reply["files"][0]["saved_path"]
    assert (event["shot"], event["job"]) == (reply["shot"], None)
