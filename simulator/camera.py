"""One simulated camera: its body, its dialect and its link to a host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from .body import Body, Timing
from .dialect import Dialect
from .exposures import Identity
from .faults import Faults
from .makers import Maker
from .pictures import Studio
from .session import Session
from .usb.device import UsbDevice

log = logging.getLogger(__name__)


class Link(Protocol):
    """What connects a camera to a host: PTP/IP or USB."""

    @property
    def address(self) -> str:
        """The address for libgphoto2."""

    @property
    def on(self) -> bool:
        """Whether hosts can find the camera."""

    @property
    def sessions(self) -> int:
        """The number of connected hosts: 0 or 1."""

    async def switch_on(self) -> None:
        """Let hosts find the camera.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """

    async def switch_off(self) -> None:
        """Disconnect the host, and let no host find the camera."""


class Camera:
    """A camera with a power switch. Its state survives disconnects and power-off."""

    def __init__(
        self, maker: Maker, identity: Identity, studio: Studio, timing: Timing, link: Callable[[Session], Link]
    ) -> None:
        """Create a camera that is off; ``link`` connects its session to hosts."""
        self.faults = Faults()
        self.body = Body(identity, maker.layout, studio, self.faults, timing)
        self.dialect: Dialect = maker.dialect(self.body)
        self.session = Session(self.body, self.dialect, self.faults)
        self.link = link(self.session)
        self._switching: asyncio.Task[None] | None = None

    @property
    def usb(self) -> UsbDevice | None:
        """The USB side of the camera; None if it is connected by PTP/IP."""
        return self.link if isinstance(self.link, UsbDevice) else None

    async def power(self, on: bool) -> None:
        """Switch on or off. On USB, this is the same as to plug and to unplug.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        if on and not self.link.on:
            await self.link.switch_on()
        elif not on:
            await self.link.switch_off()
        log.info("%s: power %s", self.body.identity.serial, "on" if on else "off")

    def power_after(self, on: bool, seconds: float) -> None:
        """Switch on or off after a delay. Replaces an earlier request that is still waiting."""

        async def wait_and_switch() -> None:
            await asyncio.sleep(seconds)
            try:
                await self.power(on)
            except OSError:
                log.exception("%s: cannot listen again", self.body.identity.serial)

        if self._switching:
            self._switching.cancel()
        self._switching = asyncio.create_task(wait_and_switch())

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.faults.clear()
        if self.usb:
            self.usb.faults_cleared()

    def reset(self) -> None:
        """Return to the factory state. Connections and the power switch do not change."""
        if self._switching:
            self._switching.cancel()
        self.clear_faults()
        # New files get the same names as the old files. A connected driver must therefore know of the deletions.
        for stored in self.body.card.files():
            self.dialect.file_removed(stored)
        self.body.reset()
        self.dialect.reset()
        self.session.operations.clear()
        if self.usb:
            self.usb.requests.clear_counters()
