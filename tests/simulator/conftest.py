"""Fixtures: a simulator process, and libgphoto2 in a separate process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.client import Control
from tests.simulator.rig import Driver, Simulator, running_simulator


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    """One simulator with small pictures and short times, for all tests that need no other options."""
    options = ("--still", "1296x864", "--frame", "480x320", "--fps", "200", "--shutter", "0.02")
    with running_simulator(*options) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    """The shared simulator in factory state."""
    shared_simulator.control.power(True)
    shared_simulator.control.reset()
    return shared_simulator


@pytest.fixture
def control(simulator: Simulator) -> Control:
    """The control port of the simulator."""
    return simulator.control


@pytest.fixture
def new_driver(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """A function that starts a process with libgphoto2. The processes are killed after the test."""
    drivers: list[Driver] = []

    def start(address: str | None = None, model: str = "PTP/IP Camera") -> Driver:
        driver = Driver(tmp_path)
        drivers.append(driver)
        if address:
            driver.open(address, model)
        return driver

    yield start
    for driver in drivers:
        driver.kill()


@pytest.fixture
def driver(simulator: Simulator, new_driver: Callable[..., Driver]) -> Driver:
    """libgphoto2 with the camera open and the card as capture target."""
    driver = new_driver(simulator.address)
    driver.set("capturetarget", "Memory card")
    return driver
