"""Fixtures: the server of a photobooth, a photo folder for each test, and separate simulated cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.photobooth.pictures import PICTURES
from tests.support.cameras import OneCamera, Simulator, in_factory_state
from tests.support.rig import Client, Server


@pytest.fixture
def booth_camera(own_camera: Callable[..., OneCamera]) -> OneCamera:
    """One simulated camera in factory state."""
    return own_camera(*PICTURES)


@pytest.fixture
def camera(booth_camera: OneCamera) -> Control:
    """The camera's control port."""
    return booth_camera.control


@pytest.fixture
def new_booth(booth_camera: OneCamera, new_server: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """A function that starts the server of a booth with the given settings. Photos are saved in tmp_path/photos."""

    def start(**settings: str) -> Server:
        return new_server(NETWORK_CAMERAS=booth_camera.port, **settings)

    return start


@pytest.fixture
async def booth_client(new_booth: Callable[..., Server]) -> AsyncIterator[Client]:
    """A client of a server with the default settings."""
    async with await Client.connect(new_booth()) as client:
        yield client


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The booth's photo folder."""
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def pair_process() -> Iterator[SimulatorProcess]:
    """Two simulated cameras that no other server uses: a PTP/IP camera serves only the server that connected last."""
    with Simulator("--cameras", "2", *PICTURES) as simulator:
        yield simulator


@pytest.fixture
def pair(pair_process: SimulatorProcess) -> Iterator[list[str]]:
    """The ports of the two cameras. The cameras are in factory state."""
    with in_factory_state(pair_process):
        yield [camera.address for camera in pair_process.cameras]
