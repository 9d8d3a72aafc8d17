"""Logs requests without a valid token: at most one line per second and address, with the number of suppressed lines."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass

from auth import network_of
from server.limits import TokenBucket

_log = logging.getLogger("server.visits")

_PAUSE_S = 1.0
# Number of remembered addresses, and limits for the log lines of all addresses together.
_MOST_ADDRESSES = 1024
_LINES_A_SECOND, _LINES_AT_ONCE = 20, 100


@dataclass(slots=True)
class _Visitor:
    quiet_until: float
    left_out: int = 0


class Visits:
    """A log that grows slowly even during a flood of requests."""

    def __init__(self) -> None:
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._lines = TokenBucket(_LINES_A_SECOND, _LINES_AT_ONCE)
        self._others = 0
        self._sum_scheduled = False

    def note(self, address: str, words: str) -> None:
        """Log an action of a client. If the client's address had a line in the last second, only count the action."""
        loop = asyncio.get_running_loop()
        network, now = network_of(address), loop.time()
        visitor = self._visitors.get(network)
        if visitor is not None and (visitor.left_out or now < visitor.quiet_until):
            visitor.left_out += 1
            if visitor.left_out == 1:
                loop.call_at(visitor.quiet_until, self._sum_up, network)
            return
        if not self._lines.take():
            self._count_others(1)
            return
        self._visitors[network] = _Visitor(now + _PAUSE_S)
        self._visitors.move_to_end(network)
        while len(self._visitors) > _MOST_ADDRESSES:
            _, forgotten = self._visitors.popitem(last=False)
            self._count_others(forgotten.left_out)
        _log.info("%s: %s", address, words)

    def _sum_up(self, network: str) -> None:
        visitor = self._visitors.get(network)
        if visitor is not None and visitor.left_out:
            if self._lines.take():
                _log.info("%s: %d more requests and connections without the token", network, visitor.left_out)
            else:
                self._count_others(visitor.left_out)
            visitor.left_out = 0
            visitor.quiet_until = asyncio.get_running_loop().time() + _PAUSE_S

    def _count_others(self, more: int) -> None:
        self._others += more
        if self._others and not self._sum_scheduled:
            self._sum_scheduled = True
            asyncio.get_running_loop().call_later(_PAUSE_S, self._sum_up_others)

    def _sum_up_others(self) -> None:
        _log.info("%d requests and connections without the token from many addresses", self._others)
        self._others = 0
        self._sum_scheduled = False
