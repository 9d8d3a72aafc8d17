"""A camera process as seen by the server: start it, call it with deadlines, close it or kill it. Also short helpers."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from camera import channel, remote
from camera.channel import AsyncChannel, ChannelClosed, Message
from camera.errors import CAPTURE_UNKNOWN, CameraDisconnected, CameraError, CameraTimeout, CaptureUnknown
from camera.events import ConfigChanged, FileAdded, Learned, LiveViewEnded
from camera.model import CameraIdentity, Frame
from camera.process_log import LineBudget, ProcessLog
from camera.remote import Alive, FromCamera, Lost, OnProgress, Opened, Progress, Reply, Verb

_log = logging.getLogger("camera.process")

OPEN_DEADLINE_S = 35.0
CLOSE_DEADLINE_S = 5.0
# The process sends a message every second, but an exchange over PTP/IP can block it for 2.5 s, a busy preview for 3 s.
_SILENCE_S = 6.0
_WATCH_EVERY_S = 0.5
# How much a job may extend its deadline: the longest exposure.
_LONGEST_EXTENSION_S = 900.0
_KILL_TIMEOUT_S = 5.0
_ROOT = Path(__file__).resolve().parent.parent
# The environment variables that a camera process gets; not the token and the certificate paths.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "VCAMERADIR", "CAMLIBS", "IOLIBS", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
)  # fmt: skip
# Rotating a frame allocates and frees about 3 MB. By default glibc returns such memory to the kernel each time, which
# costs as much as the rotation itself (measured: 6.5 ms instead of 3.0 ms at 1280x720).
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(16 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20)}


def environment() -> dict[str, str]:
    """The environment variables of camera processes and helpers.

    The driver stores settings such as capturetarget in one file for all cameras, below XDG_CONFIG_HOME. A folder that
    does not exist keeps cameras from changing each other's settings.
    """
    passed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**passed, **_MALLOC, "PYTHONPATH": str(_ROOT), "XDG_CONFIG_HOME": "/nonexistent/gphoto-ws"}


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process that is still running; returns when it has ended, or when it cannot be killed.

    Uses the process id, because `Process.kill` polls first, so that asyncio would not get the exit status.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILL_TIMEOUT_S):
                await process.wait()
        except TimeoutError:  # it hangs in the kernel, for example in USB; continue without it
            _log.warning("Process %d still exists %.0f s after SIGKILL", process.pid, _KILL_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit code of a helper (None if it was killed at its deadline) and its output."""

    code: int | None
    output: bytes


async def run_helper(module: str, *arguments: str, deadline_s: float) -> Ended:
    """Run a module of this project in its own process, which is killed at the deadline.

    Raises:
        OSError: the process could not be started (not enough descriptors, memory or processes). This is temporary.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env=environment(), cwd="/",
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(deadline_s):
            output, _ = await process.communicate()
    except TimeoutError:
        return Ended(None, b"")
    finally:
        await end(process)
    return Ended(process.returncode, output)


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Options of a camera process: port, model in libgphoto2, and capture target ("" keeps the camera's setting)."""

    port: str
    model: str
    capture_target: str


OnEvent = Callable[[FromCamera], None]


class CameraProcess:
    """A running camera process.

    Attributes:
        lost: completes with the reason when the process can no longer be used.
        identity: identity of the camera, after it was opened.
        library: the libgphoto2 version in the process.
        last_message_at: when the process last sent a message, in the loop's time.
        last_io: time of the last successful operation of the camera, in seconds since 1970.
    """

    def __init__(self, options: ProcessOptions, on_event: OnEvent, lines: LineBudget | None = None) -> None:
        self.options = options
        self.lost: asyncio.Future[CameraError] = asyncio.get_running_loop().create_future()
        self.identity: CameraIdentity | None = None
        self.library = ""
        self.last_message_at = 0.0
        self.last_io = time.time()
        self._on_event = on_event
        self._lines = lines or LineBudget()
        self._stderr: ProcessLog | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._job = 0
        self._closing = False
        # The result None means that the process was lost before it replied.
        self._replies: dict[int, asyncio.Future[Message | None]] = {}
        self._progress: OnProgress | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._channel: AsyncChannel | None = None
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def closing(self) -> bool:
        """Whether the process was asked to release the camera."""
        return self._closing

    async def open(self) -> None:
        """Start the process and wait until it has opened the camera.

        Raises:
            CameraError: the camera could not be opened; the process has ended.
        """
        try:
            await self._spawn()
        except OSError as error:  # out of descriptors, memory or processes; this is temporary
            if self._channel is not None:
                self._channel.close()
            if self._stderr is not None:
                self._stderr.close()
            raise CameraError(f"The camera process could not be started ({error}).") from error
        try:
            async with asyncio.timeout(OPEN_DEADLINE_S):
                await asyncio.wait((self._opened, self.lost), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await self.kill(
                CameraTimeout(f"The camera did not open within {OPEN_DEADLINE_S:.0f} s. Check that it is switched on.")
            )
        except asyncio.CancelledError:
            await self.kill(CameraDisconnected("The server is shutting down."))
            raise
        if self.lost.done():
            await self._reap()
            raise self.lost.result()
        self._watchdog = asyncio.create_task(self._watch(), name=f"watchdog {self.options.port}")

    async def _spawn(self) -> None:
        server_end, process_end = channel.pair()
        with process_end:
            self._channel = AsyncChannel(server_end, self._on_message, self._channel_lost)
            options = {
                "port": self.options.port,
                "model": self.options.model,
                "capture_target": self.options.capture_target,
                "parent": os.getpid(),
                "log_level": logging.getLogger().getEffectiveLevel(),
            }
            self._stderr = ProcessLog(self.options.port, self._lines)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-X", "faulthandler", "-m", "camera.device.worker", str(process_end.fileno()),
                json.dumps(options),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=self._stderr.write_end,
                pass_fds=(process_end.fileno(),), env=environment(), cwd="/", start_new_session=True,
            )  # fmt: skip
            self._stderr.started()

    async def call(self, verb: Verb, arguments: dict[str, Any], on_progress: OnProgress) -> Any:
        """Call a verb and return its result.

        Each progress message restarts the deadline and adds the time that it asks for.

        Raises:
            CameraError: the error of the camera. CameraTimeout, CameraDisconnected or (if the shutter may have fired)
                CaptureUnknown mean that the process was killed or has died.
        """
        if self.lost.done():
            raise self.lost.result()
        if self._channel is None or self._closing:
            raise CameraDisconnected("The camera is not open.")
        self._job += 1
        job, progressed = self._job, False
        reply: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._replies[job] = reply

        def progress(needs_s: float) -> None:
            nonlocal progressed
            progressed = True
            timer.reschedule(asyncio.get_running_loop().time() + verb.deadline_s + min(needs_s, _LONGEST_EXTENSION_S))
            on_progress(needs_s)

        self._progress = progress
        try:
            async with asyncio.timeout(verb.deadline_s) as timer:
                await self._channel.send(remote.request(job, verb, arguments))
                await reply
        except TimeoutError:
            _log.warning("%s: %s timed out after %.0f s. Killing the camera process.", self.options.port, verb.name,
                         verb.deadline_s)  # fmt: skip
            await self.kill(CameraTimeout(
                f"The camera did not answer within {verb.deadline_s:.0f} s. The server opens it again.", doing=verb.name
            ))  # fmt: skip
        except ChannelClosed:
            self._lose(
                CameraDisconnected(
                    "The camera process ended unexpectedly. The server starts a new one.", doing=verb.name
                )
            )
        finally:
            self._progress = None
            self._replies.pop(job, None)
        message = None if reply.cancelled() or not reply.done() else reply.result()
        if message is None:
            reason = self.lost.result()
            if verb.fires and progressed:
                raise CaptureUnknown(CAPTURE_UNKNOWN, doing=verb.name, reason=reason.message)
            raise replace(reason, doing=verb.name)
        return verb.result(message)

    async def close(self, grace: float = CLOSE_DEADLINE_S) -> None:
        """Release the camera and end the process in order: live view off, camera closed.

        Kill it after `grace` seconds.
        """
        self._closing = True
        if self._channel is not None and self._process is not None and self._process.returncode is None:
            with suppress(ChannelClosed, TimeoutError):
                async with asyncio.timeout(grace):
                    await self._channel.send(remote.CLOSE)
                    await self._process.wait()
        await self.kill(CameraDisconnected("The camera was closed."))

    async def kill(self, reason: CameraError) -> None:
        """Kill the process at once; `lost` completes with `reason`."""
        self._lose(reason)
        await self._reap()

    async def _reap(self) -> None:
        if self._watchdog is not None and self._watchdog is not asyncio.current_task():
            self._watchdog.cancel()
            await asyncio.wait((self._watchdog,))
        if self._process is not None:
            await end(self._process)
        if self._stderr is not None:
            self._stderr.close()
        if self._channel is not None:
            self._channel.close()

    def _lose(self, reason: CameraError, *, disconnect: bool = True) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(None)
        if disconnect and self._channel is not None:
            self._channel.close()

    def _channel_lost(self) -> None:
        self._lose(CameraDisconnected("The camera process ended unexpectedly. The server starts a new one."))

    def _on_message(self, message: Message) -> None:
        self.last_message_at = asyncio.get_running_loop().time()
        match remote.incoming(message):
            case Frame() | FileAdded() | ConfigChanged() | Learned() | LiveViewEnded() as event:
                self.last_io = time.time()
                self._on_event(event)
            case Progress(job, needs_s):
                if self._progress is not None and job == self._job:
                    self._progress(needs_s)
            case Reply() as reply:
                self._on_reply(reply)
            case Opened(identity, library):
                self.identity, self.library = identity, library
                if not self._opened.done():
                    self._opened.set_result(None)
            case Lost(error):
                self._lose(error, disconnect=False)
            case Alive():
                return

    def _on_reply(self, reply: Reply) -> None:
        future = self._replies.get(reply.job)
        if future is None or future.done():
            if reply.message.fd is not None:
                os.close(reply.message.fd)
            return
        future.set_result(reply.message)
        if not reply.failed:
            self.last_io = time.time()
        if reply.lost is not None:
            self._lose(reply.lost, disconnect=False)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.lost.done():
            await asyncio.sleep(_WATCH_EVERY_S)
            if self._replies:
                self.last_message_at = loop.time()  # a job has its own deadline
            elif loop.time() - self.last_message_at > _SILENCE_S:
                _log.warning(
                    "%s: no message from the camera process for %.0f s. Killing it.", self.options.port, _SILENCE_S
                )
                await self.kill(CameraTimeout("The camera stopped answering. The server opens it again."))
