"""A camera process as seen by the server: start it, call it with deadlines, close it or kill it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from camera import remote
from camera.channel import ChannelClosed, Message
from camera.errors import CAPTURE_UNKNOWN, CameraDisconnected, CameraError, CameraTimeout, CaptureUnknown
from camera.events import (
    ConfigChanged,
    ExposureEnded,
    ExposureStarted,
    FileAdded,
    Learned,
    LiveViewEnded,
    MovieEnded,
    MovieStarted,
)
from camera.model import CameraIdentity, Frame
from camera.processes.spawn import ProcessOptions, WorkerProcess
from camera.remote import Alive, FromCamera, Lost, OnProgress, Opened, Progress, Reply, Verb

_log = logging.getLogger("camera.process")

OPEN_DEADLINE_S = 35.0
CLOSE_DEADLINE_S = 5.0
# How much longer a process may need that stops a movie first: some drivers wait until the camera has written the file.
_STOP_MOVIE_S = 12.0
# A process that sends no message for this many seconds is killed. Normally it sends a message every second, but an
# exchange over PTP/IP can block it for 2.5 s, and the preview of a busy camera can block it for 3 s.
_SILENCE_S = 6.0
_WATCH_EVERY_S = 0.5
# The most seconds that a progress message may add to the deadline of a job: twice the longest exposure.
_LONGEST_EXTENSION_S = 72_000.0

OnEvent = Callable[[FromCamera], None]


class CameraProcess:
    """A running camera process.

    Args:
        options: options of the process.
        on_event: receives its events.
        worker: the process, which is not started yet.

    Attributes:
        lost: completes with the reason when the process can no longer be used.
        identity: identity of the camera, after it was opened.
        library: the libgphoto2 version in the process.
        last_message_at: when the process last sent a message, in the loop's time.
        last_io: time of the last successful operation of the camera, in seconds since 1970.
        holding: whether the process keeps the shutter open, or its button pressed, or did so when it was lost.
        recording: whether it may record a movie, or may have done so when it was lost.
    """

    def __init__(self, options: ProcessOptions, on_event: OnEvent, worker: WorkerProcess) -> None:
        self.options = options
        self.lost: asyncio.Future[CameraError] = asyncio.get_running_loop().create_future()
        self.identity: CameraIdentity | None = None
        self.library = ""
        self.last_message_at = 0.0
        self.last_io = time.time()
        self.holding = False
        self.recording = False
        self._on_event = on_event
        self._worker = worker
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._job = 0
        self._closing = False
        # The result None means that the process was lost before it replied.
        self._replies: dict[int, asyncio.Future[Message | None]] = {}
        self._progress: OnProgress | None = None
        self._started = False
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs."""
        return self._worker.pid

    @property
    def crashed(self) -> bool:
        """Whether the process has ended as if its camera had attacked it."""
        return self._worker.crashed

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
            await self._worker.start(self._on_message, self._channel_lost)
        except OSError as error:  # out of descriptors, memory or processes; this is temporary
            raise CameraError(f"The camera process could not be started ({error}).") from error
        self._started = True
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

    async def call(self, verb: Verb, arguments: dict[str, Any], on_progress: OnProgress) -> Any:
        """Call a verb and return its result.

        Each progress message restarts the deadline and adds the number of seconds in the message.

        Raises:
            CameraError: the error of the camera. If the process was killed or has died, this is CameraTimeout or
                CameraDisconnected, or CaptureUnknown if the shutter may have fired.
        """
        if self.lost.done():
            raise self.lost.result()
        if not self._started or self._closing:
            raise CameraDisconnected("The camera is not open.")
        self._job += 1
        job, progressed = self._job, False
        reply: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._replies[job] = reply

        def progress(needs_s: float) -> None:
            nonlocal progressed
            progressed = True
            self.holding |= verb.holds
            self.recording |= verb.records
            timer.reschedule(asyncio.get_running_loop().time() + verb.deadline_s + min(needs_s, _LONGEST_EXTENSION_S))
            on_progress(needs_s)

        self._progress = progress
        try:
            async with asyncio.timeout(verb.deadline_s) as timer:
                await self._worker.send(remote.request(job, verb, arguments))
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
        result = verb.result(message)  # after an error, the shutter may still be open
        if verb.holds:
            self.holding = False
        return result

    async def stop_exposure(self) -> None:
        """Ask the process to end its bulb exposure, or to cancel a release. Raises CameraDisconnected if it was lost."""
        await self._tell(remote.STOP)

    async def confirm_release(self) -> None:
        """Confirm a release at a given moment. Raises CameraDisconnected if the process was lost."""
        await self._tell(remote.GO)

    async def _tell(self, header: dict[str, Any]) -> None:
        try:
            await self._worker.send(header)
        except ChannelClosed:
            raise CameraDisconnected("The camera process ended unexpectedly. The server starts a new one.") from None

    async def close(self, grace: float = CLOSE_DEADLINE_S) -> None:
        """Ask the process to switch live view off, close the camera and end.

        Kills the process if it has not ended after `grace` seconds, or 12 s later if it stops a movie first.
        """
        self._closing = True
        if self._worker.pid is not None:
            with suppress(ChannelClosed, TimeoutError):
                async with asyncio.timeout(grace + (_STOP_MOVIE_S if self.recording else 0)):
                    await self._worker.send(remote.CLOSE)
                    await self._worker.wait()
        await self.kill(CameraDisconnected("The camera was closed."))

    async def kill(self, reason: CameraError) -> None:
        """Kill the process at once; `lost` completes with `reason`."""
        self._lose(reason)
        await self._reap()

    async def _reap(self) -> None:
        if self._watchdog is not None and self._watchdog is not asyncio.current_task():
            self._watchdog.cancel()
            await asyncio.wait((self._watchdog,))
        await self._worker.end()

    def _lose(self, reason: CameraError, *, disconnect: bool = True) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(None)
        if disconnect:
            self._worker.disconnect()

    def _channel_lost(self) -> None:
        self._lose(CameraDisconnected("The camera process ended unexpectedly. The server starts a new one."))

    def _on_message(self, message: Message) -> None:
        self.last_message_at = asyncio.get_running_loop().time()
        match remote.incoming(message):
            case (
                Frame()
                | FileAdded()
                | ConfigChanged()
                | ExposureStarted()
                | ExposureEnded()
                | MovieStarted()
                | MovieEnded()
                | Learned()
                | LiveViewEnded() as event
            ):
                self.last_io = time.time()
                if isinstance(event, ExposureEnded):
                    self.holding = False
                elif isinstance(event, MovieEnded):
                    self.recording = False
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
                self.last_message_at = loop.time()  # not checked during a job, which has its own deadline
            elif loop.time() - self.last_message_at > _SILENCE_S:
                _log.warning(
                    "%s: no message from the camera process for %.0f s. Killing it.", self.options.port, _SILENCE_S
                )
                await self.kill(CameraTimeout("The camera stopped answering. The server opens it again."))
