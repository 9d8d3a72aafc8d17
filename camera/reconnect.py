"""Keeps a camera open: opens it, notices when it is lost, and opens it again by ever stronger means."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from camera import detection
from camera.errors import (
    CameraClaimed,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraNotFound,
    CameraTimeout,
    CameraUnreachable,
    NoPermission,
    NotSupported,
)
from camera.events import CameraLost, CameraOpened, OtherCamera, Reachable, StateMayDiffer
from camera.model import CameraIdentity, State
from camera.options import SessionOptions
from camera.ports import forbidden_node, node_of
from camera.process import CameraProcess, ProcessOptions, run_helper
from camera.process_log import LineBudget
from camera.remote import FromCamera, OnProgress, Verb

_log = logging.getLogger("camera.reconnect")

# Between the slow tries: a camera that answers again is to be ready within 10 s, opening it included.
_SLOW_RETRY_S = 8.0
# However often clients ask, a camera that does not open is not tried more often than this.
_SHORTEST_PAUSE_S = 1.0
# A new process repairs most failures, so the first try comes at once; the second is helped by a reset of the device.
_RESET_AFTER = 2
# The kernel gives a device 5 s to answer its new address.
_RESET_DEADLINE_S = 8.0
# A camera that is lost again this soon, so many times in a row, has a fault that opening it again does not repair.
_SHORT_CONNECTION_S, _MOST_SHORT_CONNECTIONS = 3.0, 3

FromReconnect = FromCamera | CameraOpened | CameraLost | Reachable | StateMayDiffer | OtherCamera


class Reconnect:
    """A camera that is kept open.

    Args:
        port, driver_model: where it is, and libgphoto2's name of its model.
        options: for every camera.
        expected: whether the camera on a port with this serial number is the one that belongs there.
        emit: gets every event.

    Attributes:
        port: where it is now.
        driver_model: libgphoto2's name of its model.
        capture_target: where stills go; set again in each new process.
        identity: who it is, once it was opened.
        library: version of the libgphoto2 that its process loaded.
        last_error: why it is not open, or was not.
        attempts: tries to open it that failed, since it was open last.
        first_try: completes with the first try to open it.
    """

    def __init__(
        self,
        port: str,
        driver_model: str,
        options: SessionOptions,
        expected: Callable[[str, str], bool],
        emit: Callable[[FromReconnect], None],
    ) -> None:
        self.port = port
        self.driver_model = driver_model
        self.capture_target = options.capture_target
        self.identity: CameraIdentity | None = None
        self.library = ""
        self.last_error: CameraError | None = None
        self.attempts = 0
        self._options = options
        self._expected = expected
        self._emit = emit
        self._lines = LineBudget()
        self._process: CameraProcess | None = None
        self._opening: CameraProcess | None = None
        self._state: State = "opening"
        self._last_io: float | None = None
        self._reported_gone = False
        self._short_connections = 0
        self._retry_now = asyncio.Event()
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._stopping = False
        self._attempt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first_try = self._attempt
        self._task: asyncio.Task[None] | None = None

    @property
    def title(self) -> str:
        """What people call the camera: as it calls itself, where that is known."""
        return self.identity.model if self.identity is not None else self.driver_model

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self._process is not None

    @property
    def current(self) -> CameraProcess | None:
        """The open camera's process."""
        return self._process

    @property
    def state(self) -> State:
        """What it is doing; "ready" while it is open."""
        return self._state

    @property
    def last_io(self) -> float | None:
        """When the camera last did what it was asked, seconds since the epoch."""
        return self._process.last_io if self._process is not None else self._last_io

    def start(self) -> None:
        """Begin to open the camera, and keep it open from now on."""
        self._task = asyncio.create_task(self._keep_open(), name=f"reconnect {self.port}")
        self._task.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Release the camera and open it no more; takes at most the close deadline and a moment."""
        self._stopping = True
        self._retry_now.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._process is not None:
            process, self._process = self._process, None
            await process.close()
        if not self._attempt.done():
            self._attempt.set_result(None)

    async def unplug(self) -> None:
        """The camera left its port: end its process and wait for `replug`."""
        self._plugged.clear()
        self._retry_now.set()
        self._report_gone(True)
        for process in (self._process, self._opening):
            if process is not None:
                await process.kill(CameraDisconnected("The camera was unplugged."))

    def replug(self, port: str) -> None:
        """The camera is back, maybe on another port."""
        self.port = port
        self._plugged.set()
        self._retry_now.set()

    async def renew(self) -> None:
        """Close the camera in order and open it again; returns when it is ready.

        Raises:
            CameraError: it does not open; tries go on.
        """
        if self._process is not None and not self._process.lost.done():
            await self._process.close()
        await self.process()

    async def process(self) -> CameraProcess:
        """The open camera's process; where there is none, after the try to open it that is under way or due.

        Raises:
            CameraError: it does not open; tries go on.
        """
        while self._process is None or self._process.lost.done():
            if self._stopping:
                raise CameraDisconnected("The server is shutting down.")
            if not self._plugged.is_set():
                raise CameraDisconnected(f"{self.title} was unplugged. Plug it in again.", state="absent")
            attempt = self._attempt
            self._retry_now.set()
            await asyncio.shield(attempt)
            if self._process is None and self.last_error is not None:
                raise self._unreachable(self.last_error)
        return self._process

    async def call(self, verb: Verb, arguments: dict[str, Any], on_progress: OnProgress) -> Any:
        """Carry out a verb; one that only reads is carried out once more where the process was lost meanwhile.

        Raises:
            CameraError: it failed, or the camera does not open.
        """
        process = await self.process()
        try:
            return await process.call(verb, arguments, on_progress)
        except verb.again:
            if not process.lost.done():
                raise
        process = await self.process()
        return await process.call(verb, arguments, on_progress)

    def _unreachable(self, error: CameraError) -> CameraError:
        if isinstance(error, CameraClaimed | CameraTimeout | NotSupported):
            return replace(error, state=self._state)
        words = f"The camera on port {self.port} does not answer. Plug it in or switch it on."
        return CameraUnreachable(words, gp=error.gp, doing=error.doing, state=self._state, cause=error)

    async def _keep_open(self) -> None:
        while not self._stopping:
            if not self._plugged.is_set():
                self._set_state("absent")
                self._finish_attempt()
                await self._plugged.wait()
                self.attempts = self._short_connections = 0
            process = await self._open()
            if process is not None:
                await self._until_lost(process)

    async def _open(self) -> CameraProcess | None:
        if self.attempts <= self._options.max_restart_attempts:
            self._set_state("opening" if self.last_error is None else "recovering")
        port = self.port
        options = ProcessOptions(port, self.driver_model, self.capture_target)
        process = self._opening = CameraProcess(options, self._emit, self._lines)
        try:
            await process.open()
            await self._check_serial(process)
            serial = process.identity.serial if process.identity is not None else None
            if serial and not self._expected(port, serial):
                await process.close()
                if self._plugged.is_set() and self.port == port:
                    self._plugged.clear()
                    self._emit(OtherCamera(serial))
                return None
        except CameraError as error:
            if self._plugged.is_set():
                await self._handle_failure(open_error(self.port, error))
            return None
        finally:
            self._opening = None
        self.attempts = 0
        self._process, self.identity, self.library = process, process.identity, process.library
        detection.warn_if_old(self.library)
        self.last_error = None
        self._state = "ready"
        self._finish_attempt()
        _log.info("Camera ready: %s (%s), serial %s", self.port, self.title, serial or "unknown")
        self._report_gone(False)
        self._emit(StateMayDiffer())
        self._emit(CameraOpened())
        return process

    async def _check_serial(self, process: CameraProcess) -> None:
        """See that a camera that had a serial number has one: without it, the driver got nonsense while it opened.

        Raises:
            CameraIO: it has none; its process is gone.
        """
        known, found = self.identity, process.identity
        if known is not None and known.serial and (found is None or not found.serial):
            error = CameraIO("The camera no longer reports its serial number. The server opens it again.")
            await process.kill(error)
            raise error

    async def _until_lost(self, process: CameraProcess) -> None:
        opened_at = time.monotonic()
        try:
            reason = await asyncio.shield(process.lost)
        finally:
            self._last_io = process.last_io
            if not self._stopping:
                self._process = None
                if not process.closing:
                    self._state = "recovering"  # reported below, with the reason; nobody may read "ready" until then
        self._emit(CameraLost())
        if process.closing:
            _log.info("Camera closed: %s (%s)", self.port, self.title)
            return
        self.last_error = reason
        self._emit(StateMayDiffer())
        _log.warning("Camera disconnected: %s (%s). %s", self.port, self.title, reason)
        await process.kill(reason)
        if reason.gp is not None:  # not only the process ended: the camera did not answer it
            self._report_gone(True)
        self._short_connections = (
            self._short_connections + 1 if time.monotonic() - opened_at < _SHORT_CONNECTION_S else 0
        )
        if self._short_connections >= _MOST_SHORT_CONNECTIONS:
            hint = "Does another program use it?" if isinstance(reason, CameraIO | CameraDisconnected) else reason
            pause = self._options.restart_delay
            _log.warning(
                "Camera disconnected %d times soon after it was opened: %s (%s). %s Retrying in %g s.",
                self._short_connections, self.port, self.title, hint, pause,
            )  # fmt: skip
            self._set_state("recovering")
            await self._pause(pause)

    async def _handle_failure(self, error: CameraError) -> None:
        """After a try that failed: the next rung of the ladder, and a pause that fits it."""
        self.attempts += 1
        quick = self.attempts <= self._options.max_restart_attempts
        pause = 0.0 if self.attempts == 1 else self._options.restart_delay if quick else _SLOW_RETRY_S
        if self.last_error is None or str(error) != str(self.last_error):
            _log.warning(
                "Camera could not be opened: %s (%s). %s (%s) %s",
                self.port, self.title, error, error.gp or "no answer from the driver",
                f"Retrying in {pause:g} s." if pause else "Retrying.",
            )  # fmt: skip
        self.last_error = error
        self._report_gone(True)
        self._set_state("recovering" if quick else "needs_attention")
        self._finish_attempt()
        if self.attempts == _RESET_AFTER and not isinstance(error, CameraClaimed | CameraNotFound):
            with suppress(OSError):  # no process can be started: the pause is what is left
                await reset_device(self.port)
        await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next try; one who asks for the camera makes it come sooner, a new process with a breath."""
        least = min(_SHORTEST_PAUSE_S, max(seconds, 0.2))
        if self._plugged.is_set():
            self._retry_now.clear()
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - least):
                await self._retry_now.wait()

    def _finish_attempt(self) -> None:
        if not self._attempt.done():
            self._attempt.set_result(None)
        self._attempt = asyncio.get_running_loop().create_future()

    def _set_state(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._emit(StateMayDiffer())

    def _report_gone(self, gone: bool) -> None:
        if gone != self._reported_gone:
            self._reported_gone = gone
            self._emit(Reachable(not gone))


def open_error(port: str, error: CameraError) -> CameraError:
    """The error of an opening, or a plainer one where the permission was missing."""
    node = forbidden_node(port)
    if node is None:
        return error
    words = f"No permission to use the camera ({node})."
    return NoPermission(words, gp=error.gp, doing=error.doing, node=str(node))


async def reset_device(port: str) -> bool:
    """Reset a USB device, as pulling its plug for a moment would; whether that was done.

    In a process of its own: the call can block for as long as the device does.
    """
    node = node_of(port)
    if node is None:
        return False
    ended = await run_helper("camera.device.usb_reset", str(node), deadline_s=_RESET_DEADLINE_S)
    if ended.code == 0:
        _log.warning("USB device reset: %s", port)
    else:
        words = "no answer" if ended.code is None else ended.output.decode(errors="replace").strip()
        _log.warning("USB device reset failed: %s (%s)", port, words)
    return ended.code == 0


def log_failure(task: asyncio.Task[None]) -> None:
    """Log a task that should never end and has ended by a mistake of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("Background task %s failed and has stopped", task.get_name(), exc_info=error)
