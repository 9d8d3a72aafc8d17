"""Starts the programs of camera/device in processes of their own: as forks of the template process, or by themselves.

A fork of the template process (camera/device/template.py) starts ten times faster and shares its memory. If the template
process cannot be used, Python is executed for the program.
"""

from __future__ import annotations

import asyncio
import atexit
import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

_log = logging.getLogger("camera.processes.programs")

# How long the template process may take to load its code and to fork. A Raspberry Pi 3 needs 3 s from a cold SD card.
_FORK_TIMEOUT_S = 15.0
# A process that has ended is reported at once, unless the template process hangs.
_REPORT_S = 1.0
_LONGEST_REPORT = 64
_STOP_S = 2.0
# After a failure, the template process is tried again after this time, which doubles with each failure.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 3600.0
# Forked processes show their port in the command line, which cannot become longer than that of the template process.
_ROOM_FOR_NAMES = "-" * 128
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
        own_layout: whether the process needs addresses in memory that no other process has had.
    """

    module: str
    arguments: Sequence[str]
    streams: Mapping[int, int]
    own_layout: bool = False


class RunningProgram(ABC):
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
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for the end or for `close`; returns the exit code, or the negative number of a signal."""
        return await asyncio.shield(self._ended)

    def when_ended(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with the exit code after the end of the process, or after `close`."""
        self._ended.add_done_callback(lambda ended: callback(ended.result()))

    def kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        if not self._closed:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Free the descriptors. Afterwards, the end of the process is not noticed."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._close_report()
            self._set_code(-signal.SIGKILL)

    def _set_code(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._read_code()

    @abstractmethod
    def _read_code(self) -> None:
        """Called when the process has ended. Sets the exit code as soon as it is known."""

    @abstractmethod
    def _close_report(self) -> None:
        """Free what `_read_code` uses."""


class _Executed(RunningProgram):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        try:
            super().__init__(process.pid, os.pidfd_open(process.pid))
        except BaseException:
            process.kill()
            process.wait()
            raise

    def _read_code(self) -> None:
        self._set_code(self._process.wait())

    def _close_report(self) -> None:
        self._process.poll()


class _Forked(RunningProgram):
    def __init__(self, pid: int, pidfd: int, report: socket.socket) -> None:
        self._report = report
        super().__init__(pid, pidfd)

    def _read_code(self) -> None:
        # If the template process hangs or has ended, the code is not reported.
        unknown = self._loop.call_later(_REPORT_S, self._set_code, -signal.SIGKILL)

        def read() -> None:
            unknown.cancel()
            self._loop.remove_reader(self._report)
            answer = self._report.recv(_LONGEST_REPORT)
            self._set_code(int(json.loads(answer)["code"]) if answer else -signal.SIGKILL)

        self._loop.add_reader(self._report, read)

    def _close_report(self) -> None:
        self._loop.remove_reader(self._report)
        self._report.close()


class TemplateLost(Exception):
    """The template process cannot be used."""


class TemplateProcess(Protocol):
    """What is used of the template process. subprocess.Popen has the same functions."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def execute_template(requests: int) -> TemplateProcess:
    """Execute Python for the template process, which gets the descriptor of its socket for requests. Raises OSError."""
    arguments = str(requests), str(os.getpid()), _ROOM_FOR_NAMES
    return _execute("camera.device.template", *arguments, streams={2: 2}, passed=(requests,))


class Template:
    """The template process of this server. It is started when it is first needed.

    It is started again when it has ended, and when the environment variables for new processes have changed. After a
    failure, it is not used for a while.

    Args:
        launch: starts the process, which gets the descriptor of its socket for requests.
    """

    def __init__(self, launch: Callable[[int], TemplateProcess] = execute_template) -> None:
        self._launch = launch
        self._retry_at = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._environment: dict[str, str] = {}
        self._process: TemplateProcess | None = None
        self._requests: socket.socket | None = None

    @property
    def usable(self) -> bool:
        """Whether it should be tried now."""
        return time.monotonic() >= self._retry_at

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
        """Kill the process if it runs, and wait for its end. The kernel then kills its camera processes."""
        if (killed := self._kill()) is not None:
            _wait(killed)

    def _kill(self) -> TemplateProcess | None:
        """Kill the process if it runs; returns the process, whose end must be waited for."""
        requests, self._requests = self._requests, None
        killed, self._process = self._process, None
        if requests is not None:
            requests.close()
        if killed is not None:
            killed.kill()
        return killed

    async def fork(self, program: Program) -> RunningProgram:
        """Start a program.

        Raises:
            OSError: out of descriptors, memory or processes. This is temporary.
            TemplateLost: the template process did not start the program. It was stopped, and is not used for a while.
        """
        try:
            running = await self._ask(program)
        except TemplateLost:
            self._retry_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            if (killed := self._kill()) is not None:
                await asyncio.to_thread(_wait, killed)
            raise
        self._pause_s = _FIRST_PAUSE_S
        return running

    async def _ask(self, program: Program) -> RunningProgram:
        requests = self._start()
        request = {"module": program.module, "arguments": list(program.arguments), "streams": list(program.streams)}
        report, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        report.setblocking(False)
        try:
            with far_end:
                fds = [far_end.fileno(), *program.streams.values()]
                socket.send_fds(requests, [json.dumps(request).encode()], fds)
            async with asyncio.timeout(_FORK_TIMEOUT_S):
                await _readable(report)
            return _answer(report)
        except (BrokenPipeError, ConnectionResetError) as error:
            report.close()
            raise TemplateLost("it has ended") from error
        except TimeoutError as error:
            report.close()
            raise TemplateLost(f"it did not answer within {_FORK_TIMEOUT_S:.0f} s") from error
        except BaseException:
            _abandon(report)
            raise


def _wait(killed: TemplateProcess) -> None:
    with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, for example on a bad SD card
        killed.wait(_STOP_S)


def _answer(report: socket.socket) -> RunningProgram:
    """The process that was started.

    Raises:
        OSError: the process could not be started, or no descriptor is free for it.
        TemplateLost: the template process has ended.
    """
    data, fds, _, _ = socket.recv_fds(report, _LONGEST_REPORT, 1, socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise TemplateLost("it has ended")
    answer = json.loads(data)
    if "pid" not in answer:
        code = answer["errno"] or errno.EAGAIN
        raise OSError(code, os.strerror(code))
    if not fds:  # the kernel could not pass the pidfd
        with suppress(ProcessLookupError):
            os.kill(answer["pid"], signal.SIGKILL)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        return _Forked(answer["pid"], fds[0], report)
    except BaseException:
        signal.pidfd_send_signal(fds[0], signal.SIGKILL)
        os.close(fds[0])
        raise


def _abandon(report: socket.socket) -> None:
    """End the process that was requested. If it is not reported yet, the template process will kill it."""
    with report, suppress(OSError, TemplateLost):
        running = _answer(report)
        running.kill()
        running.close()


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


async def start(program: Program) -> RunningProgram:
    """Start a program.

    Raises:
        OSError: out of descriptors, memory or processes. This is temporary.
    """
    with ExitStack() as stack:
        # Copies, because the caller may close its descriptors while the template process is asked.
        streams: dict[int, int] = {}
        for number, fd in program.streams.items():
            streams[number] = os.dup(fd)
            stack.callback(os.close, streams[number])
        program = replace(program, streams=streams)
        if template.usable and not program.own_layout:
            try:
                return await template.fork(program)
            except TemplateLost as error:
                _log.warning("%s is started without the template process: %s", program.module, error)
        return execute(program)


def execute(program: Program) -> RunningProgram:
    """Start a program without the template process. Raises OSError."""
    parent = str(os.getpid())
    return _Executed(
        _execute("camera.device.program", parent, program.module, *program.arguments, streams=program.streams)
    )
