"""A photo folder that the server may not write to: said at the start, refused before the shutter, with what repairs it."""

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
from simulator.process import SimulatorProcess
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until

# The user of Docker's image. It may read everything, so that the server runs from wherever it was cloned to.
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
    """A folder of root's that others may look into, in one of the same kind."""
    outer = Path(mkdtemp())
    outer.chmod(0o755)
    (outer / "photos").mkdir(mode=0o755)
    yield outer / "photos"
    shutil.rmtree(outer)


@pytest.fixture
def start(
    booth_camera: SimulatorProcess, camera: Control, new_server: Callable[..., Server]
) -> Callable[[Path], Server]:
    """Start a server as that user with a folder for its photos."""
    address = booth_camera.cameras[0].address
    return lambda photos: new_server(through=AS_USER, NETWORK_CAMERAS=address, PHOTO_DIR=str(photos))


async def refused(guest: Client) -> CommandError:
    """Why a picture is not saved."""
    with pytest.raises(CommandError) as refusal:
        await guest.command("capture_image", save=True)
    return refusal.value


@pytest.mark.parametrize("made", [True, False], ids=["root's", "not there, and root's the one above"])
async def test_a_folder_of_root_is_refused_with_the_command_that_repairs_it(
    start: Callable[[Path], Server], camera: Control, folder: Path, made: bool
) -> None:
    if not made:
        folder.rmdir()
    server = start(folder)
    warning = server.wait_for_log("WARNING gphoto_ws_server: Pictures cannot be saved")
    async with await Client.connect(server) as guest:
        refusal = await refused(guest)
        assert (refusal.code, camera.state()["shots"]) == ("folder_not_writable", 0)
        fix = refusal.details["fix"]
        assert fix == f"sudo install -d -o {USER} -g {USER} {folder}"
        assert fix in str(refusal)
        assert fix in warning
        await asyncio.to_thread(subprocess.run, shlex.split(fix.removeprefix("sudo ")), check=True)
        (saved,) = (await guest.command("capture_image", save=True))["files"]
        assert (Path(saved["saved_path"]).stat().st_uid, Path(saved["saved_path"]).parent) == (USER, folder)


async def test_a_folder_that_closes_during_the_shot_leaves_the_picture_on_the_camera(
    start: Callable[[Path], Server], camera: Control, folder: Path
) -> None:
    os.chown(folder, USER, USER)
    async with await Client.connect(start(folder)) as guest:
        # The file comes late, so that the folder is root's after the check and before the save.
        camera.fault("late", operation="0x1009", seconds=2.0)
        await guest.socket.send('{"command": "capture_image", "payload": {"save": true}}')
        await until(lambda: not camera.state()["faults"] and camera.state()["shots"] == 1)
        os.chown(folder, 0, 0)
        reply = await guest.reply()
        assert "still on the camera" in reply["warnings"][0]
        assert f"sudo install -d -o {USER}" in reply["warnings"][0]
        assert list(folder.iterdir()) == []
        assert len(camera.state()["files"]) == 1


async def test_a_quote_in_the_folders_name_does_not_leave_the_command(
    start: Callable[[Path], Server], camera: Control, folder: Path
) -> None:
    strange = folder / "it's; reboot"
    async with await Client.connect(start(strange)) as guest:
        fix = (await refused(guest)).details["fix"]
    assert shlex.split(fix)[-1] == str(strange)


async def test_a_read_only_file_system_is_named(start: Callable[[Path], Server], camera: Control) -> None:
    async with await Client.connect(start(Path("/proc/sys/photos"))) as guest:
        refusal = await refused(guest)
    assert refusal.code == "folder_not_writable"
