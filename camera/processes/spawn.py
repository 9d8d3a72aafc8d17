"""Starts processes: camera processes with their channels, and short helper processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from camera import channel
from camera.channel import ChannelClosed, Message
from camera.processes.process_log import LineBudget, ProcessLog
from camera.processes.programs import Program, RunningProgram, start
from camera.processes.server_end import AsyncChannel

_log = logging.getLogger("camera.processes.spawn")

_KILL_TIMEOUT_S = 5.0
# After the end of a process, its last messages are read within this time.
_LAST_MESSAGES_S = 1.0
_MOST_OUTPUT_BYTES = 2**20
# A process that was ended by one of these signals may have been attacked by its camera.
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE)


async def end(process: RunningProgram) -> None:
    """Kill a process if it still runs. Returns when the process has ended, or after 5 s if it cannot be killed."""
    if process.running:
        process.kill()
        try:
            async with asyncio.timeout(_KILL_TIMEOUT_S):
                await process.wait()
        except TimeoutError:  # the process hangs in the kernel, for example in USB; do not wait longer
            _log.warning("Process %d still exists %.0f s after SIGKILL", process.pid, _KILL_TIMEOUT_S)
    process.close()


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
    """Run a program of camera/device in a separate process. The process is killed after `deadline_s` seconds.

    Raises:
        OSError: the process could not be started (not enough descriptors, memory or processes). This is temporary.
    """
    with ExitStack() as stack:
        output, errors = (_Output(stack) for _ in range(2))
        process = await start(Program(module, arguments, {1: output.fd, 2: errors.fd}))
        try:
            async with asyncio.timeout(deadline_s):
                code = await process.wait()
        except TimeoutError:
            return Ended(None, b"")
        finally:
            try:
                await end(process)
            finally:
                process.close()
        return Ended(code, output.read(), errors.read().decode(errors="replace").strip().rpartition("\n")[2])


class _Output:
    """The output of a program, in memory. It is freed at the end of `stack`."""

    def __init__(self, stack: ExitStack) -> None:
        self.fd = os.memfd_create("output")
        stack.callback(os.close, self.fd)

    def read(self) -> bytes:
        """The first MB. The program may have been taken over by a camera, and have written any amount."""
        return os.pread(self.fd, min(os.fstat(self.fd).st_size, _MOST_OUTPUT_BYTES), 0)


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
        own_layout: whether the process needs addresses in memory that no other process has had, because its camera may
            have attacked the last one.
    """

    port: str
    model: str
    capture_target: str = ""
    preview_size: str = ""
    release_button: bool = False
    stop_movie: bool = False
    shutter_lines: Mapping[str, str] = field(default_factory=dict)
    own_layout: bool = False


class WorkerProcess(ABC):
    """A camera process and the channel to it, for `CameraProcess`. The simulation has its own implementation."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process id; None if the process does not run."""

    @property
    def crashed(self) -> bool:
        """Whether the process has ended as if it was attacked: by a memory fault or an abort."""
        return False

    @abstractmethod
    async def start(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        """Start the process.

        Args:
            on_message: receives each message of the process.
            on_lost: called once when the process has closed the channel, or has ended.

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
        self._process: RunningProgram | None = None
        self._channel: AsyncChannel | None = None
        self._code: int | None = None
        self._over = False

    @property
    def crashed(self) -> bool:
        return self._code is not None and -self._code in _CRASHES

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.running else None

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
            options = {**asdict(self._options), "log_level": logging.getLogger().getEffectiveLevel()}
            self._stderr = ProcessLog(self._options.port, self._lines)
            streams = {0: process_end.fileno(), 2: self._stderr.write_end}
            arguments = self._options.port, json.dumps(options)
            process = await start(Program("camera.device.worker", arguments, streams, self._options.own_layout))
            self._process = process
            self._stderr.started()
        process.when_ended(lambda code: self._on_end(code, on_lost))
        if self._over:
            raise OSError("the camera was closed meanwhile")

    def _on_end(self, code: int, on_lost: Callable[[], None]) -> None:
        self._code = code

        def lost() -> None:
            if self._channel is not None and not self._channel.closed:
                self._channel.close()
                on_lost()

        # Usually the end of the channel was noticed before. It is not if another process has a copy of its descriptor.
        asyncio.get_running_loop().call_later(_LAST_MESSAGES_S, lost)

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
        self._over = True
        if self._process is not None:
            await end(self._process)
        if self._stderr is not None:
            self._stderr.close()
        self.disconnect()
