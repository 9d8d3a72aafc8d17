"""The processes that the tests use: a simulator, and a process with libgphoto2."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.client import Control

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("driver_child.py")


class DriverError(Exception):
    """libgphoto2 reported an error; ``code`` is its number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"libgphoto2 error {code}")
        self.code = code


class Driver:
    """A process with libgphoto2. It has the methods of ``driver_child.Driver``. All methods may raise DriverError."""

    def __init__(self, config: Path) -> None:
        parent_end, child_end = socket.socketpair()
        with child_end:
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[child_end.fileno()],
                env=os.environ | {"HOME": str(config), "XDG_CONFIG_HOME": str(config)},
            )
        self._socket = parent_end
        self._lines = parent_end.makefile("rb")

    def call(self, name: str, *arguments: Any, timeout: float = 10, **options: Any) -> Any:
        """Call a method of the process. Raises TimeoutError if it does not return within ``timeout`` seconds."""
        self._socket.settimeout(timeout)
        request = {"name": name, "arguments": arguments, "options": options}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError(f"libgphoto2's process ended during {name}")
        reply = json.loads(line)
        if "error" in reply:
            raise DriverError(reply["error"])
        return reply["value"]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self.call(name, *arguments, **options)

    def kill(self) -> None:
        """Kill the process, which simulates a crash."""
        self.process.kill()
        self.process.wait(5)
        self._lines.close()
        self._socket.close()


class Simulator:
    """A simulator process. It is ready after the constructor returns."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "simulator", *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.ready = json.loads(self.process.stdout.readline())
        self.addresses = [camera["address"] for camera in self.ready["cameras"]]
        self.control = Control(self.ready["control"])

    @property
    def address(self) -> str:
        """The address of the first camera."""
        return str(self.addresses[0])

    def stop(self) -> str:
        """End the simulator with SIGTERM, and return its output to stderr."""
        self.control.close()
        self.process.terminate()
        _, errors = self.process.communicate(timeout=5)
        return errors


@contextlib.contextmanager
def running_simulator(*options: str) -> Iterator[Simulator]:
    """A simulator that must end with code 0 and without a traceback."""
    simulator = Simulator(*options)
    try:
        yield simulator
    finally:
        errors = simulator.stop()
    assert simulator.process.returncode == 0, errors
    assert "Traceback" not in errors, errors


def failure(call: Callable[[], object]) -> int:
    """The error code of a call that must fail."""
    with pytest.raises(DriverError) as caught:
        call()
    return caught.value.code


def works(driver: Driver) -> bool:
    """Check that live view, a capture, and reading the size of the captured file work."""
    driver.preview(2)
    path = driver.capture()
    return path.upper().endswith(".JPG") and bool(driver.info(path)["size"])
