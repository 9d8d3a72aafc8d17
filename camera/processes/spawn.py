"""Starts processes: camera processes with their channels, and short helper processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from camera import channel
from camera.channel import ChannelClosed, Message
from camera.processes.process_log import LineBudget, ProcessLog
from camera.processes.server_end import AsyncChannel

_log = logging.getLogger("camera.processes.spawn")

_KILL_TIMEOUT_S = 5.0
_ROOT = Path(__file__).resolve().parent.parent.parent
# The environment variables that a camera process inherits. The token and the certificate paths are not among them.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "VCAMERADIR", "CAMLIBS", "IOLIBS", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
)  # fmt: skip
# Rotating a frame allocates and frees about 3 MB. By default glibc returns such memory to the kernel each time, which
# costs as much as the rotation itself (measured: 6.5 ms instead of 3.0 ms at 1280x720).
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(16 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20)}


def environment() -> dict[str, str]:
    """The environment variables of camera processes and helpers.

    The driver stores settings such as capturetarget in one file for all cameras, below XDG_CONFIG_HOME. Here,
    XDG_CONFIG_HOME names a folder that does not exist, so that cameras do not change each other's settings.
    """
    passed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**passed, **_MALLOC, "PYTHONPATH": str(_ROOT), "XDG_CONFIG_HOME": "/nonexistent/gphoto-ws"}


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process if it still runs. Returns when the process has ended, or after 5 s if it cannot be killed.

    Uses os.kill. `Process.kill` polls the process first: the poll takes the exit status, so asyncio would not get it.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILL_TIMEOUT_S):
                await process.wait()
        except TimeoutError:  # the process hangs in the kernel, for example in USB; do not wait longer
            _log.warning("Process %d still exists %.0f s after SIGKILL", process.pid, _KILL_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a helper process has ended.

    Attributes:
        code: its exit code; None if the process was killed at its deadline.
        output: its stdout.
        complaint: the last line of its stderr; after an exception of Python, this is the exception.
    """

    code: int | None
    output: bytes
    complaint: str = ""


async def run_helper(module: str, *arguments: str, deadline_s: float) -> Ended:
    """Run a module of this project in a separate process. The process is killed after `deadline_s` seconds.

    Raises:
        OSError: the process could not be started (not enough descriptors, memory or processes). This is temporary.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(), cwd="/", start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(deadline_s):
            output, errors = await process.communicate()
    except TimeoutError:
        return Ended(None, b"")
    finally:
        await end(process)
    return Ended(process.returncode, output, errors.decode(errors="replace").strip().rpartition("\n")[2])


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """The options of a camera process.

    Attributes:
        port: the port.
        model: the model in libgphoto2's list.
        capture_target: where stills are stored; "" keeps the camera's setting.
        preview_size: the size of live-view frames; "" keeps the camera's setting.
        release_button: whether an earlier process may have left the shutter open, or its button pressed.
        stop_movie: whether an earlier process may have left a movie running.
        shutter_lines: by serial number or port: the lines of a GPIO chip that release a camera (`ShutterLine`).
    """

    port: str
    model: str
    capture_target: str = ""
    preview_size: str = ""
    release_button: bool = False
    stop_movie: bool = False
    shutter_lines: Mapping[str, str] = field(default_factory=dict)


class WorkerProcess(ABC):
    """A camera process and the channel to it, for `CameraProcess`. The simulation has its own implementation."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process id; None if the process does not run."""

    @abstractmethod
    async def start(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        """Start the process.

        Args:
            on_message: receives each message of the process.
            on_lost: called once when the process has closed the channel.

        Raises:
            OSError: out of descriptors, memory or processes. This is temporary. Nothing remains open.
        """

    @abstractmethod
    async def send(self, header: dict[str, Any]) -> None:
        """Send a message. Raises ChannelClosed."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close this end of the channel; `on_lost` is not called."""

    @abstractmethod
    async def wait(self) -> None:
        """Wait until the process has ended."""

    @abstractmethod
    async def end(self) -> None:
        """Kill the process if it still runs, and free everything that belongs to it."""


class SpawnedProcess(WorkerProcess):
    """A real camera process.

    Args:
        options: options of the process.
        lines: limits the log lines of the camera.
    """

    def __init__(self, options: ProcessOptions, lines: LineBudget) -> None:
        self._options = options
        self._lines = lines
        self._stderr: ProcessLog | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._channel: AsyncChannel | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        try:
            await self._spawn(on_message, on_lost)
        except BaseException:
            await self.end()
            raise

    async def _spawn(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        server_end, process_end = channel.pair()
        with process_end:
            self._channel = AsyncChannel(server_end, on_message, on_lost)
            options = {
                **asdict(self._options),
                "parent": os.getpid(),
                "log_level": logging.getLogger().getEffectiveLevel(),
            }
            self._stderr = ProcessLog(self._options.port, self._lines)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-X", "faulthandler", "-m", "camera.device.worker", str(process_end.fileno()),
                json.dumps(options),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=self._stderr.write_end,
                pass_fds=(process_end.fileno(),), env=environment(), cwd="/", start_new_session=True,
            )  # fmt: skip
            self._stderr.started()

    async def send(self, header: dict[str, Any]) -> None:
        if self._channel is None:
            raise ChannelClosed
        await self._channel.send(header)

    def disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()

    async def wait(self) -> None:
        if self._process is not None:
            await self._process.wait()

    async def end(self) -> None:
        if self._process is not None:
            await end(self._process)
        if self._stderr is not None:
            self._stderr.close()
        self.disconnect()
