"""AUTO_SAVE: every new picture is saved, also those of the camera's own button (tethered shooting)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until

RAW_AND_JPEG = {"canon": ("imageformat", "RAW + L"), "nikon": ("imagequality", "NEF+Fine")}


@pytest.fixture
def start(new_server: Callable[..., Server], tmp_path: Path) -> Callable[[OneCamera], Server]:
    """A function that starts a server with AUTO_SAVE for a camera."""
    return lambda camera: new_server(NETWORK_CAMERAS=camera.port, AUTO_SAVE="yes", PHOTO_DIR=str(tmp_path / "photos"))


@pytest.mark.parametrize("maker", RAW_AND_JPEG)
async def test_pictures_of_the_button_are_saved_in_pairs(
    start: Callable[[OneCamera], Server], own_camera: Callable[..., OneCamera], maker: str
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    async with await Client.connect(start(camera)) as client:
        await client.info_with_card()
        name, value = RAW_AND_JPEG[maker]
        await client.command("set_config", name=name, value=value)
        await client.command("subscribe", events=["capture_saved"])
        pressed = [path for _ in range(3) for path in camera.control.shutter()]
        saved = {}
        for _ in pressed:
            event = await client.event("capture_saved")
            saved[event["camera_filepath"]] = Path(event["saved_path"])
    on_camera = {file["path"]: file["size"] for file in camera.control.state()["files"]}
    assert saved.keys() == on_camera.keys() == set(pressed)
    assert {path: file.stat().st_size for path, file in saved.items()} == on_camera
    stems: dict[str, set[str]] = {}
    for path, file in saved.items():
        stems.setdefault(path.rpartition(".")[0], set()).add(str(file.with_suffix("")))
    assert [len(names) for names in stems.values()] == [1, 1, 1]
    assert len({name for names in stems.values() for name in names}) == 3


async def test_a_file_that_follows_late_gets_the_name_of_its_shot(
    start: Callable[[OneCamera], Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    async with await Client.connect(start(camera)) as client:
        await client.info_with_card()
        await client.command("set_config", name="imageformat", value="RAW + L")
        await client.command("subscribe", events=["capture_saved"])
        camera.control.fault("late_file", seconds=2.0)
        camera.control.shutter()
        saved = [Path((await client.event("capture_saved"))["saved_path"]) for _ in range(2)]
    assert saved[0].with_suffix("") == saved[1].with_suffix("")


async def test_pictures_of_commands_are_saved_too_and_only_once(
    start: Callable[[OneCamera], Server], own_camera: Callable[..., OneCamera], tmp_path: Path
) -> None:
    camera = own_camera(*QUICK)
    async with await Client.connect(start(camera)) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["capture_saved"])
        captured = await client.command("capture_image")
        saved = Path(captured["files"][0]["saved_path"])
        camera.control.shutter()
        await client.event(lambda event: event.get("camera_filepath") != captured["camera_filepath"])
    assert saved.is_file()
    await until(lambda: len(list((tmp_path / "photos").iterdir())) == 2)


async def test_without_its_folder_pictures_are_taken_and_saved_later(
    start: Callable[[OneCamera], Server], own_camera: Callable[..., OneCamera], tmp_path: Path
) -> None:
    camera = own_camera(*QUICK)
    photos = tmp_path / "photos"
    photos.write_text("no folder")
    async with await Client.connect(start(camera)) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["capture_saved"])
        captured = await client.command("capture_image")
        assert any("not saved yet" in warning for warning in captured["warnings"])
        assert captured["files"][0].get("saved_path") is None
        with pytest.raises(CommandError, match="folder_not_writable"):
            await client.command("capture_image", save=True)
        photos.unlink()
        event = await client.event("capture_saved")
    assert event["camera_filepath"] == captured["camera_filepath"]
    assert Path(event["saved_path"]).is_file()
