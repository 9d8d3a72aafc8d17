"""Common fixtures: a simulator with two cameras, a server for them, and a client."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, OneCamera, Simulator, in_factory_state, one_camera
from tests.support.in_process import InProcess
from tests.support.rig import Client, ExecutedServer, Server
from tests.support.usb import compile_standin, libusb_soname

# If a shell runs `make test &`, SIGINT is ignored in this process. The processes that tests start would inherit this.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The tests that take longest, 20 to 50 s each, the longest first. Most of this time, they wait.
_LONGEST = (
    "test_half_a_minute_of_random_faults", "test_pictures_that_have_no_file_are_counted", "test_mutated_responses_end",
    "test_a_shot_ends_as_done_failed_or_unknown", "test_the_shell_commands_run_unchanged",
    "test_make_writes_the_sbom", "test_after_the_kill_of_all_the_next_server",
    "test_the_commands_install_and_update", "test_nine_kills_during_shots", "test_a_client_that_does_not_read",
)  # fmt: skip
# pip compiles what it installs, which costs as much as the rest. The value of this variable is that of `--compile`.
os.environ["PIP_NO_COMPILE"] = "0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first, so that the other tests run in parallel with them.

    pytest-xdist divides the list into equal parts, one for each test process. Each part begins with some of them.
    """
    longest = [item for name in _LONGEST for item in items if name in item.nodeid]
    others = [item for item in items if item not in longest]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    left, items[:] = len(items), []
    for worker in range(workers):
        part = longest[worker::workers]
        more = max(0, left // (workers - worker) - len(part))
        items += part + others[:more]
        left -= len(part) + more
        del others[:more]


@pytest.fixture(scope="session")
def shared_cameras() -> Iterator[SimulatorProcess]:
    """Two simulated cameras, shared by all tests that need no special camera options."""
    with Simulator("--cameras", "2", *QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def running_camera() -> Iterator[Callable[..., OneCamera]]:
    """A function that returns the camera with the given options, in its current state. All tests share this camera."""
    with ExitStack() as running:
        yield cache(lambda *options: running.enter_context(one_camera(*options)))


@pytest.fixture
def own_camera(running_camera: Callable[..., OneCamera]) -> Iterator[Callable[..., OneCamera]]:
    """A function that returns the camera with the given options, in factory state. Its faults end after the test."""
    with ExitStack() as used:

        def get(*options: str) -> OneCamera:
            camera = running_camera(*options)
            used.enter_context(in_factory_state(camera.process))
            return camera

        yield get


@pytest.fixture(scope="session")
def shared_server(shared_cameras: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the two cameras."""
    addresses = ",".join(camera.address for camera in shared_cameras.cameras)
    server = ExecutedServer(cwd=tmp_path_factory.mktemp("server"), NETWORK_CAMERAS=addresses, LOG_LEVEL="DEBUG")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without cameras, for tests that need only connections."""
    server = Server(cwd=tmp_path_factory.mktemp("bare"), WS_ORIGINS="https://booth.example,null")
    yield server
    assert server.stop() == 0


@pytest.fixture
def simulator(shared_cameras: SimulatorProcess) -> Iterator[Control]:
    """The control port of the two cameras. Both cameras are in factory state."""
    with in_factory_state(shared_cameras) as control:
        yield control


@pytest.fixture
def ports(shared_cameras: SimulatorProcess) -> list[str]:
    """The ports of the two cameras."""
    return [camera.address for camera in shared_cameras.cameras]


@pytest.fixture
def server(shared_server: Server, simulator: Control) -> Server:
    """The shared server. Its cameras are in factory state."""
    return shared_server


@pytest.fixture
async def client(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A logged-in client that has selected the first camera."""
    async with await Client.connect(server) as client:
        await client.command("select_camera", port=ports[0])
        yield client


@pytest.fixture
def server_class() -> type[Server]:
    """The class of the servers of `new_server`."""
    return Server


@pytest.fixture
def new_server(tmp_path: Path, server_class: type[Server]) -> Iterator[Callable[..., Server]]:
    """A function that starts a server with the given settings. The servers are stopped after the test."""
    servers: list[Server] = []

    def start(*options: str, through: Sequence[str] = (), **settings: str) -> Server:
        servers.append(server_class(*options, cwd=tmp_path, through=through, **settings))
        return servers[-1]

    yield start
    running = [server for server in servers if server.process.poll() is None]
    codes = [server.stop() for server in running]
    assert codes == [0] * len(codes)


@pytest.fixture
async def in_process() -> AsyncIterator[Callable[..., Awaitable[InProcess]]]:
    """A function that starts a server inside the test's process, so that a test can lower timeouts.

    The servers are stopped after the test.
    """
    servers: list[InProcess] = []

    async def start(*addresses: str, **options: Any) -> InProcess:
        servers.append(await InProcess.start(*addresses, **options))
        return servers[-1]

    yield start
    for server in servers:
        await server.app.stop()


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one picture, for libgphoto2's virtual camera (VCAMERADIR)."""
    folder = tmp_path_factory.mktemp("vcamera")
    Image.effect_noise((640, 480), 60).save(folder / "picture.jpg")
    return folder


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled stand-in for libusb (tests/support/usb.py). Skips the test if there is no C compiler."""
    return compile_standin(tmp_path_factory.mktemp("standin"), libusb_soname())
