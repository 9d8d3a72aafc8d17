"""Fixtures: clients of the distribution in clients/python, a server that can be killed, the installed command line."""

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
from tests.support.cameras import QUICK, in_factory_state
from tests.support.ports import free_port
from tests.support.rig import ROOT, Server


@pytest.fixture
async def api(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A client that has selected the first of the two cameras."""
    async with Client(server.uri, server.token) as client:
        await client.select_camera(ports[0])
        yield client


@pytest.fixture(scope="session")
def lone_camera() -> Iterator[SimulatorProcess]:
    """A camera for servers that come and go, and a second one that they get where a test says so."""
    with SimulatorProcess("--cameras", "2", *QUICK) as simulator:
        yield simulator


@pytest.fixture
def lone(lone_camera: SimulatorProcess) -> Iterator[Control]:
    """Its control port."""
    with in_factory_state(lone_camera) as control:
        yield control


@pytest.fixture
def mortal(lone_camera: SimulatorProcess, lone: Control, new_server: Callable[..., Server]) -> Callable[..., Server]:
    """Start a server on the lone camera, always on the same port."""
    port = str(free_port())

    def start(**settings: str) -> Server:
        chosen = {"WS_PORT": port, "NETWORK_CAMERAS": lone_camera.cameras[0].address, "RESTART_DELAY": "0.3"}
        return new_server(**chosen | settings)

    return start


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty environment with the built wheel and its extra `cli`; shared by all test processes."""
    root = tmp_path_factory.getbasetemp()
    if root.name.startswith("popen-"):  # of pytest-xdist: one folder for each of its processes
        root = root.parent
    place = root / "installed-client"
    programs = place / "environment" / "bin"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            _run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT / "clients" / "python"))
            (wheel,) = place.glob("*.whl")
            venv.create(place / "environment", with_pip=False, clear=True, symlinks=True)
            _run("-m", "pip", "--python", str(programs / "python"), "install", "--quiet",
                 "--disable-pip-version-check", f"{wheel}[cli]")  # fmt: skip
            (place / "done").touch()
    return programs


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=55, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def installed_shell(installed: Path, tmp_path: Path) -> Iterator[Callable[[Server], Shell]]:
    """The installed gphoto-ws in an empty folder, for a server; what still runs of it is ended after the test."""
    shells: list[Shell] = []

    def make(server: Server) -> Shell:
        shells.append(Shell(installed, tmp_path, server))
        return shells[-1]

    yield make
    for shell in shells:
        shell.end()


@pytest.fixture
def shell(installed_shell: Callable[[Server], Shell], server: Server) -> Shell:
    """The same for the server with two cameras."""
    return installed_shell(server)


@pytest.fixture
def bare_shell(installed_shell: Callable[[Server], Shell], bare_server: Server) -> Shell:
    """The same for the server without cameras."""
    return installed_shell(bare_server)
