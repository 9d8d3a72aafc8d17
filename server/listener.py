"""Listening sockets that accept no clients while few file descriptors are free. Open connections are not affected."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import time
from contextlib import ExitStack
from typing import Any

_log = logging.getLogger("server.listener")

# Number of descriptors that are reserved for cameras and files. A starting camera process needs 8, and each file in
# transfer needs 1.
_RESERVE = 64
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# After one of these errors, asyncio listens again after 1 s (ACCEPT_RETRY_DELAY). This pause must end before that.
_PAUSED_S = 0.9
_LOG_EVERY_S = 60.0


class _OutOfDescriptors(OSError):
    """No connection can be accepted now. asyncio pauses after an error with a number from `_EXHAUSTED`."""


class Listener(socket.socket):
    """A listening socket for asyncio that accepts no connection if too few file descriptors would remain.

    The reserve is 64 descriptors, or a quarter of the limit of the process if that is less.
    """

    _paused_until = 0.0
    _logged_at = float("-inf")
    _waiting = False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            BlockingIOError: there is no connection, or the listener is paused.
            OSError: there are no free descriptors, or there is no memory. asyncio then pauses.
        """
        # asyncio calls accept() in a loop, also after an error. BlockingIOError ends this loop.
        if time.monotonic() < self._paused_until:
            raise BlockingIOError
        try:
            self._check_descriptors()
            connection, address = super().accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise self._pause(error) from None
            raise
        if self._waiting:
            self._waiting = False
            _log.info("Accepting connections again")
        return connection, address

    def _check_descriptors(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit == resource.RLIM_INFINITY:
            return
        lowest_free = os.dup(self.fileno())
        os.close(lowest_free)
        if lowest_free >= limit - min(_RESERVE, limit // 4):
            raise OSError(errno.EMFILE, f"nearly all of the {limit} file descriptors are in use")

    def _pause(self, error: OSError) -> OSError:
        now = time.monotonic()
        self._paused_until = now + _PAUSED_S
        if now - self._logged_at > _LOG_EVERY_S:
            self._logged_at, self._waiting = now, True
            _log.warning("New connections have to wait: %s", error.strerror)
        return _OutOfDescriptors(error.errno, error.strerror)


async def listen(host: str, port: int) -> list[Listener]:
    """Create a listening socket for each address of a host, all with the same port.

    Args:
        host: name or address.
        port: 0 chooses a free port.

    Raises:
        OSError: the port is in use, or the address does not belong to this machine.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unusable: OSError | None = None
    listeners: list[Listener] = []
    with ExitStack() as stack:
        for family, kind, number, _, address in dict.fromkeys(found):
            try:
                listener = Listener(family, kind, number)
            except OSError as error:  # the kernel does not support this address family
                unusable = error
                continue
            stack.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
            try:
                listener.bind((address[0], port, *address[2:]))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                unusable = error  # localhost also means ::1, even if IPv6 is disabled
                continue
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners:
            raise unusable or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
        stack.pop_all()
    return listeners


def expect_exhaustion(loop: asyncio.AbstractEventLoop) -> None:
    """Suppress the error reports of the event loop for errors that `Listener` has logged."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # After a pause, asyncio listens again even if the server was closed during the pause. This raises ValueError.
        closed_meanwhile = isinstance(error, ValueError) and "_start_serving" in context.get("message", "")
        if not (isinstance(error, _OutOfDescriptors) or closed_meanwhile):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
