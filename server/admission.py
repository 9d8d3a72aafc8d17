"""Who may connect and stay: names, origins and tokens, and room for those who have not logged in."""

from __future__ import annotations

import asyncio
import http
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from websockets.http11 import Request as HttpRequest

from auth import Gate, TooManyFailures, network_of
from protocol.errors import RequestError
from server import limits
from server.client import Client
from server.frame_connection import FrameConnection
from server.hosts import Hosts
from server.http import is_upgrade, malformed
from server.origins import Origins
from server.proxies import Proxies
from server.visits import Visits

TOO_MANY_FAILURES = "Too many wrong tokens. Wait a minute."
_PATHS = ("/", "/ws")
_LOGIN_GRACE_S = 1.0

ConnectionT = TypeVar("ConnectionT")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect, as the settings say it.

    Attributes:
        token: what clients have to send.
        origins: of browsers' pages that may connect, in addition to our own and those of this machine.
        hosts: names of this server, in addition to this machine's own.
        proxies: addresses and networks of reverse proxies that are believed what a client's address is.
    """

    token: str
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


class Handshakes:
    """TLS handshakes in progress: each costs memory before other limits can count the client.

    Whose they are is not known yet, so a flood of silent ones (some 85 a second) does keep others out while it lasts;
    those that are connected stay.

    Args:
        most: as many may be in progress.
        seconds: after which one is over, whatever became of it; nobody reports those that fail.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._started: dict[int, float] = {}  # in the order in which they began

    def begin(self, connection: object) -> None:
        """One more.

        Raises:
            ConnectionRefusedError: would be too many.
        """
        now = time.monotonic()
        while self._started and next(iter(self._started.values())) < now - self._seconds:
            del self._started[next(iter(self._started))]
        if len(self._started) >= self._most:
            raise ConnectionRefusedError(f"{self._most} TLS handshakes are in progress")
        self._started.pop(id(connection), None)  # of one that failed and whose place in memory this one has
        self._started[id(connection)] = now

    def end(self, connection: object) -> None:
        """That one has become a connection."""
        self._started.pop(id(connection), None)


class Admission:
    """Lets clients in, and has some of those leave that have not logged in where there are too many.

    Attributes:
        gate: compares tokens.
        visits: the log of those without the token.
        clients: in the order in which they came.
    """

    def __init__(self, access: Access) -> None:
        self.gate = Gate(access.token)
        self.visits = Visits()
        self.clients: dict[Client, None] = {}
        self._origins, self._proxies = Origins(access.origins), Proxies(access.proxies)
        self._access = access
        self._hosts = Hosts(access.hosts)
        self._opening: dict[FrameConnection, None] = {}

    def bind(self, host: str) -> None:
        """The server listens on this name or address, which is a name of it, too."""
        self._hosts = Hosts((host, *self._access.hosts))

    def address_of(self, connection: FrameConnection, request: HttpRequest) -> str:
        """Where a client comes from, seen through the proxies."""
        return self._proxies.client(connection.address, request.headers)

    def refusal(self, request: HttpRequest) -> tuple[http.HTTPStatus, str] | None:
        """Why a request is not looked at any further: status and words."""
        if fault := malformed(request):
            return http.HTTPStatus.BAD_REQUEST, fault
        hosts = request.headers.get_all("Host")
        if hosts and not self._hosts.includes(hosts[0]):
            return http.HTTPStatus.MISDIRECTED_REQUEST, (
                "This server does not accept the host name in the address. Add it to the setting WS_HOSTS.\n"
            )
        if not is_upgrade(request):
            return None
        if request.path.partition("?")[0] not in _PATHS:
            return http.HTTPStatus.NOT_FOUND, "Not found. The WebSocket is at / and /ws.\n"
        if not self._origins.allows(request.headers):
            words = "This web page may not connect. Add its origin to the setting WS_ORIGINS.\n"
            return http.HTTPStatus.FORBIDDEN, words
        if self.full():
            return http.HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Try again later.\n"
        return None

    async def check_token(self, token: str, address: str) -> bool:
        """Whether a token is the right one; slow to say no where many were wrong.

        Raises:
            RequestError: rate_limited, too many were wrong.
        """
        if self.gate.accepts(token):
            return True
        try:
            await self.gate.slow_down(address)
        except TooManyFailures:
            raise RequestError("rate_limited", TOO_MANY_FAILURES) from None
        return False

    def full(self) -> bool:
        """Whether as many clients are logged in as may be."""
        return self.logged_in() >= limits.CONNECTIONS

    def logged_in(self) -> int:
        """How many clients are logged in."""
        return sum(client.logged_in for client in self.clients)

    def arrived(self, connection: FrameConnection) -> None:
        """Keep the number of those low that connect and say nothing, not even what they want."""
        self._opening = {other: None for other in (*self._opening, connection) if other.opening}
        if len(self._opening) > limits.CONNECTIONS_OPENING:
            silent = longest_waiting(self._opening, lambda other: other.address)
            if silent is not None:
                silent.transport.abort()

    def connections(self) -> list[FrameConnection]:
        """Everybody who is connected."""
        return [*self._opening, *(client.socket for client in self.clients)]

    def evict_if_full(self) -> None:
        """Have one that has not logged in leave, where the next one would be too many."""
        waiting = [client for client in self.clients if not client.logged_in and not client.leaving]
        leaving = [client for client in self.clients if client.leaving]
        # A program sends its token at once: a second is enough, however many come in it.
        late = asyncio.get_running_loop().time() - _LOGIN_GRACE_S
        slow = waiting if len(waiting) >= limits.CONNECTIONS else [client for client in waiting if client.since < late]
        if len(waiting) >= limits.CONNECTIONS_NOT_LOGGED_IN:
            candidate = longest_waiting(slow, lambda client: client.address)
            if candidate is not None:
                candidate.evict()
        if len(leaving) > limits.CONNECTIONS_NOT_LOGGED_IN:
            leaving[0].socket.transport.abort()  # closing takes seconds where nobody listens


def longest_waiting(
    connections_waiting: Iterable[ConnectionT], address: Callable[[ConnectionT], str]
) -> ConnectionT | None:
    """The one that waits longest among those of the network that most of them come from; None without guests.

    So a flood from one address, or one network of IPv6, evicts its own. Where all come from different addresses, it is
    the oldest.

    Args:
        guests: in the order in which they came.
        address: where one of them comes from.
    """
    waiting = [(candidate, network_of(address(candidate))) for candidate in connections_waiting]
    counts = Counter(network for _, network in waiting)
    most = max(counts.values(), default=0)
    return next((candidate for candidate, network in waiting if counts[network] == most), None)
