"""Starts the programs of camera/device in processes of their own: as forks of the template process, or by themselves.

A fork of the template process (camera/device/template.py) starts ten times faster and shares its memory. If the template
process cannot be used, Python is executed for the program.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_log = logging.getLogger("camera.processes.programs")

# How long the template process may take to load its code and to fork. A Raspberry Pi 3 needs 3 s from a cold SD card.
_FORK_TIMEOUT_S = 15.0
_ROOT = Path(__file__).resolve().parent.parent.parent
# The environment variables that the processes inherit. The token and the certificate paths are not among them.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "VCAMERADIR", "CAMLIBS", "IOLIBS", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
)  # fmt: skip
# Rotating a frame allocates and frees about 3 MB. By default glibc returns such memory to the kernel each time, which
# costs as much as the rotation itself (measured: 6.5 ms instead of 3.0 ms at 1280x720).
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(16 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20)}


def environment() -> dict[str, str]:
    """The environment variables of the processes.

    The driver stores settings such as capturetarget in one file for all cameras, below XDG_CONFIG_HOME. Here,
    XDG_CONFIG_HOME names a folder that does not exist, so that cameras do not change each other's settings.
    """
    passed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**passed, **_MALLOC, "PYTHONPATH": str(_ROOT), "XDG_CONFIG_HOME": "/nonexistent/gphoto-ws"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program to start.

    Attributes:
        module: the name of its module.
        arguments: its arguments.
        streams: by number: the descriptors that it gets as its stdin (0), stdout (1) and stderr (2); /dev/null for others.
    """

    module: str
    arguments: Sequence[str]
    streams: Mapping[int, int]


class Started(ABC):
    """A process that was started. It must be closed.

    Args:
        pid: its process id.
        pidfd: a descriptor of the process, which this object closes.
    """

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(pidfd, self._on_end)

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet, as far as this is known. False after `close`."""
        return not self._closed and not self._ended.done()

    async def wait(self) -> int:
        """Wait for the end; returns the exit code, or the negative number of a signal."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Free the descriptors. Afterwards, the end of the process is not noticed."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._free()

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._take_code(self._ended)

    @abstractmethod
    def _take_code(self, ended: asyncio.Future[int]) -> None:
        """Set the exit code as soon as it is known."""

    @abstractmethod
    def _free(self) -> None:
        """Free what the subclass has opened."""


class _Executed(Started):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        super().__init__(process.pid, os.pidfd_open(process.pid))

    def _take_code(self, ended: asyncio.Future[int]) -> None:
        ended.set_result(self._process.wait())

    def _free(self) -> None:
        self._process.poll()


class _Forked(Started):
    def __init__(self, pid: int, pidfd: int, report: socket.socket) -> None:
        self._report = report
        super().__init__(pid, pidfd)

    def _take_code(self, ended: asyncio.Future[int]) -> None:
        def take() -> None:
            self._loop.remove_reader(self._report)
            # Without the template process, nobody knows the exit code. The kernel kills most of its processes with it.
            ended.set_result(int(self._report.recv(16) or -signal.SIGKILL))

        self._loop.add_reader(self._report, take)

    def _free(self) -> None:
        self._loop.remove_reader(self._report)
        self._report.close()


class TemplateLost(Exception):
    """The template process cannot be used."""


class TemplateProcess(Protocol):
    """What is used of the template process. subprocess.Popen has the same functions."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


def execute_template(requests: int) -> TemplateProcess:
    """Execute Python for the template process, which gets the descriptor of its socket for requests. Raises OSError."""
    arguments = str(requests), str(os.getpid())
    return _execute("camera.device.template", *arguments, streams={2: 2}, passed=(requests,))


class Template:
    """The template process of this server. It is started when it is first needed.

    It is started again after it has ended, or when its environment variables are no longer those of new processes.

    Args:
        launch: starts the process, which gets the descriptor of its socket for requests.

    Attributes:
        usable: False after the process failed before it had started a program.
    """

    def __init__(self, launch: Callable[[int], TemplateProcess] = execute_template) -> None:
        self.usable = True
        self._proven = False
        self._launch = launch
        self._environment: dict[str, str] = {}
        self._process: TemplateProcess | None = None
        self._requests: socket.socket | None = None

    def prepare(self) -> None:
        """Start the process unless it runs, so that it loads its code while the server starts."""
        with suppress(OSError):  # the first start of a program shows the error
            self._start()

    def _start(self) -> socket.socket:
        """Start the process unless it runs, without waiting; returns the socket for requests. Raises OSError."""
        running = self._process is not None and self._process.poll() is None
        if self._requests is not None and running and self._environment == environment():
            return self._requests
        self.stop()
        self._environment = environment()
        requests, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far_end:
            requests.setblocking(False)
            self._requests = requests
            self._process = self._launch(far_end.fileno())
        return requests

    def stop(self) -> None:
        """End the process if it runs, and wait for its end."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def fork(self, program: Program) -> Started:
        """Start a program.

        Raises:
            OSError: out of descriptors, memory or processes. This is temporary.
            TemplateLost: the template process did not start the program.
        """
        requests = self._start()
        report, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        report.setblocking(False)
        request = {
            "module": program.module,
            "arguments": list(program.arguments),
            "streams": list(program.streams),
        }
        try:
            with far_end:
                fds = [far_end.fileno(), *program.streams.values()]
                socket.send_fds(requests, [json.dumps(request).encode()], fds)
            async with asyncio.timeout(_FORK_TIMEOUT_S):
                await _readable(report)
        except (OSError, TimeoutError) as error:
            self._abandon(report)
            self.usable = self._proven
            raise TemplateLost(str(error) or "it does not answer") from error
        except BaseException:
            self._abandon(report)
            raise
        started = self._answer(report)
        self._proven = True
        return started

    def _answer(self, report: socket.socket) -> Started:
        try:
            data, fds, _, _ = socket.recv_fds(report, 16, 1)
            if not data:
                self.usable = self._proven
                raise TemplateLost("it has ended")
            if not fds:
                raise OSError(-int(data), os.strerror(-int(data)))
        except BaseException:
            report.close()
            raise
        return _Forked(int(data), fds[0], report)

    def _abandon(self, report: socket.socket) -> None:
        """End the process that was requested; the template process kills it itself if it cannot report it any more."""
        with suppress(OSError, TemplateLost):
            started = self._answer(report)
            started.kill()
            started.close()


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(sock, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(sock)


def _execute(
    module: str, *arguments: str, streams: Mapping[int, int], passed: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = (streams.get(number, subprocess.DEVNULL) for number in range(3))
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", module, *arguments],
        stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=passed, env=environment(), cwd="/", start_new_session=True,
    )  # fmt: skip


template = Template()
atexit.register(lambda: template.stop())


async def start(program: Program) -> Started:
    """Start a program.

    Raises:
        OSError: out of descriptors, memory or processes. This is temporary.
    """
    if template.usable:
        try:
            return await template.fork(program)
        except TemplateLost as error:
            _log.warning("The template process cannot be used (%s). Programs are started without it.", error)
    return execute(program)


def execute(program: Program) -> Started:
    """Start a program without the template process. Raises OSError."""
    parent = str(os.getpid())
    return _Executed(
        _execute("camera.device.program", parent, program.module, *program.arguments, streams=program.streams)
    )
