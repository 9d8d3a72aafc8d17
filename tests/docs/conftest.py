"""Fixtures: a server with a new simulated camera, like the server of somebody who follows the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera, one_camera
from tests.support.rig import Server


@pytest.fixture
def docs_camera() -> Iterator[OneCamera]:
    """A new camera for each test."""
    with one_camera(*QUICK) as camera:
        yield camera


@pytest.fixture
def docs_port(docs_camera: OneCamera) -> str:
    """The port of `docs_camera`."""
    return docs_camera.port


@pytest.fixture
def docs_control(docs_camera: OneCamera) -> Control:
    """The control port of `docs_camera`."""
    return docs_camera.control


@pytest.fixture
def docs_server(docs_port: str, new_server: Callable[..., Server]) -> Server:
    """A server for `docs_camera`."""
    return new_server(NETWORK_CAMERAS=docs_port, RESTART_DELAY="0.3", MAX_RESTART_ATTEMPTS="100")
