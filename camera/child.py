"""One camera process seen from the server: start it, give it a job with a deadline, end it or kill it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camera import channel, library
from camera.channel import AsyncChannel, ChannelClosed, Message
from camera.ending import end
from camera.errors import CAPTURE_UNKNOWN, CameraDisconnected, CameraError, CameraTimeout, CaptureUnknown
from camera.model import CameraIdentity
from camera.process_log import LineBudget, ProcessLog

_log = logging.getLogger("camera.child")

OPEN_DEADLINE_S = 35.0
CLOSE_DEADLINE_S = 5.0
# The worker speaks every second, but one silent exchange over PTP/IP takes 2.5 s and a busy preview 3 s.
_SILENCE_S = 6.0
_WATCH_EVERY_S = 0.5
# What a process may ask for beside a deadline: the longest exposure.
_MOST_NEEDED_S = 900.0
_ROOT = Path(__file__).resolve().parent.parent
# What a camera process may see of our environment: no token, no certificate paths.
_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "VCAMERADIR",
    "CAMLIBS",
    "IOLIBS",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
# Turning a frame takes and gives back some 3 MB; glibc would return them to the kernel and fault them in again for
# every frame, which costs as much as the turning itself (measured: 6.5 ms against 3.0 at 1280x720).
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(16 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20)}


def environment() -> dict[str, str]:
    """The environment of camera processes.

    The driver keeps settings such as capturetarget below XDG_CONFIG_HOME, one file for all cameras; a folder that
    is not there keeps cameras from changing each other's.
    """
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, **_MALLOC, "PYTHONPATH": str(_ROOT), "XDG_CONFIG_HOME": "/nonexistent/gphoto-ws"}


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """What a camera process is started with: port, driver's model name, capture target ("" leaves it alone)."""

    port: str
    model: str
    capture_target: str


class Child:
    """A running camera process.

    Attributes:
        lost: completes, with the reason, once the process is of no use any more.
        identity: the camera, once it is open.
        library: version of the libgphoto2 in the process.
        last_heard: when the process last spoke, in the loop's time.
        last_io: when the camera last did what it was asked, seconds since the epoch.
    """

    def __init__(
        self, options: ChildOptions, on_event: Callable[[str, Message], None], lines: LineBudget | None = None
    ) -> None:
        self.options = options
        self.lost: asyncio.Future[CameraError] = asyncio.get_running_loop().create_future()
        self.identity: CameraIdentity | None = None
        self.library = ""
        self.last_heard = 0.0
        self.last_io = time.time()
        self._on_event = on_event
        self._lines = lines or LineBudget()
        self._stderr: ProcessLog | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._job = 0
        self._closing = False
        # None as a result: the process was lost before it answered.
        self._replies: dict[int, asyncio.Future[Message | None]] = {}
        self._progress: Callable[[str, float], None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._channel: AsyncChannel | None = None
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def closed_in_order(self) -> bool:
        """Whether it was told to let the camera go."""
        return self._closing

    async def open(self) -> None:
        """Start the process and wait until it has opened the camera.

        Raises:
            CameraError: the camera could not be opened; the process is gone.
        """
        try:
            await self._spawn()
        except OSError as error:  # out of descriptors, memory or processes: none of it lasts for ever
            if self._channel is not None:
                self._channel.close()
            if self._stderr is not None:
                self._stderr.close()
            raise CameraError(f"The camera's process could not be started ({error}).") from error
        try:
            async with asyncio.timeout(OPEN_DEADLINE_S):
                await asyncio.wait((self._opened, self.lost), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await self.kill(CameraTimeout(f"The camera did not open within {OPEN_DEADLINE_S:.0f} s. Is it awake?"))
        except asyncio.CancelledError:
            await self.kill(CameraDisconnected("The server is shutting down."))
            raise
        if self.lost.done():
            await self._reap()
            raise self.lost.result()
        self._watchdog = asyncio.create_task(self._watch(), name=f"watchdog {self.options.port}")

    async def _spawn(self) -> None:
        ours, theirs = channel.pair()
        with theirs:
            self._channel = AsyncChannel(ours, self._heard, self._channel_lost)
            options = {
                "port": self.options.port,
                "model": self.options.model,
                "capture_target": self.options.capture_target,
                "parent": os.getpid(),
                "log_level": logging.getLogger().getEffectiveLevel(),
            }
            self._stderr = ProcessLog(self.options.port, self._lines)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-X", "faulthandler", "-m", "camera.worker", str(theirs.fileno()), json.dumps(options),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=self._stderr.theirs,
                pass_fds=(theirs.fileno(),), env=environment(), cwd="/", start_new_session=True,
            )  # fmt: skip
            self._stderr.started()

    async def call(
        self, do: str, args: dict[str, Any], deadline: float, on_progress: Callable[[str], None] | None = None
    ) -> Message:
        """Carry out one job; each sign of progress gives it `deadline` seconds more, and what it says it needs.

        Raises:
            CameraError: what the camera said; or CameraTimeout, CameraDisconnected, or (where the shutter was
                released) CaptureUnknown when the process had to be killed or died. After those the process is gone.
        """
        if self.lost.done():
            raise self.lost.result()
        if self._channel is None or self._closing:
            raise CameraDisconnected("The camera is not open.")
        self._job += 1
        job, released = self._job, False
        reply: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._replies[job] = reply

        def progressed(what: str, needs: float) -> None:
            nonlocal released
            released = released or what == "released"
            timer.reschedule(asyncio.get_running_loop().time() + deadline + min(needs, _MOST_NEEDED_S))
            if on_progress:
                on_progress(what)

        self._progress = progressed
        try:
            async with asyncio.timeout(deadline) as timer:
                await self._channel.send({"job": job, "do": do, "args": args})
                await reply
        except TimeoutError:
            _log.warning("%s: %s did not end within %.0f s; ending its process", self.options.port, do, deadline)
            await self.kill(CameraTimeout(
                f"The camera did not answer within {deadline:.0f} s; it is being opened again.", doing=do
            ))  # fmt: skip
        except ChannelClosed:
            self._lose(CameraDisconnected("The camera's process ended; it is being started again.", doing=do))
        finally:
            self._progress = None
            self._replies.pop(job, None)
        message = None if reply.cancelled() or not reply.done() else reply.result()
        if message is None:
            reason = self.lost.result()
            if released:
                raise CaptureUnknown(CAPTURE_UNKNOWN, doing=do, reason=reason.message)
            raise type(reason)(reason.message, **{**reason.details, "doing": do})
        if "error" in message.header:
            raise CameraError.from_json(message.header["error"])
        return message

    async def close(self, grace: float = CLOSE_DEADLINE_S) -> None:
        """Let the camera go in order: live view off, camera released, process gone; killed after `grace` seconds."""
        self._closing = True
        if self._channel is not None and self._process is not None and self._process.returncode is None:
            with suppress(ChannelClosed, TimeoutError):
                async with asyncio.timeout(grace):
                    await self._channel.send({"job": 0, "do": "close"})
                    await self._process.wait()
        await self.kill(CameraDisconnected("The camera was closed."))

    async def kill(self, reason: CameraError) -> None:
        """End the process at once; `lost` gives `reason`."""
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
        self._lose(CameraDisconnected("The camera's process ended; it is being started again."))

    def _heard(self, message: Message) -> None:
        self.last_heard = asyncio.get_running_loop().time()
        header = message.header
        if "job" in header:
            if "progress" in header:
                if self._progress and header["job"] == self._job:
                    self._progress(header["progress"], header.get("needs", 0.0))
            elif (reply := self._replies.get(header["job"])) and not reply.done():
                reply.set_result(message)
                if "ok" in header:
                    self.last_io = time.time()
                if header.get("lost"):
                    self._lose(CameraError.from_json(header["error"]), disconnect=False)
            elif message.fd is not None:
                os.close(message.fd)
            return
        match header["event"]:
            case "alive":
                return
            case "opened":
                self.identity = CameraIdentity.from_json(header["identity"])
                self.library = header["library"]
                library.warn_of(self.library)
                if not self._opened.done():
                    self._opened.set_result(None)
            case "lost":
                self._lose(CameraError.from_json(header["error"]), disconnect=False)
            case event:
                self.last_io = time.time()
                self._on_event(event, message)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.lost.done():
            await asyncio.sleep(_WATCH_EVERY_S)
            if self._replies:
                self.last_heard = loop.time()  # a job has its own deadline
            elif loop.time() - self.last_heard > _SILENCE_S:
                _log.warning("%s: silent for %.0f s; ending its process", self.options.port, _SILENCE_S)
                await self.kill(CameraTimeout("The camera stopped answering; it is being opened again."))
