"""Fixtures: simulators and servers of this folder's own, since what is broken here must not reach other tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.in_process import InProcess
from tests.support.rig import Server


@pytest.fixture(scope="session")
def shared_cameras() -> Iterator[SimulatorProcess]:
    """Two cameras that get the faults, and one for servers of a test's own."""
    with SimulatorProcess("--cameras", "3", *QUICK) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def shared_server(shared_cameras: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the two cameras that looks for a lost one again soon."""
    addresses = ",".join(camera.address for camera in shared_cameras.cameras[:2])
    server = Server(cwd=tmp_path_factory.mktemp("faults"), NETWORK_CAMERAS=addresses, RESTART_DELAY="0.3")
    yield server
    assert server.stop() == 0


@pytest.fixture
async def in_process() -> AsyncIterator[Callable[..., Awaitable[InProcess]]]:
    """Start servers inside the test's own process, where deadlines can be lowered; all are ended after the test."""
    running: list[InProcess] = []

    async def start(*addresses: str, **options: Any) -> InProcess:
        running.append(await InProcess.start(*addresses, **options))
        return running[-1]

    yield start
    for one in running:
        await one.app.stop()
