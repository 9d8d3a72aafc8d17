"""Servers and simulators that start without importing their modules each time, which takes most of the time of a start.

A fork server (tests/support/fork_server.py) has imported the modules. A forked process has its own environment, folder,
arguments, signals and descriptors, like a process that was started by itself. Only its command line in /proc is that of the
fork server.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from multiprocessing import connection
from pathlib import Path
from typing import IO, Protocol

import simulator.process
from tests.support.fork_server import Start

ROOT = Path(__file__).resolve().parents[2]
# `make coverage` sets this variable to 0, because it measures only processes that were executed, not forked.
FORK = "TESTS_FORK"


class Process(simulator.process.Process, Protocol):
    """What tests use of a process. subprocess.Popen has the same attributes."""

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal; None before `poll` or `wait` has noticed the end."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""


class ForkedProcess:
    """A process of a fork server.

    Args:
        report: the pipe in which the fork server writes about this process.
        stdout: the end of the pipe to which the process writes, if there is one.
    """

    def __init__(self, report: int, stdout: IO[str] | None = None) -> None:
        self._report = report
        self.stdout = stdout
        self.pid = self._read_number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None if the process runs."""
        if self.returncode is None and connection.wait((self._report,), 0):
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not connection.wait((self._report,), timeout):
                assert timeout is not None
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _finish(self) -> None:
        self.returncode = self._read_number()
        os.close(self._report)

    def _read_number(self) -> int:
        line = os.read(self._report, 32)
        assert line, "the fork server has ended"
        return int(line)


class ForkServer:
    """A process that has imported a module and starts its `main()` in forks.

    Args:
        module: the module.
        *options: options of Python.
        python: the Python that runs it.
    """

    def __init__(self, module: str, *options: str, python: str | Path = sys.executable) -> None:
        self._requests, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with requests:
            self._process = subprocess.Popen(
                [str(python), *options, "-m", "tests.support.fork_server", str(requests.fileno()), module],
                cwd=ROOT, env=inherited_environment(), pass_fds=(requests.fileno(),), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.stop)

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        piped: bool = False,
        stderr: int = 2,
        new_session: bool = False,
    ) -> ForkedProcess:
        """Start the program. Its stdin is /dev/null; its stdout, too, unless it is `piped` to this process."""
        start = Start(list(arguments), str(folder), dict(environment), new_session)
        output, stdout = os.pipe() if piped else (None, os.open(os.devnull, os.O_WRONLY))
        report, end = os.pipe()
        try:
            socket.send_fds(self._requests, [json.dumps(asdict(start)).encode()], [stdout, stderr, end])
        finally:
            os.close(stdout)
            os.close(end)
        return ForkedProcess(report, None if output is None else os.fdopen(output))

    def stop(self) -> None:
        """End the fork server. Its processes continue, except those that end with their parent."""
        self._requests.close()
        self._process.wait()
        atexit.unregister(self.stop)


def inherited_environment() -> dict[str, str]:
    """The variables of this process that programs need."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def forking_is_allowed() -> bool:
    """Whether tests may fork programs."""
    return os.environ.get(FORK) != "0"


@cache
def fork_server(module: str, *options: str, python: str | Path = sys.executable) -> ForkServer:
    """The fork server for a module. All tests of this process share it."""
    return ForkServer(module, *options, python=python)
