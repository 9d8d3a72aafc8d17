"""Runs the simulator as a child process, for the demo, tests and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

_ROOT = Path(__file__).resolve().parent.parent
_STOP_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class SimulatedCamera:
    """One camera of a simulator: its address for libgphoto2, serial number, model, and bus id if it is on USB."""

    index: int
    address: str
    serial: str
    model: str
    busid: str | None = None


class Process(Protocol):
    """What SimulatorProcess uses of its process. subprocess.Popen has the same attributes."""

    pid: int
    stdout: IO[str] | None

    def poll(self) -> int | None:
        """The exit code; None if the process runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process. Raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class SimulatorProcess:
    """A running simulator. Use it as a context manager, or call `stop`.

    Args:
        *options: options of `python -m simulator`, for example "--cameras", "2".

    Raises:
        RuntimeError: the simulator did not start; the reason is on stderr.
    """

    def __init__(self, *options: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "API_TOKEN"}
        self._process = self._start(["--die-with-parent", *options], environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator did not start (exit code {self._process.wait()})")
        ready = json.loads(line)
        self.control: str = ready["control"]
        self.usbip: str | None = ready.get("usbip")
        self.cameras = tuple(SimulatedCamera(**camera) for camera in ready["cameras"])

    def _start(self, arguments: list[str], environment: dict[str, str]) -> Process:
        return subprocess.Popen(
            [sys.executable, "-m", "simulator", *arguments],
            cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            # Ctrl-C at the terminal must not end the simulator, because the server has to release its cameras first.
            start_new_session=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the process; returns when it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
