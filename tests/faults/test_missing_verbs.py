"""A camera whose driver lacks an operation: the other operations work, and the camera process is not ended."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from camera import detection
from camera.model import Capabilities, Detected, DetectedCamera
from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera, one_camera
from tests.support.drives import with_drive
from tests.support.in_process import InProcess
from tests.support.marks import from_base64
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until_answers

SPARE = 2  # the index of a camera that the shared server does not use
# The capabilities that libgphoto2 reports for a drive, such as a mounted memory card.
REPORTED = Capabilities(delete=True)
GET_EVENT, NOT_SUPPORTED = "0x9116", 0x2005


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A folder with the content of a memory card."""
    pictures = tmp_path / "card" / "DCIM" / "100TEST"
    pictures.mkdir(parents=True)
    Image.effect_noise((320, 240), 60).save(pictures / "IMG_0001.JPG")
    (tmp_path / "card" / "private").symlink_to("/etc")
    return tmp_path / "card"


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> list[DetectedCamera]:
    """A list to which a test adds cameras. The camera detection returns this list. The camera processes are real."""
    cameras: list[DetectedCamera] = []

    async def detect(drives: bool) -> Detected:
        return Detected("2.5.34", list(cameras))

    monkeypatch.setattr(detection, "detect", detect)
    return cameras


async def error_code(client: Client, command: str, **payload: Any) -> str:
    with pytest.raises(CommandError) as error:
        await client.command(command, **payload)
    return error.value.code


async def test_files_of_a_memory_card_can_be_listed_downloaded_and_deleted(
    card: Path,
    detected: list[DetectedCamera],
    in_process: Callable[..., Awaitable[InProcess]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, path = f"disk:{card}", "/DCIM/100TEST/IMG_0001.JPG"
    detected.append(DetectedCamera("Mass Storage Camera", port, REPORTED))
    server = await in_process(
        drives=True,
        keep_alive=0.2,
        capture_iso="100",
        preview_iso="100",
        sync_clock=True,
        clock_trust=lambda: "synchronized",
    )
    async with await server.connect() as client:
        await client.command("select_camera", port=port)
        (camera,) = (await client.command("list_cameras"))["cameras"]
        assert (camera["name"], camera["port"], camera["can"]) == ("Mass Storage Camera", port, ["delete"])
        process = await camera_process(psutil.Process().pid, port)
        for _ in range(3):  # the commands fail each time in the same way
            for command, payload in (
                ("capture_image", {}), ("capture_preview", {}), ("start_live_view", {}), ("get_config", {}),
                ("get_config", {"name": "iso"}), ("set_config", {"name": "iso", "value": "100"}),
                ("get_thumbnail", {"camera_filepath": path}), ("capture_image", {"settings": {"iso": "100"}}), ("sync_clock", {}),
            ):  # fmt: skip
                assert await error_code(client, command, **payload) == "not_supported", command
        (file,) = (await client.command("list_files", folder="/DCIM/100TEST"))["files"]
        assert (file["camera_filepath"], file["size"]) == (path, (card / path[1:]).stat().st_size)
        downloaded = from_base64((await client.command("download_last_image", camera_filepath=path))["image_b64"])
        assert hashlib.sha256(downloaded).digest() == hashlib.sha256((card / path[1:]).read_bytes()).digest()
        await client.command("delete_file", camera_filepath=path)
        assert not (card / path[1:]).exists()
        info = await client.command("get_camera_info")
        assert (info["state"], info["can"], info["model"]) == ("ready", ["delete"], "Mass Storage Camera")
        assert info["storage"][0]["free"] > 0
        assert "battery" not in info
        assert (await camera_process(psutil.Process().pid, port)).pid == process.pid
    assert "lost" not in caplog.text
    assert "CAPTURE_TARGET" not in caplog.text


async def test_a_link_on_a_memory_card_is_not_followed(
    card: Path, detected: list[DetectedCamera], in_process: Callable[..., Awaitable[InProcess]]
) -> None:
    detected.append(DetectedCamera("Mass Storage Camera", f"disk:{card}", REPORTED))
    server = await in_process(drives=True)
    async with await server.connect() as client:
        assert await error_code(client, "download_last_image", camera_filepath="/private/passwd") == "invalid_path"
        assert await error_code(client, "delete_file", camera_filepath="/private/passwd") == "invalid_path"
        assert await error_code(client, "list_files", folder="/private") == "invalid_path"


async def test_with_a_camera_and_a_memory_card_the_camera_is_the_default(
    card: Path,
    detected: list[DetectedCamera],
    in_process: Callable[..., Awaitable[InProcess]],
    simulator: Control,
    ports: list[str],
) -> None:
    detected.append(DetectedCamera("Mass Storage Camera", f"disk:{card}", REPORTED))
    server = await in_process(ports[SPARE], drives=True)
    async with await server.connect() as client:
        cameras = (await client.command("list_cameras"))["cameras"]
        assert [camera["port"] for camera in cameras] == [ports[SPARE], f"disk:{card}"]
        assert (await client.command("get_config", name="iso"))["value"] == "100"
        assert (await client.command("list_files", folder="/DCIM", port=f"disk:{card}"))["folders"] == ["100TEST"]


@pytest.mark.parametrize("setting", ["", "yes"])
async def test_drives_are_listed_as_cameras_only_with_disk_cameras(card: Path, tmp_path: Path, setting: str) -> None:
    mount_point = tmp_path / "mnt"
    server = Server(cwd=tmp_path, through=with_drive(mount_point, card), DISK_CAMERAS=setting)
    try:
        async with await Client.connect(server) as client:

            async def detection_done() -> bool:
                return bool((await client.command("server_info"))["libgphoto2"])

            async def list_is_correct() -> bool:
                ports = [camera["port"] for camera in (await client.command("list_cameras"))["cameras"]]
                return ports == ([f"disk:{mount_point}"] if setting else [])

            await until_answers(detection_done)
            await until_answers(list_is_correct)
    finally:
        assert server.stop() == 0
    assert "Camera disconnected" not in server.log


@pytest.fixture
def faulty_camera() -> Iterator[OneCamera]:
    """A new camera for each test."""
    with one_camera(*QUICK) as camera:
        yield camera


async def test_a_camera_without_events_keeps_its_process(
    faulty_camera: OneCamera, new_server: Callable[..., Server]
) -> None:
    port, control = faulty_camera.port, faulty_camera.control
    server = new_server(NETWORK_CAMERAS=port, RESTART_DELAY="0.2")
    async with await Client.connect(server) as client:
        path = (await client.command("capture_image"))["camera_filepath"]
        assert "events" in (await client.command("get_camera_info"))["can"]
        process = await camera_process(server.process.pid, port)
        control.fault("code", GET_EVENT, code=NOT_SUPPORTED, times=None)

        async def has_events(expected: bool) -> bool:
            (camera,) = (await client.command("list_cameras"))["cameras"]
            assert camera["state"] == "ready"
            return ("events" in camera["can"]) == expected

        await until_answers(lambda: has_events(False))
        folder = path.rpartition("/")[0]
        assert (await client.command("list_files", folder=folder))["total"] == 1
        assert (await client.command("download_last_image", camera_filepath=path))["size"] > 0
        assert (await client.command("delete_file", camera_filepath=path))["status"] == "ok"
        control.clear()
        await until_answers(lambda: has_events(True))
        assert (await camera_process(server.process.pid, port)).pid == process.pid
    assert "Camera disconnected" not in server.log


async def test_live_view_stops_if_the_driver_lacks_it_and_the_process_continues(
    faulty_camera: OneCamera, new_server: Callable[..., Server]
) -> None:
    port, control = faulty_camera.port, faulty_camera.control
    server = new_server(NETWORK_CAMERAS=port, RESTART_DELAY="0.2")
    async with await Client.connect(server) as client:
        await client.command("start_live_view")
        await client.event("live_view_frame")
        process = await camera_process(server.process.pid, port)
        control.fault("code", "0x9153", code=NOT_SUPPORTED, times=None)
        assert (await client.event("live_view_stopped"))["reason"] == "camera_error"
        (camera,) = (await client.command("list_cameras"))["cameras"]
        assert (camera["state"], "live_view" in camera["can"]) == ("ready", False)
        assert await error_code(client, "start_live_view") == "not_supported"
        control.clear()
        await client.command("start_live_view")
        (camera,) = (await client.command("list_cameras"))["cameras"]
        assert (camera["state"], "live_view" in camera["can"]) == ("live", True)
        assert (await camera_process(server.process.pid, port)).pid == process.pid
    assert "Camera disconnected" not in server.log
