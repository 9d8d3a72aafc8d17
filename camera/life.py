"""The life of a camera's process: open it, notice when it is lost, open it again by ever stronger means."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from camera import usb
from camera.channel import Message
from camera.child import Child, ChildOptions
from camera.errors import (
    CameraClaimed,
    CameraDisconnected,
    CameraError,
    CameraIO,
    CameraNotFound,
    CameraTimeout,
    NotSupported,
)
from camera.model import CameraIdentity, State
from camera.options import SessionOptions
from camera.process_log import LineBudget

_log = logging.getLogger("camera.life")

# Between the slow tries: a camera that answers again is to be ready within 10 s, opening it included.
_SLOW_RETRY_S = 8.0
# However often clients ask, a camera that does not open is not tried more often than this.
_AT_LEAST_S = 1.0
# A new process mends most failures, so the first try comes at once; the second is helped by a reset of the device.
_RESET_AFTER = 2
# A camera that is lost again this soon, so many times in a row, is lost to something that opening does not mend.
_SHORT_LIFE_S, _SHORT_LIVES = 3.0, 3


class Owner(Protocol):
    """Who the life is lived for."""

    @property
    def title(self) -> str:
        """What people call the camera."""

    def whose(self, identity: CameraIdentity) -> Callable[[], bool] | None:
        """Whether the camera that was opened is another one: what gives it away, once it was released."""

    def heard(self, event: str, message: Message) -> None:
        """The process said something by itself."""

    def opened(self, child: Child) -> None:
        """The camera is open."""

    def lost(self) -> None:
        """It is not any more."""

    def changed(self) -> None:
        """The state is another one."""

    def reachable(self, there: bool) -> None:
        """The camera is gone, or back: told once each."""


class Life:
    """A camera that is kept open.

    Attributes:
        port: where it is now.
        driver_model: libgphoto2's name of its model.
        capture_target: where stills go; set again in each new process.
        identity: who it is, once it was opened.
        library: version of the libgphoto2 that its process loaded.
        last_error: why it is not open, or was not.
        attempts: tries to open it that failed, since it was open last.
    """

    def __init__(self, port: str, driver_model: str, options: SessionOptions, owner: Owner) -> None:
        self.port = port
        self.driver_model = driver_model
        self.capture_target = options.capture_target
        self.identity: CameraIdentity | None = None
        self.library = ""
        self.last_error: CameraError | None = None
        self.attempts = 0
        self._options = options
        self._owner = owner
        self._lines = LineBudget()
        self._child: Child | None = None
        self._opening: Child | None = None
        self._state: State = "opening"
        self._last_io: float | None = None
        self._told_gone = False
        self._short_lives = 0
        self._poke = asyncio.Event()
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._stopping = False
        self._attempt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first_try = self._attempt
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the camera is open and answers."""
        return self._child is not None

    @property
    def current(self) -> Child | None:
        """The open camera's process."""
        return self._child

    @property
    def state(self) -> State:
        """What became of it; "ready" while it is open."""
        return self._state

    @property
    def last_io(self) -> float | None:
        """When the camera last did what it was asked, seconds since the epoch."""
        return self._child.last_io if self._child is not None else self._last_io

    def start(self) -> None:
        """Begin to open the camera, and keep it open from now on."""
        self._task = asyncio.create_task(self._live_on(), name=f"life {self.port}")
        self._task.add_done_callback(complain)

    async def stop(self) -> None:
        """Release the camera and open it no more; takes at most the close deadline and a moment."""
        self._stopping = True
        self._poke.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._child is not None:
            child, self._child = self._child, None
            await child.close()
        if not self._attempt.done():
            self._attempt.set_result(None)

    async def unplug(self) -> None:
        """The camera left its port: end its process and wait for `replug`."""
        self._plugged.clear()
        self._poke.set()
        self._tell_gone(True)
        for child in (self._child, self._opening):
            if child is not None:
                await child.kill(CameraDisconnected("The camera was unplugged."))

    def replug(self, port: str) -> None:
        """The camera is back, maybe on another port."""
        self.port = port
        self._plugged.set()
        self._poke.set()

    async def renew(self) -> None:
        """Close the camera in order and open it again; returns when it is ready.

        Raises:
            CameraError: it does not open; tries go on.
        """
        if self._child is not None:
            await self._child.close()
        await self.child()

    async def child(self) -> Child:
        """The open camera's process; where there is none, after the try to open it that is under way or due.

        Raises:
            CameraError: it does not open; tries go on.
        """
        while self._child is None or self._child.lost.done():
            if self._stopping:
                raise CameraDisconnected("The server is shutting down.")
            if not self._plugged.is_set():
                raise CameraDisconnected(f"{self._owner.title} was unplugged. Plug it in again.", state="absent")
            attempt = self._attempt
            self._poke.set()
            await asyncio.shield(attempt)
            if self._child is None and self.last_error is not None:
                raise self._unreachable(self.last_error)
        return self._child

    def _unreachable(self, error: CameraError) -> CameraError:
        details = {**error.details, "state": self._state}
        if isinstance(error, CameraClaimed | CameraTimeout | NotSupported):
            return type(error)(error.message, **details)
        return CameraDisconnected(
            f"The camera on port {self.port} does not answer. Plug it in or switch it on. ({error.message})", **details
        )

    async def _live_on(self) -> None:
        while not self._stopping:
            if not self._plugged.is_set():
                self._set_state("absent")
                self._finish_attempt()
                await self._plugged.wait()
                self.attempts = self._short_lives = 0
            child = await self._open()
            if child is not None:
                await self._until_lost(child)

    async def _open(self) -> Child | None:
        if self.attempts <= self._options.max_restart_attempts:
            self._set_state("opening" if self.last_error is None else "recovering")
        child = Child(ChildOptions(self.port, self.driver_model, self.capture_target), self._owner.heard, self._lines)
        self._opening = child
        try:
            await child.open()
            await self._recognize(child)
            give = self._owner.whose(child.identity) if child.identity is not None else None
            if give is not None:
                await child.close()
                if give():
                    self._plugged.clear()
                return None
        except CameraError as error:
            if self._plugged.is_set():
                await self._climb(usb.explained(self.port, error))
            return None
        finally:
            self._opening = None
        self.attempts = 0
        self._child, self.identity, self.library = child, child.identity, child.library
        self.last_error = None
        self._state = "ready"
        self._finish_attempt()
        _log.info("%s: open, %s, serial %s", self.port, self._owner.title, child.identity and child.identity.serial)
        self._tell_gone(False)
        self._owner.changed()
        self._owner.opened(child)
        return child

    async def _recognize(self, child: Child) -> None:
        """See that a camera that had a serial number has one: without it, the driver got nonsense while it opened.

        Raises:
            CameraIO: it has none; its process is gone.
        """
        known, told = self.identity, child.identity
        if known is not None and known.serial and (told is None or not told.serial):
            error = CameraIO("The camera does not tell its serial number any more; it is being opened again.")
            await child.kill(error)
            raise error

    async def _until_lost(self, child: Child) -> None:
        opened_at = time.monotonic()
        try:
            reason = await asyncio.shield(child.lost)
        finally:
            self._last_io = child.last_io
            if not self._stopping:
                self._child = None
                if not child.closed_in_order:
                    self._state = "recovering"  # told below, with the reason; nobody may read "ready" until then
        self._owner.lost()
        if child.closed_in_order:
            _log.info("%s: closed", self.port)
            return
        self.last_error = reason
        self._owner.changed()
        _log.warning("%s: lost: %s", self.port, reason)
        await child.kill(reason)
        if "gp_error" in reason.details:  # not only the process ended: the camera did not answer it
            self._tell_gone(True)
        self._short_lives = self._short_lives + 1 if time.monotonic() - opened_at < _SHORT_LIFE_S else 0
        if self._short_lives >= _SHORT_LIVES:
            words = "does another program use it?" if isinstance(reason, CameraIO | CameraDisconnected) else reason
            _log.warning("%s: lost %d times soon after it was opened; %s", self.port, self._short_lives, words)
            self._set_state("recovering")
            await self._pause(self._options.restart_delay)

    async def _climb(self, error: CameraError) -> None:
        """After a try that failed: the next rung of the ladder, and a pause that fits it."""
        self.attempts += 1
        if self.last_error is None or str(error) != str(self.last_error):
            _log.warning("%s: could not be opened: %s %s", self.port, error, error.details)
        self.last_error = error
        self._tell_gone(True)
        quick = self.attempts <= self._options.max_restart_attempts
        self._set_state("recovering" if quick else "needs_attention")
        self._finish_attempt()
        if self.attempts == _RESET_AFTER and not isinstance(error, CameraClaimed | CameraNotFound):
            with suppress(OSError):  # no process can be started: the pause is what is left
                await usb.reset(self.port)
        if self.attempts == 1:
            await self._pause(0)
        else:
            await self._pause(self._options.restart_delay if quick else _SLOW_RETRY_S)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next try; one who asks for the camera makes it come sooner, a new process with a breath."""
        least = min(_AT_LEAST_S, max(seconds, 0.2))
        if self._plugged.is_set():
            self._poke.clear()
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - least):
                await self._poke.wait()

    def _finish_attempt(self) -> None:
        if not self._attempt.done():
            self._attempt.set_result(None)
        self._attempt = asyncio.get_running_loop().create_future()

    def _set_state(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._owner.changed()

    def _tell_gone(self, gone: bool) -> None:
        if gone != self._told_gone:
            self._told_gone = gone
            self._owner.reachable(not gone)


def complain(task: asyncio.Task[None]) -> None:
    """Say it loudly when a task that should never end has ended by a mistake of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("%s broke; what it did for its camera is not done any more", task.get_name(), exc_info=error)
