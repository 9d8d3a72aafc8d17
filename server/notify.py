"""Tells the service manager how this service is: sd_notify's protocol, one datagram for each message."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

_log = logging.getLogger("server.notify")

# How often the status is told where no watchdog sets the pace.
_STATUS_EVERY_S = 10.0


class Notifier:
    """Says ready, stopping, alive and how it is to who listens at `address`; nothing where that is empty.

    A message that does not get through is told in the log, once, and never stops the service.

    Args:
        address: a path, or "@" and the name of an abstract socket (NOTIFY_SOCKET).
        watchdog_s: a process that is silent for as many seconds is ended; 0: nobody watches (WATCHDOG_USEC).
    """

    def __init__(self, address: str, watchdog_s: float) -> None:
        # The kernel's mark of an abstract name is a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._failure_logged = False

    def ready(self) -> None:
        """The service serves."""
        self._notify("READY=1")

    def stopping(self) -> None:
        """The service ends; it may take a while."""
        self._notify("STOPPING=1")

    async def heartbeat(self, status: Callable[[], str]) -> None:
        """Tell again and again, from the event loop, that it runs and what `status` says; until cancelled.

        A loop that hangs tells nothing, and the service manager starts the service again.
        """
        while self._address:
            alive = ("WATCHDOG=1",) if self._watchdog_s else ()
            self._notify(*alive, f"STATUS={' '.join(status().split())}")
            await asyncio.sleep(self._watchdog_s / 2 or _STATUS_EVERY_S)

    def _notify(self, *assignments: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)  # the loop must not wait for a service manager that does not read
                sender.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failure_logged:
                _log.warning("The service manager could not be notified: %s", error)
            self._failure_logged = True
