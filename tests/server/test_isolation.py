"""What a program of the server's own user, and a camera's process above all, can take from the server: not the token."""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from camera.device import kernel
from simulator.client import Control
from tests.support.rig import ROOT, TOKEN, Client, CommandError, Server
from tests.support.waiting import until
from tests.support.wire import still_answers

needs_landlock = pytest.mark.skipif(not kernel.landlock_version(), reason="This kernel has no Landlock")
# Tries what a process of the same user could, and prints what it got.
THIEF = """
import json, os, sys
pid, token = int(sys.argv[1]), sys.argv[2].encode()
def attempt(deed):
    try:
        return bool(deed())
    except OSError:
        return False
def remembered():
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            places, rights = line.split()[:2]
            start, end = (int(place, 16) for place in places.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                if token in memory.read(end - start):
                    return True
deeds = {
    "environment": lambda: token in open(f"/proc/{pid}/environ", "rb").read(),
    "memory": remembered,
    "files": lambda: os.readlink(f"/proc/{pid}/fd/2"),
}
print(json.dumps([name for name, deed in deeds.items() if attempt(deed)]))
"""
# The same from inside a camera's process, and what else it has no need of.
PRISONER = """
import os, signal, socket, subprocess, sys
from camera.device import sandbox
assert sandbox.confine(sys.argv[3])
sys.path.append("/")
{thief}
secret, port = sys.argv[4], int(sys.argv[5])
deeds = {
    "secret": lambda: open(secret).read(),
    "folder": lambda: os.listdir(os.path.dirname(secret)),
    "write": lambda: open(secret + ".new", "w").write("x"),
    "remove": lambda: os.unlink(secret) or True,
    "program": lambda: subprocess.run(["/bin/true"]),
    "signal": lambda: os.kill(pid, 0) or True,
    "connection": lambda: socket.create_connection(("127.0.0.1", port), 5),
}
print(json.dumps([name for name, deed in deeds.items() if attempt(deed)]))
import PIL.Image  # what Python has not loaded yet can still be loaded
"""


@pytest.fixture(scope="module")
def ordinary() -> list[str]:
    """What makes a command's process an ordinary one: as root, without what root may do beyond its own files."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (Debian's package util-linux)")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


@pytest.fixture
def started(tmp_path: Path, ordinary: list[str]) -> Iterator[Callable[..., Server]]:
    """Start servers as an ordinary user does, closed to others as they are by default."""
    servers: list[Server] = []

    def start(*options: str, **settings: str) -> Server:
        servers.append(Server(*options, cwd=tmp_path, through=ordinary or ["env"], **settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


def steal(ordinary: list[str], script: str, *arguments: object) -> list[list[str]]:
    """What such a script, run by the server's user, could do."""
    ended = subprocess.run(
        [*ordinary, sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=30,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_program_of_the_same_user_reads_neither_environment_nor_memory(
    started: Callable[..., Server], ordinary: list[str]
) -> None:
    server = started()
    assert steal(ordinary, THIEF, server.process.pid, TOKEN) == [[]]
    assert server.stop() == 0


def test_a_server_that_is_debuggable_is_open_to_it_but_for_the_token_in_its_environment(
    started: Callable[..., Server], ordinary: list[str]
) -> None:
    server = started("--debuggable")
    assert steal(ordinary, THIEF, server.process.pid, TOKEN) == [["memory", "files"]]


@needs_landlock
@pytest.mark.parametrize(("port", "reaches"), [("usb:001,001", []), ("ptpip:127.0.0.1", ["connection"])])
def test_a_camera_process_reaches_nothing_of_the_server_but_the_network_where_its_camera_is_there(
    new_server: Callable[..., Server], ordinary: list[str], tmp_path: Path, port: str, reaches: list[str]
) -> None:
    # Open to debuggers and without a user of its own: what is left is what the process may not do.
    server = new_server("--debuggable")
    secret = tmp_path / "api_token"
    secret.write_text(TOKEN)
    script = PRISONER.replace("{thief}", THIEF)
    loot, done = steal([], script, server.process.pid, TOKEN, port, secret, server.uri.rpartition(":")[2])
    assert (loot, done) == ([], reaches)
    assert secret.read_text() == TOKEN


@needs_landlock
async def test_a_camera_that_leads_to_a_file_of_the_server_does_not_get_it(
    started: Callable[..., Server], tmp_path: Path, picture_folder: Path
) -> None:
    secret = tmp_path / "api_token"
    cards = tmp_path / "card"
    shutil.copytree(picture_folder, cards)
    # The driver reads as many bytes as it saw when it looked first.
    secret.write_text(TOKEN.ljust((cards / "picture.jpg").stat().st_size))
    shutil.copy(cards / "picture.jpg", cards / "secret.jpg")
    server = started(VCAMERADIR=str(cards))
    async with await Client.connect(server) as client:
        await client.command("select_camera", port="usb:001,001")
        folder = "/store_00010001"
        listed = await client.command("list_files", folder=folder)
        assert {file["filename"] for file in listed["files"]} == {"picture.jpg", "secret.jpg"}
        picture = await client.command("download_last_image", camera_filepath=f"{folder}/picture.jpg")
        assert base64.b64decode(picture["image_b64"]) == (cards / "picture.jpg").read_bytes()
        (cards / "secret.jpg").unlink()
        (cards / "secret.jpg").symlink_to(secret)
        with pytest.raises(CommandError):
            await client.command("download_last_image", camera_filepath=f"{folder}/secret.jpg")
    assert "confined by Landlock" in server.log


async def test_a_camera_process_is_ended_before_the_server_where_memory_runs_out(
    server: Server, client: Client
) -> None:
    def score(process: psutil.Process) -> int:
        return int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())

    workers = [child for child in server.children() if "camera.device.worker" in child.cmdline()]
    assert workers
    assert all(score(worker) >= score(psutil.Process(server.process.pid)) + 400 for worker in workers)


async def test_limits_below_ours_do_not_end_a_camera_process(
    new_server: Callable[..., Server], simulator: Control
) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        assert (await client.command("get_camera_info"))["status"] == "ok"  # open: what restarts is a new process
        for what, most in ((resource.RLIMIT_AS, 2 * 2**30), (resource.RLIMIT_FSIZE, 64 * 2**20)):
            resource.prlimit(server.process.pid, what, (most, most))
        before = {child.pid for child in server.children()}
        assert (await client.command("restart_camera"))["status"] == "ok"
        assert (await client.command("capture_image"))["status"] == "ok"
        workers = [child for child in server.children() if "camera.device.worker" in child.cmdline()]
        assert not {worker.pid for worker in workers} & before
        assert [resource.prlimit(worker.pid, resource.RLIMIT_AS)[1] for worker in workers] == [2 * 2**30]


async def test_a_server_that_hangs_still_shows_where_and_its_cameras_go(started: Callable[..., Server]) -> None:
    """As the unit's watchdog ends it: SIGABRT, with faulthandler on."""
    server = started("--simulate", PYTHONFAULTHANDLER="1")
    async with await Client.connect(server) as client:
        await client.command("get_camera_info")
        await still_answers(client)
    children = server.children()
    server.process.send_signal(signal.SIGABRT)
    await until(lambda: server.process.poll() is not None)
    assert server.process.returncode == -signal.SIGABRT
    server.wait_for_log("Fatal Python error: Aborted")
    server.wait_for_log(r"gphoto_ws_server\.py.* in main")
    await until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
