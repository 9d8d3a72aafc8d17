"""Keeps a camera open: opens it, detects its loss, and opens it again.

Each attempt uses a new camera process. After repeated failures, the USB device is reset.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from background import log_failure
from camera import detection
from camera.errors import (
    CameraBusy,
    CameraClaimed,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraNotFound,
    CameraTimeout,
    CameraUnreachable,
    NoPermission,
    NotSupported,
    PortGone,
)
from camera.events import CameraLost, CameraOpened, OtherCamera, Reachable, StateMayDiffer
from camera.model import CameraIdentity, State
from camera.options import SessionOptions
from camera.ports import forbidden_node, is_gone, node_of, port_gone, unless_gone
from camera.processes.holders import naming_holders
from camera.processes.process import CameraProcess
from camera.processes.process_log import LineBudget
from camera.processes.spawn import ProcessOptions, run_helper
from camera.remote import FromCamera, OnProgress, Verb

_log = logging.getLogger("camera.reconnect")

# The pause between attempts after the quick attempts have failed. With 8 s, a camera that answers again is opened and
# ready within 10 s.
_SLOW_RETRY_S = 8.0
# The shortest pause between attempts, even if clients repeatedly request a camera that cannot be opened.
_SHORTEST_PAUSE_S = 1.0
# In most cases a new process is enough, so the second attempt follows the first failure at once. After this many failed
# attempts, the USB device is reset.
_RESET_AFTER = 2
# During a reset, the kernel waits up to 5 s for the device to respond to its new address.
_RESET_DEADLINE_S = 8.0
# A connection is short if the camera is lost within _SHORT_CONNECTION_S seconds after it was opened. After
# _MOST_SHORT_CONNECTIONS consecutive short connections, opening the camera again at once does not help, so there is a
# pause.
_SHORT_CONNECTION_S, _MOST_SHORT_CONNECTIONS = 3.0, 3

FromReconnect = FromCamera | CameraOpened | CameraLost | Reachable | StateMayDiffer | OtherCamera


class Reconnect:
    """Keeps one camera open.

    Args:
        port, driver_model: the port, and the model in libgphoto2's list.
        options: options for all cameras.
        expected: called with a port and the serial number of the camera on it; returns whether this is the expected
            camera.
        emit: receives every event.

    Attributes:
        port: the current port.
        driver_model: the model in libgphoto2's list.
        capture_target: where stills are stored; set again in each new process.
        identity: the identity of the camera, after it was first opened.
        library: the libgphoto2 version in the camera process.
        last_error: the last error while opening the camera, or the reason of its loss; None while it is open.
        attempts: number of failed attempts to open it since it was last open.
        first_try: completes when the first attempt to open the camera has ended.
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
        self._newest: CameraProcess | None = None
        self._state: State = "opening"
        self._last_io: float | None = None
        self._reported_gone = False
        self._short_connections = 0
        self._retry_now = asyncio.Event()
        # Whether an earlier process, perhaps of an earlier server, may have left the shutter open. None: not known yet.
        self._shutter_open: bool | None = None
        self._movie_runs: bool | None = None  # the same for a movie
        self._plugs = 0  # how often the camera was plugged in again
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._stopping = False
        self._attempt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first_try = self._attempt
        self._task: asyncio.Task[None] | None = None

    @property
    def title(self) -> str:
        """The model to show to people: the camera's own name of it, or libgphoto2's name if it was never opened."""
        return self.identity.model if self.identity is not None else self.driver_model

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self._process is not None

    @property
    def current(self) -> CameraProcess | None:
        """The process of the open camera; None while it is not open."""
        return self._process

    @property
    def state(self) -> State:
        """The state of the camera; "ready" while it is open."""
        return self._state

    @property
    def last_io(self) -> float | None:
        """Time of the last successful operation of the camera, in seconds since 1970."""
        return self._process.last_io if self._process is not None else self._last_io

    @property
    def released(self) -> bool:
        """Whether the shutter of the camera is certainly closed, and its button released."""
        return self._shutter_open is False

    def start(self) -> None:
        """Start to open the camera and keep it open."""
        self._task = asyncio.create_task(self._keep_open(), name=f"reconnect {self.port}")
        self._task.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Release the camera and stop opening it. Takes at most a little longer than `CLOSE_DEADLINE_S`."""
        self._stopping = True
        self._retry_now.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._process is not None:
            process, self._process = self._process, None
            await process.close()
            self._shutter_open = self._shutter_open or process.holding
        if self._newest is not None:  # the cancelled task may have been waiting for its end
            await self._newest.kill(CameraDisconnected("The server is shutting down."))
        if not self._attempt.done():
            self._attempt.set_result(None)

    async def unplug(self) -> None:
        """Called when the camera was unplugged: end its process. The camera is opened again only after `replug`."""
        self._plugged.clear()
        self._retry_now.set()
        self._report_gone(True)
        for process in (self._process, self._opening):
            if process is not None:
                await process.kill(CameraDisconnected("The camera was unplugged."))

    def replug(self, port: str) -> None:
        """Called when the camera was plugged in again; `port` is its new port."""
        self.port = port
        self._plugs += 1
        self._plugged.set()
        self._retry_now.set()

    async def renew(self) -> None:
        """Close the camera and open it again; returns when it is ready.

        Raises:
            CameraError: it could not be opened; attempts continue.
        """
        if self._process is not None and not self._process.lost.done():
            await self._process.close()
        await self.process()

    async def process(self) -> CameraProcess:
        """The process of the open camera. If there is none, waits for the current or next attempt to open it.

        Raises:
            CameraError: it could not be opened (attempts continue), it is unplugged, or the server is shutting down.
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
        """Call a verb. If the process was lost during the call and the verb allows it, the call is repeated once.

        Raises:
            CameraError: the call failed, or the camera could not be opened.
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
        if isinstance(error, CameraClaimed | CameraTimeout | NotSupported | PortGone):
            return replace(error, state=self._state)
        words = f"The camera on port {self.port} does not answer. Plug it in or switch it on."
        return CameraUnreachable(words, gp=error.gp, doing=error.doing, state=self._state, cause=error)

    async def _keep_open(self) -> None:
        plugs = self._plugs
        while not self._stopping:
            if not self._plugged.is_set():
                self._set_state("absent")
                self._finish_attempt()
                await self._plugged.wait()
            if plugs != self._plugs:  # plugged in again, perhaps before this loop noticed the unplug
                plugs = self._plugs
                self.attempts = self._short_connections = 0
            process = await self._open()
            if process is not None:
                await self._until_lost(process)

    async def _open(self) -> CameraProcess | None:
        if is_gone(self.port):
            await self._handle_failure(port_gone(self.port), self._plugs)
            return None
        if self.attempts <= self._options.max_restart_attempts:
            self._set_state("opening" if self.last_error is None else "recovering")
        port, plugs = self.port, self._plugs
        if self._shutter_open is None:
            self._shutter_open = await self._options.photos.journals.exposure_interrupted()
        if self._movie_runs is None:
            self._movie_runs = await self._options.photos.journals.movie_interrupted()
        options = ProcessOptions(
            port, self.driver_model, self.capture_target, self._options.preview_size,
            release_button=self._shutter_open, stop_movie=self._movie_runs, shutter_lines=self._options.shutter_lines,
            own_layout=self._newest is not None and self._newest.crashed,
        )  # fmt: skip
        worker = self._options.spawn(options, self._lines)
        process = self._opening = self._newest = CameraProcess(options, self._emit, worker)
        try:
            await process.open()
            await self._check_serial(process)
            serial = process.identity.serial if process.identity is not None else None
            if serial and not self._expected(port, serial):
                await process.close()
                if self._is_plugged_since(plugs):
                    self._plugged.clear()
                    self._report_gone(True)
                    self._set_state("absent")
                    self._emit(OtherCamera(serial))
                return None
        except CameraError as error:
            explained = await open_error(port, error)
            if self._is_plugged_since(plugs):
                await self._handle_failure(explained, plugs)
            return None
        finally:
            self._opening = None
        self.attempts = 0
        opened = CameraOpened(shutter_closed=self._shutter_open, movie_stopped=self._movie_runs)
        self._shutter_open = self._movie_runs = False
        self._process, self.identity, self.library = process, process.identity, process.library
        detection.warn_if_old(self.library)
        self.last_error = None
        self._state = "ready"
        self._finish_attempt()
        _log.info("Camera ready: %s (%s), serial %s", self.port, self.title, serial or "unknown")
        self._report_gone(False)
        self._emit(StateMayDiffer())
        self._emit(opened)
        return process

    def _is_plugged_since(self, plugs: int) -> bool:
        """Whether the camera is plugged in, and was not plugged in again since `_plugs` had the value `plugs`."""
        return self._plugged.is_set() and self._plugs == plugs

    async def _check_serial(self, process: CameraProcess) -> None:
        """Check that a camera that has reported a serial number earlier reports a serial number again.

        If it reports none, the driver has read invalid data.

        Raises:
            CameraIO: the camera reports no serial number; its process was killed.
        """
        known, found = self.identity, process.identity
        if known is not None and known.serial and (found is None or not found.serial):
            error = CameraIO("The camera no longer reports its serial number. The server opens it again.")
            await process.kill(error)
            raise error

    async def _until_lost(self, process: CameraProcess) -> None:
        opened_at, plugs = time.monotonic(), self._plugs
        try:
            reason = await asyncio.shield(process.lost)
        finally:
            self._last_io = process.last_io
            self._shutter_open, self._movie_runs = process.holding, process.recording
            if not self._stopping:
                self._process = None
                if not process.closing:
                    self._state = "recovering"  # set at once, because "ready" is wrong; the event follows
        self._emit(CameraLost())
        if process.closing:
            _log.info("Camera closed: %s (%s)", self.port, self.title)
            await process.kill(reason)
            return
        self.last_error = reason
        self._emit(StateMayDiffer())
        _log.warning("Camera disconnected: %s (%s). %s", self.port, self.title, reason)
        await process.kill(reason)
        if not self._is_plugged_since(plugs):
            return
        # With an error of libgphoto2 as reason, the camera does not answer. Otherwise, only the process was lost.
        if reason.gp is not None:
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
            await self._pause(pause, plugs)

    async def _handle_failure(self, error: CameraError, plugs: int) -> None:
        """Handle a failed attempt to open the camera: log it, reset the USB device at the second failure, and pause."""
        self.attempts += 1
        quick = self.attempts <= self._options.max_restart_attempts
        pause = 0.0 if self.attempts == 1 else self._options.restart_delay if quick else _SLOW_RETRY_S
        if self.last_error is None or str(error) != str(self.last_error):
            cause = error.gp or ("no device" if isinstance(error, PortGone) else "no answer from the driver")
            _log.warning(
                "Camera could not be opened: %s (%s). %s (%s) %s",
                self.port, self.title, error, cause,
                f"Retrying in {pause:g} s." if pause else "Retrying.",
            )  # fmt: skip
        self.last_error = error
        self._report_gone(True)
        self._set_state("absent" if isinstance(error, PortGone) else "recovering" if quick else "needs_attention")
        self._finish_attempt()
        if not self._is_plugged_since(plugs):
            return
        if self.attempts == _RESET_AFTER and not isinstance(error, CameraBusy | CameraClaimed | CameraNotFound):
            with suppress(OSError):  # if the helper process cannot start, there is only the pause
                await reset_device(self.port)
        await self._pause(pause, plugs)

    async def _pause(self, seconds: float, plugs: int) -> None:
        """Wait before the next attempt. A request for the camera shortens the wait, but not below a minimum.

        If the camera was plugged in again in the meantime, this returns at once.
        """
        if not self._is_plugged_since(plugs):
            return
        least = min(_SHORTEST_PAUSE_S, max(seconds, 0.2))
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


async def open_error(port: str, error: CameraError) -> CameraError:
    """The error for a failed attempt to open a camera.

    This is PortGone if the device has left its port, NoPermission if the server may not use the device file of the
    camera, otherwise `error`. CameraClaimed names the program that uses the camera.
    """
    if isinstance(error, CameraClaimed):
        try:
            return await asyncio.to_thread(naming_holders, port, error)  # reads the open files of all processes
        except (OSError, RuntimeError):  # no more descriptors or threads
            return error
    node = forbidden_node(port)
    if node is None:
        return unless_gone(port, error)
    words = f"No permission to use the camera ({node})."
    return NoPermission(words, gp=error.gp, doing=error.doing, node=str(node))


async def reset_device(port: str) -> bool:
    """Reset a USB device, as if it was unplugged for a moment. Returns whether it was reset.

    Runs in its own process, because the system call can block for as long as the device does not respond.
    """
    node = node_of(port)
    if node is None:
        return False
    ended = await run_helper("camera.device.usb_reset", str(node), deadline_s=_RESET_DEADLINE_S)
    if ended.code == 0:
        _log.warning("USB device reset: %s", port)
    else:
        words = "no answer" if ended.code is None else ended.output.decode(errors="replace").strip() or ended.complaint
        _log.warning("USB device reset failed: %s (%s)", port, words)
    return ended.code == 0
