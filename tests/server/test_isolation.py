"""Other programs of the server's user, and camera processes in particular, cannot read the token from the server."""

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
# An attack by a process of the same user. The script prints the names of the successful attempts as JSON.
ATTACK = """
import json, os, sys
pid, token = int(sys.argv[1]), sys.argv[2].encode()
def attempt(action):
    try:
        return bool(action())
    except OSError:
        return False
def token_in_memory():
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                if token in memory.read(end - start):
                    return True
actions = {
    "environment": lambda: token in open(f"/proc/{pid}/environ", "rb").read(),
    "memory": token_in_memory,
    "files": lambda: os.readlink(f"/proc/{pid}/fd/2"),
}
print(json.dumps([name for name, action in actions.items() if attempt(action)]))
"""
# The same attack from a confined camera process. The script also tries actions that only the confinement can prevent.
CONFINED_ATTACK = """
import os, signal, socket, subprocess, sys
from camera.device import sandbox
assert sandbox.confine(sys.argv[3])
sys.path.append("/")
{attack}
secret, port = sys.argv[4], int(sys.argv[5])
actions = {
    "secret": lambda: open(secret).read(),
    "folder": lambda: os.listdir(os.path.dirname(secret)),
    "write": lambda: open(secret + ".new", "w").write("x"),
    "remove": lambda: os.unlink(secret) or True,
    "program": lambda: subprocess.run(["/bin/true"]),
    "signal": lambda: os.kill(pid, 0) or True,
    "connection": lambda: socket.create_connection(("127.0.0.1", port), 5),
}
print(json.dumps([name for name, action in actions.items() if attempt(action)]))
import PIL.Image  # modules that are not loaded yet can still be loaded
"""


@pytest.fixture(scope="module")
def unprivileged() -> list[str]:
    """A command prefix that starts a program without the capabilities of root. Empty if the test is not run by root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (Debian's package util-linux)")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


@pytest.fixture
def unprivileged_server(tmp_path: Path, unprivileged: list[str]) -> Iterator[Callable[..., Server]]:
    """A function that starts a server without capabilities. By default, other processes cannot inspect the server."""
    servers: list[Server] = []

    def start(*options: str, **settings: str) -> Server:
        servers.append(Server(*options, cwd=tmp_path, through=unprivileged or ["env"], **settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()


def attack(unprivileged: list[str], script: str, *arguments: object) -> list[list[str]]:
    """Run a script as the server's user. For each line of its output, returns the list of successful attempts."""
    result = subprocess.run(
        [*unprivileged, sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=30,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_program_of_the_same_user_cannot_read_environment_or_memory(
    unprivileged_server: Callable[..., Server], unprivileged: list[str]
) -> None:
    server = unprivileged_server()
    assert attack(unprivileged, ATTACK, server.process.pid, TOKEN) == [[]]
    assert server.stop() == 0


def test_a_debuggable_server_exposes_memory_and_files_but_no_token_in_its_environment(
    unprivileged_server: Callable[..., Server], unprivileged: list[str]
) -> None:
    server = unprivileged_server("--debuggable")
    assert attack(unprivileged, ATTACK, server.process.pid, TOKEN) == [["memory", "files"]]


@needs_landlock
@pytest.mark.parametrize(("port", "expected"), [("usb:001,001", []), ("ptpip:127.0.0.1", ["connection"])])
def test_a_camera_process_reaches_nothing_except_the_network_for_a_network_camera(
    new_server: Callable[..., Server], unprivileged: list[str], tmp_path: Path, port: str, expected: list[str]
) -> None:
    # The server is debuggable and has the same user as the attack, so that only the confinement protects the server.
    server = new_server("--debuggable")
    secret = tmp_path / "api_token"
    secret.write_text(TOKEN)
    script = CONFINED_ATTACK.replace("{attack}", ATTACK)
    stolen, reached = attack([], script, server.process.pid, TOKEN, port, secret, server.uri.rpartition(":")[2])
    assert (stolen, reached) == ([], expected)
    assert secret.read_text() == TOKEN


@needs_landlock
async def test_a_link_on_a_camera_to_a_file_of_the_server_is_not_followed(
    unprivileged_server: Callable[..., Server], tmp_path: Path, picture_folder: Path
) -> None:
    secret = tmp_path / "api_token"
    card = tmp_path / "card"
    shutil.copytree(picture_folder, card)
    # The driver reads as many bytes as the picture had in the list of files, so the secret gets the same length.
    secret.write_text(TOKEN.ljust((card / "picture.jpg").stat().st_size))
    shutil.copy(card / "picture.jpg", card / "secret.jpg")
    server = unprivileged_server(VCAMERADIR=str(card))
    async with await Client.connect(server) as client:
        await client.command("select_camera", port="usb:001,001")
        folder = "/store_00010001"
        files = await client.command("list_files", folder=folder)
        assert {file["filename"] for file in files["files"]} == {"picture.jpg", "secret.jpg"}
        picture = await client.command("download_last_image", camera_filepath=f"{folder}/picture.jpg")
        assert base64.b64decode(picture["image_b64"]) == (card / "picture.jpg").read_bytes()
        (card / "secret.jpg").unlink()
        (card / "secret.jpg").symlink_to(secret)
        with pytest.raises(CommandError):
            await client.command("download_last_image", camera_filepath=f"{folder}/secret.jpg")
    assert "confined by Landlock" in server.log


async def test_the_kernel_kills_a_camera_process_before_the_server_if_memory_runs_out(
    server: Server, client: Client
) -> None:
    def score(process: psutil.Process) -> int:
        return int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())

    workers = [child for child in server.children() if "camera.device.worker" in child.cmdline()]
    assert workers
    assert all(score(worker) >= score(psutil.Process(server.process.pid)) + 400 for worker in workers)


async def test_lower_resource_limits_do_not_stop_a_camera_process(
    new_server: Callable[..., Server], simulator: Control
) -> None:
    limits = ("prlimit", f"--as={2 * 2**30}", f"--fsize={64 * 2**20}")
    server = new_server("--simulate", through=limits)
    async with await Client.connect(server) as client:
        assert (await client.command("capture_image"))["status"] == "ok"
        workers = [child for child in server.children() if "camera.device.worker" in child.cmdline()]
        assert [resource.prlimit(worker.pid, resource.RLIMIT_AS)[1] for worker in workers] == [2 * 2**30]


async def test_a_camera_process_gets_neither_the_token_nor_descriptors_of_the_template_process(
    shared_server: Server, client: Client
) -> None:
    template = psutil.Process(shared_server.process.pid).children()[0]
    assert "camera.device.template" in template.cmdline()
    requests = _sockets(template.pid)
    assert requests
    for process in (template, *template.children()):
        assert not _memory_contains(process.pid, TOKEN.encode())
    for worker in template.children():
        assert "camera.device.worker" in worker.cmdline()
        assert not _sockets(worker.pid) & requests


def _sockets(pid: int) -> set[str]:
    names = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return {name for name in names if name.startswith("socket:")}


def _memory_contains(pid: int, wanted: bytes) -> bool:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
    return False


async def test_sigabrt_logs_a_traceback_and_ends_the_camera_processes(
    unprivileged_server: Callable[..., Server],
) -> None:
    """The systemd unit enables Python's faulthandler. The watchdog of systemd ends a hung server with SIGABRT."""
    server = unprivileged_server("--simulate", PYTHONFAULTHANDLER="1")
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
