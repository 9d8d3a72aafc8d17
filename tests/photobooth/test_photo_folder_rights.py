"""If the photo folder is not writable, the log and the error before each shot contain a command that corrects this."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from simulator.client import Control
from tests.support.cameras import OneCamera
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until

# The user id of the server in the Docker image. In these tests, the user may read all files, so that the project can be
# in any folder.
USER = 1000
AS_USER = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv to be another user"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that belongs to root. Other users may only read this folder and its parent folder."""
    parent = Path(mkdtemp())
    parent.chmod(0o755)
    (parent / "photos").mkdir(mode=0o755)
    yield parent / "photos"
    shutil.rmtree(parent)


@pytest.fixture
def start(booth_camera: OneCamera, camera: Control, new_server: Callable[..., Server]) -> Callable[[Path], Server]:
    """A function that starts a server as the user USER with a given photo folder."""
    address = booth_camera.port
    return lambda photos: new_server(through=AS_USER, NETWORK_CAMERAS=address, PHOTO_DIR=str(photos))


async def save_error(booth_client: Client) -> CommandError:
    """The error of a capture with `save`, which must fail."""
    with pytest.raises(CommandError) as error:
        await booth_client.command("capture_image", save=True)
    return error.value


@pytest.mark.parametrize("exists", [True, False], ids=["folder of root", "missing in a folder of root"])
async def test_a_folder_of_root_is_reported_with_a_command_that_fixes_it(
    start: Callable[[Path], Server], camera: Control, folder: Path, exists: bool
) -> None:
    if not exists:
        folder.rmdir()
    server = start(folder)
    warning = server.wait_for_log("WARNING gphoto_ws_server: Pictures cannot be saved")
    async with await Client.connect(server) as booth_client:
        error = await save_error(booth_client)
        assert (error.code, camera.state()["shots"]) == ("folder_not_writable", 0)
        fix = error.details["fix"]
        assert fix == f"sudo install -d -o {USER} -g {USER} {folder}"
        assert fix in str(error)
        assert fix in warning
        await asyncio.to_thread(subprocess.run, shlex.split(fix.removeprefix("sudo ")), check=True)
        (saved,) = (await booth_client.command("capture_image", save=True))["files"]
        assert (Path(saved["saved_path"]).stat().st_uid, Path(saved["saved_path"]).parent) == (USER, folder)


async def test_the_picture_stays_on_the_camera_if_the_permission_is_lost_during_the_shot(
    start: Callable[[Path], Server], camera: Control, folder: Path
) -> None:
    os.chown(folder, USER, USER)
    async with await Client.connect(start(folder)) as booth_client:
        # The download is delayed, so that the owner of the folder changes after the check and before the save.
        camera.fault("late", operation="0x1009", seconds=2.0)
        await booth_client.socket.send('{"command": "capture_image", "payload": {"save": true}}')
        await until(lambda: not camera.state()["faults"] and camera.state()["shots"] == 1)
        os.chown(folder, 0, 0)
        reply = await booth_client.reply()
        assert "still on the camera" in reply["warnings"][0]
        assert f"sudo install -d -o {USER}" in reply["warnings"][0]
        assert list(folder.iterdir()) == []
        assert len(camera.state()["files"]) == 1


async def test_a_quote_in_the_folder_name_is_escaped_in_the_command(
    start: Callable[[Path], Server], camera: Control, folder: Path
) -> None:
    unusual_folder = folder / "it's; reboot"
    async with await Client.connect(start(unusual_folder)) as booth_client:
        fix = (await save_error(booth_client)).details["fix"]
    assert shlex.split(fix)[-1] == str(unusual_folder)


async def test_a_read_only_file_system_is_reported(start: Callable[[Path], Server], camera: Control) -> None:
    async with await Client.connect(start(Path("/proc/sys/photos"))) as booth_client:
        error = await save_error(booth_client)
    assert error.code == "folder_not_writable"
