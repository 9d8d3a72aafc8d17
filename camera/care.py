"""What a camera needs while nobody uses it: warnings in time, no auto power-off, a process that does not grow."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from camera.errors import CameraError
from camera.model import ConfigItem, Storage

_log = logging.getLogger("camera.care")

_TICK_S = 1.0
_FORGET_FILES_EVERY_S = 15.0
_WEIGH_EVERY_S = 15.0
_LOOK_EVERY_S = 60.0
_LOW_BATTERY_PERCENT = 15
_LOW_CARD_BYTES = 200 * 2**20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Patient(Protocol):
    """The camera that is cared for."""

    @property
    def idle(self) -> bool:
        """Open, and nobody uses it or watches."""

    @property
    def process(self) -> int | None:
        """The number of its process."""

    def forget_old_files(self) -> None:
        """Give back memory."""

    async def get_config(self, name: str) -> ConfigItem:
        """Read a setting."""

    async def storage(self) -> list[Storage]:
        """Its cards."""

    async def keep_alive(self) -> None:
        """Do something that counts as use."""

    async def renew(self) -> None:
        """A new process in place of this one."""

    def warned(self, warnings: Sequence[str]) -> None:
        """What people should know of has changed."""


class Care:
    """Looks after one camera.

    Args:
        keep_alive: seconds between two signs of use to an idle camera; 0: none.
        most_bytes: of memory for its process.

    Attributes:
        warnings: sentences on what will stop the camera soon.
    """

    def __init__(self, patient: Patient, keep_alive: float, most_bytes: int) -> None:
        self.warnings: tuple[str, ...] = ()
        self._patient = patient
        self._most_bytes = most_bytes
        self._rounds = [
            (_FORGET_FILES_EVERY_S, self._forget_files),
            (_WEIGH_EVERY_S, self._weigh),
            (_LOOK_EVERY_S, self._look),
        ]
        if keep_alive:
            self._rounds.append((keep_alive, self._keep_alive))

    async def run(self) -> None:
        """Care for ever."""
        due = {work: time.monotonic() + every for every, work in self._rounds}
        while True:
            await asyncio.sleep(_TICK_S)
            for every, work in self._rounds:
                if time.monotonic() >= due[work]:
                    due[work] = time.monotonic() + every
                    with suppress(CameraError):  # whoever uses the camera next is told
                        await work()

    async def look(self) -> None:
        """See what will stop the camera soon, and tell of it where that has changed."""
        warnings = []
        with suppress(CameraError):
            warnings += battery_warnings(str((await self._patient.get_config("batterylevel")).value))
        with suppress(CameraError):
            warnings += card_warnings(await self._patient.storage())
        if tuple(warnings) != self.warnings:
            self.warnings = tuple(warnings)
            self._patient.warned(self.warnings)

    async def _look(self) -> None:
        if self._patient.idle:
            await self.look()

    async def _forget_files(self) -> None:
        self._patient.forget_old_files()

    async def _keep_alive(self) -> None:
        if self._patient.idle:
            await self._patient.keep_alive()

    async def _weigh(self) -> None:
        number = self._patient.process
        if number is None or not self._patient.idle:
            return
        size = _resident(number)
        if size > self._most_bytes:
            _log.warning("camera process %d has grown to %d MB; a new one takes its place", number, size // 2**20)
            await self._patient.renew()


def _resident(process: int) -> int:
    """Bytes of memory of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def battery_warnings(level: str) -> list[str]:
    """A sentence where it is low. Cameras say "100%", "Low" or nothing of use."""
    percent = re.fullmatch(r"(\d{1,3})\s*%", level.strip())
    if level.strip().lower() == "low" or (percent and int(percent.group(1)) <= _LOW_BATTERY_PERCENT):
        return [f"The camera's battery is at {level.strip()}. Charge it or change it soon."]
    return []


def card_warnings(cards: Sequence[Storage]) -> list[str]:
    """A sentence for each that is nearly full."""
    return [
        f"{card.label or 'The card'} is nearly full ({card.free // 2**20} MB free). Delete files or change the card."
        for card in cards
        if card.free is not None and card.capacity and card.free < _LOW_CARD_BYTES < card.capacity
    ]
