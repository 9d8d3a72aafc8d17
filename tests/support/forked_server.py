"""The server as a fork server starts it (tests/support/forked.py): its template process is a fork, too.

This spares each server the time in which its template process loads its code. Everything else is as with a server that was
executed. Tests of what only an executed template process shows, such as its memory, use `ExecutedServer`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback

import gphoto_ws_server
from camera.device import driver, template
from camera.processes import programs

__all__ = ["main"]

# Set by the package gphoto2 when it is loaded. The environment of a forked server is that of its test.
_LIBRARIES = {name: os.environ[name] for name in ("CAMLIBS", "IOLIBS")}
# With these variables, other libraries are loaded than this process has loaded.
_LOADED_BY = {"VCAMERADIR", "CAMLIBS", "IOLIBS", "LD_LIBRARY_PATH"}
driver.drivers()  # the template processes share it


class _ForkedTemplate:
    """A template process that is a fork of this process."""

    def __init__(self, requests: int) -> None:
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._become(requests, parent)
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._wait(0)
        assert self._code is not None
        return self._code

    def _wait(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, options)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    @staticmethod
    def _become(requests: int, parent: int) -> None:
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(nothing, 1)
            os.dup2(requests, 3)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))
            os.setsid()
            os.chdir("/")
            environment = programs.environment() | _LIBRARIES
            os.environ.clear()
            os.environ.update(environment)
            time.tzset()
            template.main(["3", str(parent)])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)


def _launch(requests: int) -> programs.TemplateProcess:
    if not _LOADED_BY.isdisjoint(os.environ):
        return programs.execute_template(requests)
    return _ForkedTemplate(requests)


def main() -> int:
    """Run the server; returns its exit code."""
    programs.template = programs.Template(_launch)
    sys.argv[0] = str(gphoto_ws_server.__file__)  # the help shows its name
    return gphoto_ws_server.main()
