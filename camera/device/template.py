"""The template process: it has loaded the code of camera processes, and forks one for each request of the server.

Started by camera/processes/programs.py as `python -m camera.device.template FD PARENT`. A fork starts in a few milliseconds
and shares the memory of the loaded code and of libgphoto2's list of models. The template process never opens a port or a
camera, and has no threads, so that a forked process begins like a newly executed one. It ends when the server closes the
socket FD, or ends.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

# The programs are only loaded here, so that the forked processes need not load them.
from camera.device import detect, driver, kernel, program, usb_reset, worker  # noqa: F401

_LONGEST_REQUEST = 2**18
# With each request come the socket for the report, and at most three descriptors for stdin, stdout and stderr.
_FDS = 4


class ForkServer:
    """Forks a process for each request, and reports its process id, its pidfd, and later its exit code.

    Args:
        requests: the socket from which requests come.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._pid = os.getpid()
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(requests, selectors.EVENT_READ)
        self._running: dict[
            int, tuple[int, int]
        ] = {}  # from each pidfd to the process id and the socket for the report

    def serve(self) -> None:
        """Serve until the server closes the socket."""
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is not self._requests:
                    self._report_end(key.fd)
                    continue
                request, fds, flags, _ = socket.recv_fds(self._requests, _LONGEST_REQUEST, _FDS)
                if not request:
                    return
                if fds and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                    self._start(request, *fds)
                    fds = fds[1:]  # the report is closed at the end of the process
                # Otherwise, descriptors or memory are short. The server learns it from the end of the report.
                for fd in fds:
                    os.close(fd)

    def _start(self, request: bytes, report: int, *streams: int) -> None:
        """Fork, and report it. If anything fails, no process remains, and the errno is reported."""
        pid = pidfd = -1
        try:
            pid = os.fork()
            if pid == 0:
                _become(json.loads(request), streams, self._pid)
            pidfd = os.pidfd_open(pid)
            _report(report, {"pid": pid}, pidfd)
            self._waiting.register(pidfd, selectors.EVENT_READ)
            self._running[pidfd] = pid, report
        except OSError as error:
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if pidfd >= 0:
                os.close(pidfd)
            with suppress(OSError):
                _report(report, {"errno": error.errno})
            os.close(report)

    def _report_end(self, pidfd: int) -> None:
        pid, report = self._running.pop(pidfd)
        self._waiting.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            _report(report, {"code": os.waitstatus_to_exitcode(status)})
        os.close(report)


def _report(report: int, values: dict[str, Any], *fds: int) -> None:
    reporting = socket.socket(fileno=report)
    try:
        socket.send_fds(reporting, [json.dumps(values).encode()], fds)
    finally:
        reporting.detach()


def _become(request: dict[str, Any], streams: tuple[int, ...], parent: int) -> None:
    """Give this forked process the state of a newly executed one, run its program, and end."""
    code = 1
    try:
        os.dup2(0, 2)  # stdin and stdout are /dev/null here
        for number, fd in zip(request["streams"], streams, strict=True):
            os.dup2(fd, number)
        # Among them are the requests of the server: a camera process must not be able to start others.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.setsid()
        time.tzset()  # somebody may have set another time zone since this server was started
        shown = [os.path.basename(sys.executable), "-m", request["module"], *request["arguments"]]
        kernel.set_command_line(shown)
        code = program.run(parent, request["module"], request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python does
        # The usual end of Python would look at all loaded objects, which costs time and copies their memory.
        os._exit(code)


def main(arguments: list[str]) -> int:
    """Serve until the server closes the socket; returns the exit code.

    Args:
        arguments: the descriptor of the socket, and the process id of the server. Another one makes room for the command
            lines of the forked processes.
    """
    kernel.set_command_line([os.path.basename(sys.executable), "-m", "camera.device.template"])
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the server ignores it while it starts
    requests = socket.socket(fileno=int(arguments[0]))
    requests.set_inheritable(False)
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(arguments[1]):
        return 0
    driver.drivers()  # the forked processes share it
    gc.collect()
    gc.freeze()  # a forked process does not look for cycles among the objects of the modules, which would copy their memory
    ForkServer(requests).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
