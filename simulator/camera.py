"""One simulated camera: its body, its dialect and its connections."""

from __future__ import annotations

import asyncio
import logging

from .body import Body, Timing
from .dialect import Dialect
from .exposures import Identity
from .faults import Faults
from .makers import Maker
from .pictures import Studio
from .responder import Responder

log = logging.getLogger(__name__)


class Camera:
    """A camera with a power switch. Its state survives disconnects and power-off."""

    def __init__(self, maker: Maker, identity: Identity, studio: Studio, timing: Timing, host: str) -> None:
        """Create a camera that is off; ``host`` is the address to listen on."""
        self.faults = Faults()
        self.body = Body(identity, maker.layout, studio, self.faults, timing)
        self.dialect: Dialect = maker.dialect(self.body)
        self.responder = Responder(self.body, self.dialect, self.faults)
        self._host = host
        self._switching: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The address for libgphoto2. Commands and events use the same port."""
        return f"ptpip:{self._host}:{self.responder.port}:{self.responder.port}"

    async def power(self, on: bool) -> None:
        """Switch on or off. The camera always listens on the same port, which ``start`` has chosen."""
        if on and not self.responder.listening:
            await self.responder.start(self._host, self.responder.port)
        elif not on:
            await self.responder.stop()
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

    async def start(self, port: int) -> None:
        """Listen on ``port``; 0: any free port.

        Raises:
            OSError: The port is in use.
        """
        await self.responder.start(self._host, port)

    def reset(self) -> None:
        """Return to the factory state. Connections and the power switch do not change."""
        if self._switching:
            self._switching.cancel()
        self.faults.clear()
        # New files get the same names as the old files. A connected driver must therefore know of the deletions.
        for stored in self.body.card.files():
            self.dialect.file_removed(stored)
        self.body.reset()
        self.dialect.reset()
        self.responder.operations.clear()
