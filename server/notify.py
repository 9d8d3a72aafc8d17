"""Reports the state of the service to the service manager. Uses the protocol of sd_notify: one datagram per message."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

_log = logging.getLogger("server.notify")

# Interval of status messages if there is no watchdog.
_STATUS_EVERY_S = 10.0


class Notifier:
    """Sends messages to the service manager at `address`. Does nothing if `address` is empty.

    A failure is logged once and never stops the service.

    Args:
        address: the value of NOTIFY_SOCKET. It is the path of a socket, or the character "@" followed by the name of
            an abstract socket.
        watchdog_s: the time from WATCHDOG_USEC in seconds. If the process sends nothing for this time, the service
            manager restarts it. 0 means that there is no watchdog.
    """

    def __init__(self, address: str, watchdog_s: float) -> None:
        # The kernel marks an abstract name with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._failure_logged = False

    def ready(self) -> None:
        """Report that the service is ready."""
        self._notify("READY=1")

    def stopping(self) -> None:
        """Report that the service is stopping, which may take some seconds."""
        self._notify("STOPPING=1")

    async def heartbeat(self, status: Callable[[], str]) -> None:
        """Report regularly that the event loop runs, with the text of `status`, until cancelled.

        If the event loop hangs, nothing is sent, and the service manager restarts the service.
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
                sender.setblocking(False)  # the event loop must not wait for a service manager that does not read
                sender.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failure_logged:
                _log.warning("The service manager could not be notified: %s", error)
            self._failure_logged = True
