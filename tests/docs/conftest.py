"""Fixtures: a server with a new simulated camera, like the server of somebody who follows the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.rig import Server


@pytest.fixture
def docs_camera() -> Iterator[SimulatorProcess]:
    """A new camera for each test."""
    with SimulatorProcess(*QUICK) as simulator:
        yield simulator


@pytest.fixture
def docs_port(docs_camera: SimulatorProcess) -> str:
    """The port of this camera."""
    return docs_camera.cameras[0].address


@pytest.fixture
def docs_control(docs_camera: SimulatorProcess) -> Iterator[Control]:
    """The control port of this camera."""
    with Control(docs_camera.control) as control:
        yield control


@pytest.fixture
def docs_server(docs_port: str, new_server: Callable[..., Server]) -> Server:
    """A server for this camera."""
    return new_server(NETWORK_CAMERAS=docs_port, RESTART_DELAY="0.3", MAX_RESTART_ATTEMPTS="100")
