"""The server: listen, keep the limits, own the connections and what they began, shut down in order."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from auth import Gate, TooManyFailures
from camera.events import CameraEvent, ConfigChanged
from camera.options import SessionOptions
from camera.orientation import Orientation
from camera.registry import Registry
from protocol import closing
from protocol.envelope import encode_event
from protocol.errors import RequestError
from protocol.events import wire_event
from server import limits
from server.access import Access
from server.call import Handler
from server.client import Client
from server.connection import Connection
from server.door import EVERY_REPLY, EVERY_REPLY_OVER_TLS, Doorway
from server.handlers import Handlers
from server.hosts import Hosts
from server.http import Pages, bearer, is_upgrade, malformed
from server.listener import expect_exhaustion, listen
from server.lobby import Handshakes, who_makes_room
from server.login import TOO_MANY_FAILURES
from server.origins import Origins
from server.proxies import Proxies
from server.viewer import FrameConnection
from server.visits import Visits

_log = logging.getLogger("server.app")

_PATHS = ("/", "/ws")
_CLOSE_HANDSHAKE_S = 1.5
_STALL_CHECK_S = 1.0
_DRAIN_S = 1.2
_LOGIN_GRACE_S = 1.0


class App:
    """Clients on one side, cameras on the other.

    Args:
        token: what clients have to send first.
        network: addresses of network cameras.
        options: for the cameras' sessions.
        default_fps: live-view rate where a client names none, frames per second.
        preview_turn: how live view is turned where a client does not say.
        version: of this server.
        drives: whether mounted drives with a DCIM folder are cameras.
    """

    def __init__(
        self,
        token: str,
        network: Sequence[str],
        options: SessionOptions,
        default_fps: float,
        preview_orientation: Orientation,
        version: str,
        drives: bool = False,
    ) -> None:
        self.gate = Gate(token)
        self.version = version
        self.stopping = False
        self._registry = Registry(network, options, self.tell, drives)
        desk = Handlers(self._registry, default_fps, preview_orientation, version)
        self.handlers: dict[str, Handler] = desk.table()
        self._pages = Pages(desk, self._token_opens, self.keep)
        self._origins, self._hosts, self._proxies = Origins(()), Hosts(()), Proxies(())
        self.visits = Visits()
        self._clients: dict[Client, None] = {}  # in the order in which they came
        self._opening: dict[FrameConnection, None] = {}
        self._kept: set[asyncio.Task[None]] = set()
        self._servers: list[WebSocketServer] = []  # one for each address of the host
        self._stall_watch: asyncio.Task[None] | None = None
        self._number = 0

    async def start(self, host: str, port: int, access: Access | None = None) -> int:
        """Listen and begin to look for cameras; returns the port.

        Args:
            host: name or address to bind.
            port: 0 takes a free one.
            access: who may connect; by default this machine's pages and every program, without TLS.

        Raises:
            OSError: the port is taken or the host is not ours.
        """
        access = access or Access()
        tls = access.tls
        self._origins, self._proxies = Origins(access.origins), Proxies(access.proxies)
        self._hosts = Hosts((host, *access.hosts))
        arrived, visits = self._arrived, self.visits
        headers = EVERY_REPLY_OVER_TLS if tls else EVERY_REPLY
        handshakes = Handshakes(limits.TLS_HANDSHAKES, limits.TLS_HANDSHAKE_SECONDS)

        class Arriving(FrameConnection):
            def __init__(self, _: ServerProtocol, *args: Any, **options: Any) -> None:
                # Made when the socket is there, before its handshake: where this raises, asyncio lets the socket go.
                super().__init__(Doorway(limits.MESSAGE_BYTES, headers, self._answered), *args, **options)
                if tls:
                    handshakes.begin(self)

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                handshakes.end(self)
                super().connection_made(transport)
                arrived(self)

            def _answered(self, status: int) -> None:
                self.transport.resume_reading()
                if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                    self.loop.call_soon(self._read_on)
                    return
                if status >= http.HTTPStatus.BAD_REQUEST:
                    what = f"{self.request.method} {self.request.path[:80]!r}" if self.request else "no request"
                    visits.note(self.address, f"{what}: HTTP {status}")
                if not self.request:  # the library would wait for one until its own time is over
                    self.loop.call_later(_CLOSE_HANDSHAKE_S, self.transport.abort)

            def _read_on(self) -> None:
                if not self.transport.is_closing():
                    ServerConnection.data_received(self, b"")

        expect_exhaustion(asyncio.get_running_loop())
        serve_at = partial(
            serve,
            self._serve,
            compression=None,
            process_request=self._admit,
            server_header=None,  # the doorway adds it, to what the library answers by itself too
            # asyncio's TLS takes "at or above" for "above": with 0 it would call every empty buffer full.
            write_limit=1 if tls else 0,
            close_timeout=_CLOSE_HANDSHAKE_S,
            create_connection=Arriving,
            ping_interval=limits.PING_SECONDS,
            ping_timeout=limits.PONG_SECONDS,
            ssl=tls,
            ssl_handshake_timeout=limits.TLS_HANDSHAKE_SECONDS if tls else None,
        )
        listeners = await listen(host, port)
        self._servers = [await serve_at(sock=listener) for listener in listeners]
        self._stall_watch = asyncio.create_task(self._watch_for_stalls(), name="stall watch")
        self._registry.start()
        return int(listeners[0].getsockname()[1])

    async def stop(self) -> None:
        """Say good-bye to the clients and release the cameras, side by side; takes below 10 s whatever hangs."""
        self.stopping = True
        if self._stall_watch is not None:
            self._stall_watch.cancel()
            await asyncio.wait((self._stall_watch,))
        await self._registry.drain(_DRAIN_S)  # a shot in progress gets its answer
        await asyncio.gather(self._close_connections(), self._registry.stop())
        for task in self._kept:
            task.cancel()
        if self._kept:
            await asyncio.wait(self._kept)

    async def _close_connections(self) -> None:
        for server in self._servers:
            server.close(code=closing.SHUTTING_DOWN, reason="the server is shutting down")
        try:
            async with asyncio.timeout(_CLOSE_HANDSHAKE_S + 0.5):
                for server in self._servers:
                    await server.wait_closed()
        except TimeoutError:
            # A client that does not read keeps close() waiting behind what it did not take.
            for connection in (*self._opening, *(client.socket for client in self._clients)):
                connection.transport.abort()
            # Whose wrong token is answered slowly is left to the loop's end.
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    for server in self._servers:
                        await server.wait_closed()

    def summary(self) -> str:
        """Who is there now, in words."""
        cameras = self._registry.known
        ready = sum(camera.status.connected for camera in cameras)
        clients = sum(client.logged_in for client in self._clients)
        return f"cameras: {len(cameras)}, open: {ready}, clients: {clients}"

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that outlives the connection it came from; ended at the latest by `stop`."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    async def _admit(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Let a WebSocket handshake pass, answer anything else."""
        assert isinstance(connection, FrameConnection), "made by create_connection"
        connection.address = self._proxies.client(connection.address, request.headers)
        if refusal := self._refusal(request):
            response = connection.respond(*refusal)
        elif is_upgrade(request):
            return None
        else:
            response = await self._pages.answer(request, connection.address)
        if request.method == "HEAD":
            response.body = b""  # its Content-Length stays that of the GET
        return response

    def _refusal(self, request: HttpRequest) -> tuple[http.HTTPStatus, str] | None:
        """Why a request is not looked at any further: status and words."""
        if fault := malformed(request):
            return http.HTTPStatus.BAD_REQUEST, fault
        hosts = request.headers.get_all("Host")
        if hosts and not self._hosts.ours(hosts[0]):
            return http.HTTPStatus.MISDIRECTED_REQUEST, (
                "This server does not answer to the name in the address. The setting WS_HOSTS adds names to those of its machine.\n"
            )
        if not is_upgrade(request):
            return None
        if request.path.partition("?")[0] not in _PATHS:
            return http.HTTPStatus.NOT_FOUND, "Not found. The WebSocket is at / and /ws.\n"
        if not self._origins.let_in(request.headers):
            words = "This page may not connect. The setting WS_ORIGINS lets in pages from elsewhere.\n"
            return http.HTTPStatus.FORBIDDEN, words
        if self.full():
            return http.HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections. Try again later.\n"
        return None

    async def _token_opens(self, token: str, address: str) -> bool:
        if self.gate.opens(token):
            return True
        try:
            await self.gate.slow_down(address)
        except TooManyFailures:
            raise RequestError("rate_limited", TOO_MANY_FAILURES) from None
        return False

    def full(self) -> bool:
        """Whether as many clients are logged in as may be."""
        return sum(client.logged_in for client in self._clients) >= limits.CONNECTIONS

    def _arrived(self, connection: FrameConnection) -> None:
        """Keep the number of those low that connect and say nothing, not even what they want."""
        self._opening = {other: None for other in (*self._opening, connection) if other.opening}
        if len(self._opening) > limits.CONNECTIONS_OPENING:
            silent = who_makes_room(self._opening, lambda other: other.address)
            if silent is not None:
                silent.transport.abort()

    def _make_room(self) -> None:
        """Have one that has not logged in leave, where the next one would be too many."""
        waiting = [client for client in self._clients if not client.logged_in and not client.leaving]
        leaving = [client for client in self._clients if client.leaving]
        # Whoever sends a token does so at once: a second is enough, however many come in it.
        late = asyncio.get_running_loop().time() - _LOGIN_GRACE_S
        slow = waiting if len(waiting) >= limits.CONNECTIONS else [guest for guest in waiting if guest.since < late]
        if len(waiting) >= limits.CONNECTIONS_NOT_LOGGED_IN:
            guest = who_makes_room(slow, lambda client: client.address)
            if guest is not None:
                guest.turn_away()
        if len(leaving) > limits.CONNECTIONS_NOT_LOGGED_IN:
            leaving[0].socket.transport.abort()  # a good-bye takes seconds where nobody listens

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, FrameConnection), "made by create_connection"
        if self.full():  # others came between the handshake's request and its answer
            await connection.close(closing.NO_ROOM, "too many connections")
            return
        self._make_room()
        self._number += 1
        client = Client(connection, self.keep, self._number, self.visits)
        self._clients[client] = None
        try:
            await Connection(client, self).serve(bearer(connection.request))
        finally:
            self._clients.pop(client, None)

    def tell(self, event: CameraEvent) -> None:
        """Send a camera's event to the clients that subscribed to it, without waiting."""
        name, values = wire_event(event)
        listeners = [client for client in self._clients if name in client.subscribed]
        if not listeners:
            return
        message = encode_event(name, values)
        # Of a setting only the newest value counts: turning a wheel gives hundreds a second.
        about = (event.port, event.what.config_name) if isinstance(event.what, ConfigChanged) else None
        for client in listeners:
            client.forward(message, about)

    async def _watch_for_stalls(self) -> None:
        """Drop clients whose unsent bytes do not become fewer for too long."""
        stalled: dict[Client, tuple[int, int, float]] = {}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_STALL_CHECK_S)
            now = loop.time()
            fresh: dict[Client, tuple[int, int, float]] = {}
            for client in tuple(self._clients):
                unsent, emptied = client.socket.unsent, client.socket.emptied
                if unsent:
                    before, emptied_before, since = stalled.get(client, (unsent, emptied, now))
                    reads = unsent < before or emptied > emptied_before
                    fresh[client] = (unsent, emptied, now if reads else since)
                    if now - fresh[client][2] > limits.READ_STALL_SECONDS:
                        del fresh[client]
                        client.drop(f"took nothing for {limits.READ_STALL_SECONDS} s")
            stalled = fresh
