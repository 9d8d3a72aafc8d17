"""Checks of an idle camera: warnings of battery, card and wire, keep-alive, its clock, and the memory of its process."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from camera.errors import CameraError, NotSupported
from camera.events import ConfigChanged, Warned
from camera.model import ClockSet, Storage
from camera.options import SessionOptions
from camera.remote import RemoteCamera

_log = logging.getLogger("camera.upkeep")

_TICK_S = 1.0
_MEMORY_EVERY_S = 15.0
_CHECK_EVERY_S = 60.0
_LOW_BATTERY_PERCENT = 15
_LOW_CARD_BYTES = 200 * 2**20
# A clock is set at the start of a full second. The camera is reserved this many seconds earlier.
_BEFORE_FULL_SECOND_S = 0.15
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Upkeep:
    """Checks one camera while it is idle.

    Args:
        options: the keep-alive interval, whether to set the clock, and the memory limit of the process.
        exclusive: gives exclusive access to the camera.
        idle: returns the id of the camera process if the camera is open, no job uses it and live view is off; otherwise
            None.
        emit: receives the warnings when they change, and the time that the clock was set to.
        port: returns the camera's current port.

    Attributes:
        warnings: problems that will soon make the camera unusable, one sentence each.
    """

    def __init__(
        self,
        options: SessionOptions,
        exclusive: Callable[[], AbstractAsyncContextManager[RemoteCamera]],
        idle: Callable[[], int | None],
        emit: Callable[[Warned | ConfigChanged], None],
        port: Callable[[], str],
    ) -> None:
        self.warnings: tuple[str, ...] = ()
        self._battery: list[str] = []
        self._card: list[str] = []
        self._exclusive = exclusive
        self._idle = idle
        self._emit = emit
        self._port = port
        self._options = options
        self._wire: list[str] = []
        self._clock_due = self._wire_due = False
        self._clock_warned = False
        self._most_bytes = options.most_process_bytes
        self._checks = [(_MEMORY_EVERY_S, self._check_memory), (_CHECK_EVERY_S, self.check)]
        if options.keep_alive:
            self._checks.append((options.keep_alive, self._keep_alive))

    async def run(self) -> None:
        """Run the checks until cancelled."""
        due = {work: time.monotonic() + every for every, work in self._checks}
        while True:
            await asyncio.sleep(_TICK_S)
            for every, work in self._checks:
                if time.monotonic() >= due[work]:
                    due[work] = time.monotonic() + every
                    with suppress(CameraError):  # if the error persists, the next command gets it
                        await work()
            if self._clock_due and self._idle() is not None:
                await self._set_clock()
            if self._wire_due and self._idle() is not None:
                self._wire_due = False
                with suppress(CameraError):  # it is checked again with the battery
                    async with self._exclusive() as camera:
                        await self._check_wire(camera)
                self._tell()

    def opened(self) -> None:
        """Called when the camera was opened. As soon as it is idle, its wire is checked, and its clock is set if wanted."""
        self._clock_due, self._wire_due = self._options.sync_clock, bool(self._options.shutter_lines)

    async def sync_clock(self, exclusive: Callable[[], AbstractAsyncContextManager[RemoteCamera]]) -> ClockSet:
        """Set the camera's clock to the time of this machine, with the given access to the camera.

        Raises:
            NotSupported: the camera has no clock that can be set.
            ConfigReadonly, InvalidValue: the camera does not allow it now.
        """
        await asyncio.sleep(
            max(0.0, 1 - _BEFORE_FULL_SECOND_S - time.time() % 1)
        )  # others can use the camera meanwhile
        async with exclusive() as camera:
            clock = await camera.sync_clock()
        _log.info("%s: clock set; it was %+d s off", self._port(), clock.was_off_s)
        self._emit(ConfigChanged(clock.config_name, clock.set_to))
        return clock

    async def _set_clock(self) -> None:
        """Set the clock of an opened camera. Does nothing while the clock of this machine is not synchronized."""
        if self._options.clock_trust() != "synchronized":
            if not self._clock_warned:
                words = "%s: clock not set: the clock of this machine is not synchronized. Waiting until it is."
                _log.warning(words, self._port())
            self._clock_warned = True
            return
        self._clock_due = False
        try:
            await self.sync_clock(self._exclusive)
        except NotSupported as error:
            _log.debug("%s: clock not set: %s", self._port(), error)
        except CameraError as error:
            _log.warning("%s: clock not set: %s", self._port(), error)

    async def check(self) -> None:
        """Check battery, card and wire of an idle camera, and emit the warnings if they have changed."""
        if self._idle() is None:
            return
        async with self._exclusive() as camera:
            # Without an answer, the last warning stays: nothing shows that the problem is solved.
            with suppress(CameraError):
                self._battery = battery_warnings(str((await camera.get_config("batterylevel")).value))
            with suppress(CameraError):
                self._card = card_warnings(await camera.storage())
            with suppress(CameraError):
                await self._check_wire(camera)
        self._tell()

    async def _check_wire(self, camera: RemoteCamera) -> None:
        if self._options.shutter_lines:
            problem = await camera.wire_problem()
            self._wire = [] if problem is None else [problem]

    def _tell(self) -> None:
        warnings = (*self._battery, *self._card, *self._wire)
        if warnings != self.warnings:
            self.warnings = warnings
            self._emit(Warned(self.warnings))

    async def _keep_alive(self) -> None:
        if self._idle() is not None:
            async with self._exclusive() as camera:
                await camera.keep_alive()

    async def _check_memory(self) -> None:
        number = self._idle()
        if number is None:
            return
        size = _resident_bytes(number)
        if size > self._most_bytes:
            _log.warning("Camera process %d uses %d MB of memory. Replacing it.", number, size // 2**20)
            async with self._exclusive() as camera:
                await camera.renew()


def _resident_bytes(process: int) -> int:
    """Resident memory of a process in bytes; 0 if the process does not exist."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def battery_warnings(level: str) -> list[str]:
    """A warning if the battery is low. Cameras report "100%", "Low" or other texts."""
    percent = re.fullmatch(r"(\d{1,3})\s*%", level.strip())
    if level.strip().lower() == "low" or (percent and int(percent.group(1)) <= _LOW_BATTERY_PERCENT):
        return [f"The camera's battery is at {level.strip()}. Charge it or change it soon."]
    return []


def card_warnings(cards: Sequence[Storage]) -> list[str]:
    """A warning for each card that is nearly full."""
    return [
        f"{card.label or 'The card'} is nearly full ({card.free // 2**20} MB free). Delete files or change the card."
        for card in cards
        if card.free is not None and card.capacity and card.free < _LOW_CARD_BYTES < card.capacity
    ]
