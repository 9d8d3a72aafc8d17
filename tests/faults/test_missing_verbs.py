"""A camera whose driver lacks a verb serves what it can; only lost I/O ends its process."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from camera import detection
from camera.model import Capabilities, Detected, DetectedCamera
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.faults.processes import camera_process
from tests.support.cameras import QUICK
from tests.support.in_process import InProcess
from tests.support.marks import from_base64
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until_answers

SPARE = 2  # the camera that the shared server does not have
# libgphoto2's flags claim this of its driver for drives.
CLAIMED = Capabilities(delete=True)
GET_EVENT, NOT_SUPPORTED = "0x9116", 0x2005
# Makes a mount of its own that has the memory card in it, and becomes the program.
MOUNTED = 'mount -t tmpfs card "$1" && mkdir -p "$1/DCIM/100TEST" && shift && exec "$@"'


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A folder with what is on a memory card."""
    pictures = tmp_path / "card" / "DCIM" / "100TEST"
    pictures.mkdir(parents=True)
    Image.effect_noise((320, 240), 60).save(pictures / "IMG_0001.JPG")
    (tmp_path / "card" / "private").symlink_to("/etc")
    return tmp_path / "card"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[DetectedCamera]:
    """What detection finds; the cameras and their processes are real ones."""
    cameras: list[DetectedCamera] = []

    async def detect(drives: bool) -> Detected:
        return Detected("2.5.34", list(cameras))

    monkeypatch.setattr(detection, "detect", detect)
    return cameras


async def refused(client: Client, command: str, **payload: Any) -> str:
    with pytest.raises(CommandError) as caught:
        await client.command(command, **payload)
    return caught.value.code


async def test_a_memory_card_is_listed_downloaded_and_cleared_and_never_lost(
    card: Path,
    found: list[DetectedCamera],
    in_process: Callable[..., Awaitable[InProcess]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, path = f"disk:{card}", "/DCIM/100TEST/IMG_0001.JPG"
    found.append(DetectedCamera("Mass Storage Camera", port, CLAIMED))
    running = await in_process(drives=True, keep_alive=0.2, capture_iso="100", preview_iso="100")
    async with await running.connect() as client:
        await client.command("select_camera", port=port)
        (listed,) = (await client.command("list_cameras"))["cameras"]
        assert (listed["name"], listed["port"], listed["can"]) == ("Mass Storage Camera", port, ["delete"])
        process = await camera_process(psutil.Process().pid, port)
        for _ in range(3):  # each of them is asked again
            for command, payload in (
                ("capture_image", {}), ("capture_preview", {}), ("start_live_view", {}), ("get_config", {}),
                ("get_config", {"name": "iso"}), ("set_config", {"name": "iso", "value": "100"}),
                ("get_thumbnail", {"camera_filepath": path}), ("capture_image", {"settings": {"iso": "100"}}),
            ):  # fmt: skip
                assert await refused(client, command, **payload) in ("not_supported", "camera_error"), command
        (file,) = (await client.command("list_files", folder="/DCIM/100TEST"))["files"]
        assert (file["camera_filepath"], file["size"]) == (path, (card / path[1:]).stat().st_size)
        downloaded = from_base64((await client.command("download_last_image", camera_filepath=path))["image_b64"])
        assert hashlib.sha256(downloaded).digest() == hashlib.sha256((card / path[1:]).read_bytes()).digest()
        await client.command("delete_file", camera_filepath=path)
        assert not (card / path[1:]).exists()
        told = await client.command("get_camera_info")
        assert (told["state"], told["can"], told["model"]) == ("ready", ["delete"], "Mass Storage Camera")
        assert told["storage"][0]["free"] > 0
        assert "battery" not in told
        assert (await camera_process(psutil.Process().pid, port)).pid == process.pid
    assert "lost" not in caplog.text
    assert "CAPTURE_TARGET" not in caplog.text


async def test_a_link_on_a_memory_card_does_not_lead_out_of_it(
    card: Path, found: list[DetectedCamera], in_process: Callable[..., Awaitable[InProcess]]
) -> None:
    found.append(DetectedCamera("Mass Storage Camera", f"disk:{card}", CLAIMED))
    running = await in_process(drives=True)
    async with await running.connect() as client:
        assert await refused(client, "download_last_image", camera_filepath="/private/passwd") == "invalid_path"
        assert await refused(client, "delete_file", camera_filepath="/private/passwd") == "invalid_path"
        assert await refused(client, "list_files", folder="/private") == "invalid_path"


async def test_beside_a_camera_the_memory_card_is_never_the_one_that_is_meant(
    card: Path,
    found: list[DetectedCamera],
    in_process: Callable[..., Awaitable[InProcess]],
    simulator: Control,
    ports: list[str],
) -> None:
    found.append(DetectedCamera("Mass Storage Camera", f"disk:{card}", CLAIMED))
    running = await in_process(ports[SPARE], drives=True)
    async with await running.connect() as client:
        listed = (await client.command("list_cameras"))["cameras"]
        assert [camera["port"] for camera in listed] == [ports[SPARE], f"disk:{card}"]
        assert (await client.command("get_config", name="iso"))["value"] == "100"
        assert (await client.command("list_files", folder="/DCIM", port=f"disk:{card}"))["folders"] == ["100TEST"]


def own_mount(folder: Path) -> list[str]:
    """The words that start a program where a memory card is mounted on a folder."""
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount anything")
    folder.mkdir()
    return [*alone, "sh", "-c", MOUNTED, "sh", str(folder)]


@pytest.mark.skipif(not Path("/etc/mtab").exists(), reason="libgphoto2 finds drives by /etc/mtab, which is missing")
@pytest.mark.parametrize("wanted", ["", "yes"])
async def test_drives_are_cameras_only_where_that_is_wanted(tmp_path: Path, wanted: str) -> None:
    place = tmp_path / "mnt"
    server = Server(cwd=tmp_path, through=own_mount(place), DISK_CAMERAS=wanted)
    try:
        async with await Client.connect(server) as client:

            async def looked() -> bool:
                return bool((await client.command("server_info"))["libgphoto2"])

            async def listed() -> bool:
                ports = [camera["port"] for camera in (await client.command("list_cameras"))["cameras"]]
                return ports == ([f"disk:{place}"] if wanted else [])

            await until_answers(looked)
            await until_answers(listed)
    finally:
        assert server.stop() == 0
    assert "Camera disconnected" not in server.log


@pytest.fixture
def silent() -> Iterator[tuple[str, Control]]:
    """A camera of its own, and its control port."""
    with SimulatorProcess(*QUICK) as simulator, Control(simulator.control) as control:
        yield simulator.cameras[0].address, control


async def test_a_camera_without_events_keeps_its_process(
    silent: tuple[str, Control], new_server: Callable[..., Server]
) -> None:
    port, control = silent
    server = new_server(NETWORK_CAMERAS=port, RESTART_DELAY="0.2")
    async with await Client.connect(server) as client:
        path = (await client.command("capture_image"))["camera_filepath"]
        assert "events" in (await client.command("get_camera_info"))["can"]
        process = await camera_process(server.process.pid, port)
        control.fault("code", GET_EVENT, code=NOT_SUPPORTED, times=None)

        async def events_are(there: bool) -> bool:
            (camera,) = (await client.command("list_cameras"))["cameras"]
            assert camera["state"] == "ready"
            return ("events" in camera["can"]) == there

        await until_answers(lambda: events_are(False))
        folder = path.rpartition("/")[0]
        assert (await client.command("list_files", folder=folder))["total"] == 1
        assert (await client.command("download_last_image", camera_filepath=path))["size"] > 0
        assert (await client.command("delete_file", camera_filepath=path))["status"] == "ok"
        control.clear()
        await until_answers(lambda: events_are(True))
        assert (await camera_process(server.process.pid, port)).pid == process.pid
    assert "Camera disconnected" not in server.log


async def test_a_live_view_that_the_driver_no_longer_has_ends_and_the_process_does_not(
    silent: tuple[str, Control], new_server: Callable[..., Server]
) -> None:
    port, control = silent
    server = new_server(NETWORK_CAMERAS=port, RESTART_DELAY="0.2")
    async with await Client.connect(server) as client:
        await client.command("start_live_view")
        await client.event("live_view_frame")
        process = await camera_process(server.process.pid, port)
        control.fault("code", "0x9153", code=NOT_SUPPORTED, times=None)
        assert (await client.event("live_view_stopped"))["reason"] == "camera_error"
        (camera,) = (await client.command("list_cameras"))["cameras"]
        assert (camera["state"], "live_view" in camera["can"]) == ("ready", False)
        assert await refused(client, "start_live_view") == "not_supported"
        control.clear()
        await client.command("start_live_view")
        (camera,) = (await client.command("list_cameras"))["cameras"]
        assert (camera["state"], "live_view" in camera["can"]) == ("live", True)
        assert (await camera_process(server.process.pid, port)).pid == process.pid
    assert "Camera disconnected" not in server.log
