"""Options of simulated cameras, and their control port: in factory state, or as the test before left them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.client import Control
from simulator.process import SimulatorProcess

# Small pictures and a quick shutter; what is tested is not their size.
QUICK = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.02")


@contextmanager
def in_factory_state(process: SimulatorProcess) -> Iterator[Control]:
    """The cameras switched on, without faults, everything as it was at first; their faults are gone afterwards."""
    with Control(process.control) as control:
        for camera in process.cameras:
            control.clear(camera.index)
            control.power(True, camera=camera.index)
            _wait_for_the_mirror(control, camera.index)
            control.reset(camera.index)
        yield control
        _clear(control, process)


@contextmanager
def as_they_are(process: SimulatorProcess) -> Iterator[Control]:
    """The cameras as they are, where live view may still be on from the test before."""
    with Control(process.control) as control:
        yield control
        _clear(control, process)


def _clear(control: Control, process: SimulatorProcess) -> None:
    for camera in process.cameras:
        control.clear(camera.index)


def _wait_for_the_mirror(control: Control, camera: int) -> None:
    """Live view ends a second after its last viewer; a reset before that takes it away from under the driver."""
    deadline = time.monotonic() + 5
    while control.state(camera)["live_view"] and time.monotonic() < deadline:
        time.sleep(0.02)
