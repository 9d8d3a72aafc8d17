"""The template process: it has loaded the code of camera processes, and forks one for each request of the server.

Started by camera/processes/programs.py as `python -m camera.device.template FD PARENT`. A fork starts in a few milliseconds
and shares the memory of the loaded code and of libgphoto2's list of models. The template process never opens a port or a
camera, and has no threads, so that a forked process begins like a newly executed one. It ends when the server closes the
socket FD, or ends.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

# The programs are only loaded here, so that the forked processes need not load them.
from camera.device import detect, driver, kernel, program, usb_reset, worker  # noqa: F401

_LONGEST_REQUEST = 2**18
# With each request come the socket for the report, and at most three descriptors for stdin, stdout and stderr.
_FDS = 4


class Template:
    """Forks a process for each request, and reports its process id, its pidfd, and later its exit code.

    Args:
        requests: the socket from which requests come.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._pid = os.getpid()
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(requests, selectors.EVENT_READ)
        self._running: dict[int, tuple[int, socket.socket]] = {}  # from each pidfd to the process id and the report

    def serve(self) -> None:
        """Serve until the server closes the socket."""
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is not self._requests:
                    self._report_end(key.fd)
                    continue
                request, fds, _, _ = socket.recv_fds(self._requests, _LONGEST_REQUEST, _FDS)
                if not request:
                    return
                self._start(json.loads(request), fds)

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        report, *streams = fds
        with socket.socket(fileno=report) as reporting:
            try:
                pid = os.fork()
            except OSError as error:
                with suppress(OSError):
                    reporting.send(b"%d" % -(error.errno or errno.EAGAIN))
                return
            finally:
                if os.getpid() == self._pid:
                    for fd in streams:
                        os.close(fd)
            if pid == 0:
                _become(request, streams, self._pid)
            pidfd = os.pidfd_open(pid)
            try:
                socket.send_fds(reporting, [b"%d" % pid], [pidfd])
            except OSError:  # nobody waits for this process any more
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            self._running[pidfd] = pid, reporting.dup()
            self._waiting.register(pidfd, selectors.EVENT_READ)

    def _report_end(self, pidfd: int) -> None:
        pid, reporting = self._running.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        with reporting, suppress(OSError):
            reporting.send(b"%d" % os.waitstatus_to_exitcode(status))
        self._waiting.unregister(pidfd)
        os.close(pidfd)


def _become(request: dict[str, Any], streams: list[int], parent: int) -> None:
    """Give this forked process the state of a newly executed one, run its program, and end."""
    code = 1
    try:
        for number, fd in zip(request["streams"], streams, strict=True):
            os.dup2(fd, number)
        # Among them are the requests of the server: a camera process must not be able to start others.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.setsid()
        shown = [os.path.basename(sys.executable), "-m", request["module"], *request["arguments"]]
        kernel.set_command_line(shown)
        code = program.run(parent, request["module"], request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        # The usual end of Python would look at all loaded objects, which costs time and copies their memory.
        os._exit(code)


def main(arguments: list[str]) -> int:
    """Serve until the server closes the socket; returns the exit code."""
    requests = socket.socket(fileno=int(arguments[0]))
    requests.set_inheritable(False)
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(arguments[1]):
        return 0
    driver.drivers()  # the forked processes share it
    gc.collect()
    gc.freeze()  # a forked process does not look for cycles among the objects of the modules, which would copy their memory
    Template(requests).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
