"""Who may speak: the token, and a brake on guessing it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections import OrderedDict, deque

FAILURES_A_MINUTE = 5
_WINDOW_S = 60.0
_DELAY_S = 1.0
# Addresses remembered; an attacker with more than that many gains one guess an address a minute.
_MAX_ADDRESSES = 1024


def household(address: str) -> str:
    """Whom an address belongs to, as far as it can tell: whoever has one of IPv6 has the other 2**64 of its network.

    So those of one IPv6 network brake each other's guesses; the right token opens all the same.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class TooManyFailures(Exception):
    """This address guessed wrong too often in the last minute."""


class Gate:
    """Compares tokens in constant time, and slows down addresses (of IPv6: networks) that guess.

    From the sixth wrong token within a minute on, every attempt of that address waits for its turn, one a second,
    and wrong ones are refused. The right token still opens, so that nobody can lock others out behind one address.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._turns: dict[str, asyncio.Lock] = {}

    async def opens(self, token: str, address: str) -> bool:
        """Whether the token is right.

        Args:
            token: what the client sent.
            address: where it comes from, for the brake.

        Raises:
            TooManyFailures: it is wrong, and not the first one from there.
        """
        address = household(address)
        throttled = self._throttled(address)
        if throttled:
            lock = self._turns.setdefault(address, asyncio.Lock())
            async with lock:
                await asyncio.sleep(_DELAY_S)
        # surrogatepass: a lone surrogate in JSON is a wrong token, not an error of ours
        right = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)
        if right:
            return True
        self._note_failure(address)
        if throttled:
            raise TooManyFailures
        return False

    def _throttled(self, address: str) -> bool:
        failures = self._failures.get(address)
        if failures is None:
            return False
        while failures and failures[0] < time.monotonic() - _WINDOW_S:
            failures.popleft()
        if not failures:
            del self._failures[address]
            self._turns.pop(address, None)
            return False
        return len(failures) >= FAILURES_A_MINUTE

    def _note_failure(self, address: str) -> None:
        self._failures.setdefault(address, deque(maxlen=FAILURES_A_MINUTE)).append(time.monotonic())
        self._failures.move_to_end(address)
        while len(self._failures) > _MAX_ADDRESSES:
            forgotten, _ = self._failures.popitem(last=False)
            self._turns.pop(forgotten, None)
