"""Fixtures: a server with a simulated camera that has seen nothing yet, as for who follows the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.rig import Server


@pytest.fixture
def own_camera() -> Iterator[SimulatorProcess]:
    """A camera of the test's own."""
    with SimulatorProcess(*QUICK) as simulator:
        yield simulator


@pytest.fixture
def own_port(own_camera: SimulatorProcess) -> str:
    """Its port."""
    return own_camera.cameras[0].address


@pytest.fixture
def own_control(own_camera: SimulatorProcess) -> Iterator[Control]:
    """Its control port."""
    with Control(own_camera.control) as control:
        yield control


@pytest.fixture
def readers_server(own_port: str, new_server: Callable[..., Server]) -> Server:
    """A server on it."""
    return new_server(NETWORK_CAMERAS=own_port, RESTART_DELAY="0.3", MAX_RESTART_ATTEMPTS="100")
