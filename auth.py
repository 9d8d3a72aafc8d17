"""Checks the token of clients, signs tickets for HTTP paths, and slows down guessing."""

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
# Wrong tokens are remembered for at most this number of addresses. An attacker who uses more addresses is limited by
# FAILURES_A_MINUTE_OVERALL.
_MAX_ADDRESSES = 1024


def network_of(address: str) -> str:
    """The /64 network of an IPv6 address. An IPv4 address, or text that is not an IP address, is returned unchanged.

    Wrong tokens are counted per network, because one machine can use all addresses of a /64 network. Other machines in
    the network can still log in, because the correct token is always accepted.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class Tickets:
    """Signs and checks tickets. A ticket allows requests for one HTTP path until it expires, also after a restart.

    Args:
        token: the server's token. A new token makes all tickets invalid.
    """

    def __init__(self, token: str) -> None:
        self._key = hmac.digest(token.encode(), b"gphoto-ws-server ticket", "sha256")

    def sign(self, path: str, expires: int) -> str:
        """A ticket for a path, without a query. It is valid until `expires`, in seconds since 1970."""
        return f"{expires}-{hmac.digest(self._key, f'{expires} {path}'.encode(), 'sha256').hex()}"

    def accepts(self, ticket: str, path: str) -> bool:
        """Whether a ticket is valid for this path now."""
        expires = ticket.partition("-")[0]
        if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12 and time.time() < int(expires)):
            return False
        return hmac.compare_digest(ticket.encode("utf-8", "surrogatepass"), self.sign(path, int(expires)).encode())


class TooManyFailures(Exception):
    """There were too many wrong tokens in the last minute, from this address or overall."""


class _Failures:
    """When the latest wrong tokens arrived; only the latest `most` tokens are kept."""

    def __init__(self, most: int) -> None:
        self._times: deque[float] = deque(maxlen=most)

    def too_many(self, now: float) -> bool:
        """Whether the limit was reached within the last minute."""
        return len(self._times) == self._times.maxlen and self._times[0] >= now - _WINDOW_S

    def add(self, now: float) -> None:
        """Count a wrong token."""
        self._times.append(now)


class Gate:
    """Compares tokens in constant time, and delays the answer after too many wrong tokens.

    If there were already five wrong tokens from one address (for IPv6: from one network) or 300 wrong tokens overall
    within a minute, `slow_down` waits one second and raises TooManyFailures for each further wrong token. Wrong tokens
    never delay the correct token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._all_failures = _Failures(FAILURES_A_MINUTE_OVERALL)
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def accepts(self, token: str) -> bool:
        """Whether a token is correct."""
        # With surrogatepass, a lone surrogate in JSON is an ordinary wrong token and raises no error.
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    async def slow_down(self, address: str) -> None:
        """Count a wrong token from this address.

        Raises:
            TooManyFailures: there were already too many wrong tokens. Raised after one second.
        """
        if self._note_failure(network_of(address), time.monotonic()):
            await asyncio.sleep(_DELAY_S)
            raise TooManyFailures

    def _note_failure(self, network: str, now: float) -> bool:
        """Count a wrong token. Returns whether there were already too many wrong tokens."""
        failures = self._failures.setdefault(network, _Failures(FAILURES_A_MINUTE))
        self._failures.move_to_end(network)
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)
        too_many = failures.too_many(now) or self._all_failures.too_many(now)
        failures.add(now)
        self._all_failures.add(now)
        return too_many
