"""Starts, controls and ends the processes of a benchmark, and measures their CPU time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
_STOP_S = 10.0


class Running:
    """A process that runs a Python module and answers each line of input with one line of output.

    Args:
        *command: the module and its arguments.
        environment: the environment variables; default: those of this process.
        log: the file for its stderr; default: the stderr of this process.
        hello: whether to wait for the first line of output; the attribute `hello` then contains this line.

    Raises:
        RuntimeError: the process ended before its first line of output.
    """

    def __init__(
        self, *command: str, environment: dict[str, str] | None = None, log: Path | None = None, hello: bool = True
    ) -> None:
        self.command = command
        self._log = None if log is None else log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.hello = self.read() if hello else ""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, line: str) -> str:
        """Send a line and wait for the answer."""
        self.say(line)
        return self.read()

    def say(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read(self) -> str:
        """Wait for the next line of output and return it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.command)} ended with {self._process.wait()}")
        return line.rstrip("\n")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End the process and wait for it."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # a stopped process (SIGSTOP) cannot end otherwise
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def pin(pid: int, core: int) -> None:
    """Let a process run on one core only, so that the rounds are comparable.

    `core` is the index of the core; a negative index counts from the last core.
    """
    os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU seconds of all threads of some processes, from the scheduler's count in nanoseconds."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return total / 1e9


def waited_seconds(pids: Sequence[int]) -> float:
    """For how many seconds the main threads of some processes were ready to run but waited for a core, in total."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


def memory(pid: int) -> float:
    """The memory of a process in MB, including its proportional share of shared pages (PSS)."""
    return float(psutil.Process(pid).memory_full_info().pss) / 1e6


class Peak:
    """The peak of a process's resident memory since `reset`, relative to the memory at `reset`, in MB."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self.before = 0.0
        self.reset()

    def reset(self) -> None:
        """Start a new measurement from the current memory."""
        (self._folder / "clear_refs").write_text("5")
        self.before = self._field("VmRSS")

    def increase(self) -> float:
        """By how many MB the peak exceeds the memory at `reset`."""
        return self._field("VmHWM") - self.before

    def _field(self, name: str) -> float:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError(f"no {name} in {self._folder}/status")


class Window:
    """Measures the CPU time of processes since this object was created."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._cpu, self._at = cpu_seconds(pids), time.perf_counter()

    def cpu(self) -> float:
        """CPU seconds since the object was created."""
        return cpu_seconds(self._pids) - self._cpu

    def seconds(self) -> float:
        """Seconds since the object was created."""
        return time.perf_counter() - self._at
