"""Fixtures: a machine with two USB cameras, and a server on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cameras import QUICK, Simulator
from tests.support.rig import Client, Server
from tests.support.usb import UsbCamera, UsbMachine, selected, usb_machine


@pytest.fixture(scope="session")
def shared_machine(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsbMachine]:
    """A machine with a Canon and a Nikon."""
    usb = ("--usbip", "0", *QUICK)
    with ExitStack() as opened:
        canon = opened.enter_context(Simulator(*usb))
        nikon = opened.enter_context(Simulator("--maker", "nikon", "--serial", "NIK", *usb))
        yield opened.enter_context(usb_machine(tmp_path_factory.mktemp("machine"), standin, canon, nikon))


@pytest.fixture
def machine(shared_machine: UsbMachine) -> Iterator[UsbMachine]:
    """The machine. Both cameras are plugged, in factory state and without faults. Faults end after the test."""
    for camera in shared_machine.cameras:
        camera.control.clear()
        camera.control.power(True)
        camera.control.reset()
    yield shared_machine
    for camera in shared_machine.cameras:
        camera.control.clear()


@pytest.fixture(scope="session")
def shared_server(shared_machine: UsbMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the machine."""
    server = Server(cwd=tmp_path_factory.mktemp("server"), RESTART_DELAY="0.3", **shared_machine.settings)
    yield server
    assert server.stop() == 0


@pytest.fixture
def server(shared_server: Server, machine: UsbMachine) -> Server:
    """The server; its cameras are as `machine` says."""
    return shared_server


@pytest.fixture(params=["canon", "nikon"])
def camera(request: pytest.FixtureRequest, machine: UsbMachine) -> UsbCamera:
    """Each of the two cameras."""
    return machine.cameras[["canon", "nikon"].index(request.param)]


@pytest.fixture
async def client(server: Server, camera: UsbCamera) -> AsyncIterator[Client]:
    """A client that has selected the camera, which is open."""
    async with await Client.connect(server) as client:
        await selected(client, camera)
        yield client
