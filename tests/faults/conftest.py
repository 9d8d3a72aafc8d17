"""Fixtures: separate simulators and servers, because faults in these tests must not affect other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, Simulator
from tests.support.rig import Server


@pytest.fixture(scope="session")
def shared_cameras() -> Iterator[SimulatorProcess]:
    """Three cameras: two for the shared server, and one for servers that a test starts."""
    with Simulator("--cameras", "3", *QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def shared_server(shared_cameras: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the first two cameras. The server reconnects a lost camera quickly."""
    addresses = ",".join(camera.address for camera in shared_cameras.cameras[:2])
    server = Server(cwd=tmp_path_factory.mktemp("faults"), NETWORK_CAMERAS=addresses, RESTART_DELAY="0.3")
    yield server
    assert server.stop() == 0
