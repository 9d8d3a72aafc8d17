"""The token that clients have to send, and the throttle on guessing it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections import OrderedDict, deque

FAILURES_A_MINUTE = 5
FAILURES_A_MINUTE_OVERALL = 300
_WINDOW_S = 60.0
_DELAY_S = 1.0
# Addresses remembered; an attacker with more than that many meets the throttle over all addresses.
_MAX_ADDRESSES = 1024


def network_of(address: str) -> str:
    """The network of an IPv6 address (/64, of which one machine can have every address), or the IPv4 address itself.

    Wrong tokens are counted for it together; the right token always opens.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class TooManyFailures(Exception):
    """Too many tokens were wrong in the last minute, from this address or from all of them together."""


class _Failures:
    """The wrong tokens of the last minute, as many as matter."""

    def __init__(self, most: int) -> None:
        self._times: deque[float] = deque(maxlen=most)

    def too_many(self, now: float) -> bool:
        """Whether as many as may be lie within the last minute."""
        return len(self._times) == self._times.maxlen and self._times[0] >= now - _WINDOW_S

    def add(self, now: float) -> None:
        """One more."""
        self._times.append(now)


class Gate:
    """Compares every token at once and in constant time; answers to wrong ones are slowed down.

    From the sixth wrong token within a minute from one address (of IPv6: network), or the 301st from anywhere, the answer
    to a wrong one takes a second and is another. Nothing that others send delays the right token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._all_failures = _Failures(FAILURES_A_MINUTE_OVERALL)
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def accepts(self, token: str) -> bool:
        """Whether a token is the right one."""
        # surrogatepass: a lone surrogate in JSON is a wrong token, not an error of ours
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    async def slow_down(self, address: str) -> None:
        """Note that a token from this address was wrong.

        Raises:
            TooManyFailures: as were too many before it; after a second.
        """
        if self._note_failure(network_of(address), time.monotonic()):
            await asyncio.sleep(_DELAY_S)
            raise TooManyFailures

    def _note_failure(self, network: str, now: float) -> bool:
        """Count a wrong token; whether there were too many before it."""
        failures = self._failures.setdefault(network, _Failures(FAILURES_A_MINUTE))
        self._failures.move_to_end(network)
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)
        too_many = failures.too_many(now) or self._all_failures.too_many(now)
        failures.add(now)
        self._all_failures.add(now)
        return too_many
