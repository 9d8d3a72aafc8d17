"""Sockets that listen: where descriptors run out new clients wait, the log says so once, and those that are here go on."""

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

# What clients leave to cameras and files: a camera process needs 8 while it starts, each file that is sent one.
_RESERVE = 64
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# asyncio listens again a second after it was told that descriptors ran out (ACCEPT_RETRY_DELAY).
_PAUSED_S = 0.9
_LOG_EVERY_S = 60.0


class _OutOfDescriptors(OSError):
    """No connection can be accepted now. An error of the kind for which asyncio pauses."""


class Listener(socket.socket):
    """A listening socket for asyncio, which accepts nobody where fewer than 64 descriptors would be left."""

    _paused_until = 0.0
    _logged_at = float("-inf")
    _waiting = False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            BlockingIOError: there is none, or none is accepted for the moment.
            OSError: descriptors or memory run out; asyncio pauses.
        """
        if time.monotonic() < self._paused_until:  # after such an error asyncio asks as often as its backlog is long
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
    """A bound socket for each address of a host, all with one port.

    Args:
        host: name or address.
        port: 0 takes a free one.

    Raises:
        OSError: the port is taken or the host is not ours.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unusable: OSError | None = None
    listeners: list[Listener] = []
    with ExitStack() as stack:
        for family, kind, number, _, address in dict.fromkeys(found):
            try:
                listener = Listener(family, kind, number)
            except OSError as error:  # a kernel without this family
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
                unusable = error  # localhost is ::1 as well, also where IPv6 is switched off
                continue
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners:
            raise unusable or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
        stack.pop_all()
    return listeners


def expect_exhaustion(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop say nothing of what a `Listener` said already."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # asyncio listens again a second later, even where the server was closed in that second.
        closed_meanwhile = isinstance(error, ValueError) and "_start_serving" in context.get("message", "")
        if not (isinstance(error, _OutOfDescriptors) or closed_meanwhile):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
