"""Simulated cameras: their options, one camera with its control port, and the reset to factory state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simulator.client import Control
from simulator.process import Process, SimulatorProcess
from tests.support.forked import ROOT, fork_server, forking_is_allowed

# Small pictures and a short exposure, for tests in which sizes and times do not matter.
QUICK = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.02")


class Simulator(SimulatorProcess):
    """A running simulator. If possible, it is a fork of a process that has loaded its modules (tests/support/forked.py)."""

    def _start(self, arguments: list[str], environment: dict[str, str]) -> Process:
        if not forking_is_allowed():
            return super()._start(arguments, environment)
        return fork_server("simulator.__main__").start(arguments, ROOT, environment, piped=True, new_session=True)


@dataclass(frozen=True, slots=True)
class OneCamera:
    """One simulated camera: its port for the server, its control port, and the process of the simulator."""

    port: str
    control: Control
    process: SimulatorProcess


@contextmanager
def one_camera(*options: str) -> Iterator[OneCamera]:
    """A new simulated camera. It runs until the end of the block."""
    with Simulator(*options) as process, Control(process.control) as control:
        yield OneCamera(process.cameras[0].address, control, process)


@contextmanager
def in_factory_state(process: SimulatorProcess) -> Iterator[Control]:
    """The control port. All cameras are on, in factory state and without faults. Faults end at the end of the block."""
    with Control(process.control) as control:
        for camera in process.cameras:
            control.clear(camera.index)
            control.power(True, camera=camera.index)
            _wait_for_live_view_end(control, camera.index)
            control.reset(camera.index)
        yield control
        _clear(control, process)


@contextmanager
def as_they_are(process: SimulatorProcess) -> Iterator[Control]:
    """The control port. The cameras are not reset, so live view may still be on. Faults end at the end of the block."""
    with Control(process.control) as control:
        yield control
        _clear(control, process)


def _clear(control: Control, process: SimulatorProcess) -> None:
    for camera in process.cameras:
        control.clear(camera.index)


def _wait_for_live_view_end(control: Control, camera: int) -> None:
    """Wait until live view ends, 1 s after the last viewer left. A reset during live view would disturb the driver."""
    deadline = time.monotonic() + 5
    while control.state(camera)["live_view"] and time.monotonic() < deadline:
        time.sleep(0.02)
