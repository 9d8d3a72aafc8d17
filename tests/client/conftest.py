"""Fixtures: the client of clients/python, servers that a test can kill, and the installed command line gphoto-ws."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from gphoto_ws_client import Client

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.client.shell import Shell
from tests.support.cameras import QUICK, Simulator, in_factory_state
from tests.support.ports import free_port
from tests.support.rig import ROOT, Server


@pytest.fixture
async def api(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A client that has selected the first of the two cameras."""
    async with Client(server.uri, server.token) as client:
        await client.select_camera(ports[0])
        yield client


@pytest.fixture(scope="session")
def restart_cameras() -> Iterator[SimulatorProcess]:
    """Two cameras for servers that are killed and restarted. By default, a server uses only the first camera."""
    with Simulator("--cameras", "2", *QUICK) as simulator:
        yield simulator


@pytest.fixture
def restart_control(restart_cameras: SimulatorProcess) -> Iterator[Control]:
    """The control port of `restart_cameras`. Both cameras are in factory state."""
    with in_factory_state(restart_cameras) as control:
        yield control


@pytest.fixture
def restartable_server(
    restart_cameras: SimulatorProcess, restart_control: Control, new_server: Callable[..., Server]
) -> Callable[..., Server]:
    """A function that starts a server for the first camera of `restart_cameras`. The port is the same at every call."""
    port = str(free_port())

    def start(**settings: str) -> Server:
        chosen = {"WS_PORT": port, "NETWORK_CAMERAS": restart_cameras.cameras[0].address, "RESTART_DELAY": "0.3"}
        return new_server(**chosen | settings)

    return start


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new virtual environment in which the client is installed as a wheel, with its extra `cli`.

    All test processes share this environment.
    """
    root = tmp_path_factory.getbasetemp()
    if root.name.startswith("popen-"):  # pytest-xdist has a separate folder for each test process
        root = root.parent
    folder = root / "installed-client"
    programs = folder / "environment" / "bin"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT / "clients" / "python"))
            (wheel,) = folder.glob("*.whl")
            venv.create(folder / "environment", with_pip=False, clear=True, symlinks=True)
            _run("-m", "pip", "--python", str(programs / "python"), "install", "--quiet",
                 "--disable-pip-version-check", f"{wheel}[cli]")  # fmt: skip
            (folder / "done").touch()
    return programs


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=55, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed_shell(installed: Path, tmp_path: Path) -> Iterator[Callable[[Server], Shell]]:
    """A function that makes a Shell for a server. The Shell runs the installed gphoto-ws in an empty folder.

    Processes that still run after the test are killed.
    """
    shells: list[Shell] = []

    def make(server: Server) -> Shell:
        shells.append(Shell(installed, tmp_path, server))
        return shells[-1]

    yield make
    for shell in shells:
        shell.end()


@pytest.fixture
def shell(installed_shell: Callable[[Server], Shell], server: Server) -> Shell:
    """The installed gphoto-ws for the server with two cameras."""
    return installed_shell(server)


@pytest.fixture
def bare_shell(installed_shell: Callable[[Server], Shell], bare_server: Server) -> Shell:
    """The installed gphoto-ws for the server without cameras."""
    return installed_shell(bare_server)
