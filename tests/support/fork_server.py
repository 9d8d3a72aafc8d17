"""Starts programs of this project as forks of a process that has loaded their modules (tests/support/forked.py).

Started as `python -m tests.support.fork_server FD MODULE`. It imports MODULE, and forks a process for each request that it
receives on the socket FD. The process runs `MODULE.main()`. It ends when the socket is closed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

_LONGEST_REQUEST = 2**16


@dataclass(frozen=True, slots=True)
class Start:
    """A program to start. With each request come three descriptors: its stdout, its stderr, and a pipe for the report.

    The report has two lines: the process id, and when the process has ended, its exit code as in subprocess.
    """

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    new_session: bool


class _ForkServer:
    def __init__(self, requests: socket.socket, main: Callable[[], int]) -> None:
        self._requests = requests
        self._main = main
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(requests, selectors.EVENT_READ)
        self._running: dict[int, tuple[int, int]] = {}  # from each pidfd to the process id and the report

    def run(self) -> Callable[[], int] | None:
        """Serve until the socket is closed; returns None. In each forked process, returns the program."""
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is not self._requests:
                    self._report_end(key.fd)
                    continue
                request, fds, _, _ = socket.recv_fds(self._requests, _LONGEST_REQUEST, 3)
                if not request:
                    return None
                if self._fork(fds):
                    return self._become(Start(**json.loads(request)), *fds)

    def _fork(self, fds: list[int]) -> bool:
        """Fork; returns whether this is the new process."""
        pid = os.fork()
        if pid == 0:
            return True
        stdout, stderr, report = fds
        os.close(stdout)
        os.close(stderr)
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = pid, report
        self._waiting.register(pidfd, selectors.EVENT_READ)
        with suppress(BrokenPipeError):
            os.write(report, b"%d\n" % pid)
        return False

    def _report_end(self, pidfd: int) -> None:
        pid, report = self._running.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):
            os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
        self._waiting.unregister(pidfd)
        os.close(pidfd)
        os.close(report)

    def _become(self, start: Start, stdout: int, stderr: int, report: int) -> Callable[[], int]:
        """Give this forked process the state of a newly executed one."""
        self._waiting.close()
        self._requests.close()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for fd in (stdout, stderr, report, *self._running, *(report for _, report in self._running.values())):
            os.close(fd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if start.new_session:
            os.setsid()
        os.chdir(start.folder)
        # In the C locale, Python sets this variable when it starts.
        set_by_python = {name: value for name, value in os.environ.items() if name == "LC_CTYPE"}
        os.environ.clear()
        os.environ.update(set_by_python | start.environment)
        time.tzset()
        sys.argv[1:] = start.arguments
        return self._main


def main() -> int:
    """Serve until the socket is closed. In each forked process, run the program."""
    requests, module = socket.socket(fileno=int(sys.argv[1])), importlib.import_module(sys.argv[2])
    requests.set_inheritable(False)
    gc.collect()
    gc.freeze()  # a forked process does not look for cycles among the objects of the modules, which would copy their memory
    sys.argv[:] = [str(module.__file__)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C, the tests still need this process to stop the programs
    program = _ForkServer(requests, module.main).run()
    return program() if program is not None else 0


if __name__ == "__main__":
    sys.exit(main())
