"""Access control: host names, origins and tokens, and limits for connections without a login."""

from __future__ import annotations

import asyncio
import http
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from websockets.http11 import Request as HttpRequest

from auth import Gate, Tickets, TooManyFailures, network_of
from protocol.errors import RequestError
from server import limits
from server.client import Client
from server.frame_connection import FrameConnection
from server.hosts import Hosts
from server.http import OTHER_ORIGIN, is_upgrade, malformed
from server.http_access import HttpAccess
from server.http_stream import HttpViewer
from server.origins import Origins
from server.proxies import Proxies
from server.visits import Visits

TOO_MANY_FAILURES = "Too many wrong tokens. Wait a minute."
_PATHS = ("/", "/ws")
_LOGIN_GRACE_S = 1.0

ConnectionT = TypeVar("ConnectionT")


@dataclass(frozen=True, slots=True)
class Access:
    """Settings for access control.

    Attributes:
        token: the token that clients must send.
        origins: allowed origins of web pages, in addition to the origins of this server and this machine.
        hosts: host names of this server, in addition to the names of this machine.
        proxies: addresses and networks of trusted reverse proxies, whose headers contain the client's address.
    """

    token: str
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


class Handshakes:
    """Limits the number of TLS handshakes in progress. Each handshake needs memory, and the other limits apply only after the handshake.

    During the handshake, good and bad clients cannot be distinguished. So a flood of unfinished handshakes (about 85
    per second) blocks new clients until the flood ends. Existing connections are not affected.

    Args:
        most: the highest number of handshakes in progress.
        seconds: after this time a handshake counts as ended, because asyncio does not report failed handshakes.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._started: dict[int, float] = {}  # in the order of their start

    def begin(self, connection: object) -> None:
        """Count a new handshake.

        Raises:
            ConnectionRefusedError: too many handshakes are in progress.
        """
        now = time.monotonic()
        while self._started and next(iter(self._started.values())) < now - self._seconds:
            del self._started[next(iter(self._started))]
        if len(self._started) >= self._most:
            raise ConnectionRefusedError(f"{self._most} TLS handshakes are in progress")
        self._started.pop(id(connection), None)  # an earlier, failed connection may have had the same id
        self._started[id(connection)] = now

    def end(self, connection: object) -> None:
        """Called when a handshake is finished. The handshake does not count any more."""
        self._started.pop(id(connection), None)


class Admission:
    """Admits clients, and closes connections without a login if there are too many.

    Attributes:
        gate: checks tokens.
        visits: logs the requests of clients without the token.
        clients: the connected clients, in the order in which they connected.
        viewers: the viewers over HTTP.
        origins: the allowed origins of web pages.
        access: who may use HTTP pages.
    """

    def __init__(self, access: Access) -> None:
        self.gate = Gate(access.token)
        self.visits = Visits()
        self.clients: dict[Client, None] = {}
        self.viewers: dict[HttpViewer, None] = {}
        self.origins, self._proxies = Origins(access.origins), Proxies(access.proxies)
        self.access = HttpAccess(self.check_token, Tickets(access.token))
        self._access = access
        self._hosts = Hosts(access.hosts)
        self._opening: dict[FrameConnection, None] = {}

    def bind(self, host: str) -> None:
        """Set the name or address on which the server listens; it counts as a name of the server."""
        self._hosts = Hosts((host, *self._access.hosts))

    def address_of(self, connection: FrameConnection, request: HttpRequest) -> str:
        """The address of a client. Behind a trusted proxy, the address comes from the headers of the request."""
        return self._proxies.client(connection.address, request.headers)

    def refusal(self, request: HttpRequest) -> tuple[http.HTTPStatus, str] | None:
        """Why a request is rejected: status and text; None if it is accepted."""
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
        if not self.origins.allows(request.headers):
            return http.HTTPStatus.FORBIDDEN, OTHER_ORIGIN
        if self.full():
            return http.HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Try again later.\n"
        return None

    async def check_token(self, token: str, address: str) -> bool:
        """Whether the token is correct.

        Raises:
            RequestError: rate_limited. This token is wrong, and there were too many wrong tokens before it. The error
                is raised after one second.
        """
        if self.gate.accepts(token):
            return True
        try:
            await self.gate.slow_down(address)
        except TooManyFailures:
            raise RequestError("rate_limited", TOO_MANY_FAILURES) from None
        return False

    def full(self) -> bool:
        """Whether the highest number of logged-in clients is reached."""
        return self.logged_in() >= limits.CONNECTIONS

    def logged_in(self) -> int:
        """The number of logged-in clients and of viewers over HTTP."""
        return sum(client.logged_in for client in self.clients) + len(self.viewers)

    def arrived(self, connection: FrameConnection) -> None:
        """Register a new connection. If too many connections have not finished their handshake, close one of them."""
        self._opening = {other: None for other in (*self._opening, connection) if other.opening}
        if len(self._opening) > limits.CONNECTIONS_OPENING:
            silent = longest_waiting(self._opening, lambda other: other.address)
            if silent is not None:
                silent.transport.abort()

    def connections(self) -> list[FrameConnection]:
        """All connections."""
        in_use = [client.socket for client in self.clients] + [viewer.socket for viewer in self.viewers]
        return [*self._opening, *in_use]

    def evict_if_full(self) -> None:
        """If there are too many connections without a login, close one of them."""
        waiting = [client for client in self.clients if not client.logged_in and not client.leaving]
        leaving = [client for client in self.clients if client.leaving]
        # Programs send their token at once, so connections younger than one second are not closed.
        late = asyncio.get_running_loop().time() - _LOGIN_GRACE_S
        if len(waiting) >= limits.CONNECTIONS_NOT_LOGGED_IN:
            # The candidate is chosen among all waiting connections, not only among those older than one second.
            # Otherwise, a flood of new connections would evict the only older connection.
            candidate = longest_waiting(waiting, lambda client: client.address)
            if candidate is not None and (candidate.since < late or len(waiting) >= limits.CONNECTIONS):
                candidate.evict()
        if len(leaving) > limits.CONNECTIONS_NOT_LOGGED_IN:
            leaving[0].socket.transport.abort()  # closing takes seconds if the client does not respond


def longest_waiting(
    connections_waiting: Iterable[ConnectionT], address: Callable[[ConnectionT], str]
) -> ConnectionT | None:
    """The longest waiting connection from the network with the most waiting connections; None if no connection waits.

    So a flood from one address, or from one IPv6 network, only evicts its own connections. If all networks differ, the
    result is the oldest connection.

    Args:
        connections_waiting: the waiting connections, in the order in which they were made.
        address: returns the address of a connection.
    """
    waiting = [(candidate, network_of(address(candidate))) for candidate in connections_waiting]
    counts = Counter(network for _, network in waiting)
    most = max(counts.values(), default=0)
    return next((candidate for candidate, network in waiting if counts[network] == most), None)
