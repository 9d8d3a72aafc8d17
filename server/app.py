"""The server: listens, serves connections, and shuts down in order."""

from __future__ import annotations

import asyncio
import http
import logging
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from protocol import closing
from server import limits
from server.admission import Admission, Handshakes
from server.client import Client
from server.connection import Connection
from server.frame_connection import FrameConnection
from server.http import Pages, is_upgrade
from server.http_access import bearer
from server.http_protocol import EVERY_REPLY, EVERY_REPLY_OVER_TLS, HttpProtocol
from server.http_stream import HttpViewer
from server.listener import expect_exhaustion, listen
from service.commands import Service

_log = logging.getLogger("server.app")

_CLOSE_HANDSHAKE_S = 1.5
_STALL_CHECK_S = 1.0
_DRAIN_S = 1.2


class App:
    """Serves the service on sockets.

    Args:
        service: runs the commands.
        admission: access control.
    """

    def __init__(self, service: Service, admission: Admission) -> None:
        self.service = service
        self.admission = admission
        self._pages = Pages(service, admission.access, admission.origins, admission.viewers, admission.full)
        self._kept: set[asyncio.Task[None]] = set()
        self._servers: list[WebSocketServer] = []  # one for each address of the host name
        self._stall_watch: asyncio.Task[None] | None = None
        self._number = 0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen for clients and start to search for cameras. Returns the port.

        Args:
            host: name or address to listen on.
            port: 0 chooses a free port.
            tls: certificates for wss; None for ws.

        Raises:
            OSError: the port is in use, or the address does not belong to this machine.
        """
        self.admission.bind(host)
        arrived, visits = self.admission.arrived, self.admission.visits
        headers = EVERY_REPLY_OVER_TLS if tls else EVERY_REPLY
        handshakes = Handshakes(limits.TLS_HANDSHAKES, limits.TLS_HANDSHAKE_SECONDS)

        class IncomingConnection(FrameConnection):
            def __init__(self, _: ServerProtocol, *args: Any, **options: Any) -> None:
                # asyncio creates this object before the TLS handshake. If `begin` raises, asyncio closes the socket.
                super().__init__(HttpProtocol(limits.MESSAGE_BYTES, headers, self._answered), *args, **options)
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
                    # The query may contain a ticket.
                    path = self.request.path.partition("?")[0][:80] if self.request else ""
                    what = f"{self.request.method} {path!r}" if self.request else "no request"
                    visits.note(self.address, f"{what}: HTTP {status}")
                # If no valid request was received, the library would wait for a request until its own timeout.
                if not self.request:
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
            server_header=None,  # HttpProtocol sets the header Server, also in responses that the library creates
            # asyncio's TLS transport compares the buffer size and this limit with >= instead of >. With a limit of 0,
            # even an empty buffer would count as full.
            write_limit=1 if tls else 0,
            open_timeout=None,  # FrameConnection has its own, because a page may take longer
            close_timeout=_CLOSE_HANDSHAKE_S,
            create_connection=IncomingConnection,
            ping_interval=limits.PING_SECONDS,
            ping_timeout=limits.PONG_SECONDS,
            ssl=tls,
            ssl_handshake_timeout=limits.TLS_HANDSHAKE_SECONDS if tls else None,
        )
        listeners = await listen(host, port)
        self._servers = [await serve_at(sock=listener) for listener in listeners]
        self._stall_watch = asyncio.create_task(self._watch_for_stalls(), name="stall watch")
        self.service.start()
        return int(listeners[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the connections and release the cameras at the same time. Always takes less than 10 s."""
        if self._stall_watch is not None:
            self._stall_watch.cancel()
            await asyncio.wait((self._stall_watch,))
        await self.service.drain(_DRAIN_S)  # so that shots in progress can finish and get their replies
        await asyncio.gather(self._close_connections(), self.service.stop())
        for task in self._kept:
            task.cancel()
        if self._kept:
            await asyncio.wait(self._kept)

    async def _close_connections(self) -> None:
        for viewer in self.admission.viewers:
            viewer.finished.set()
        for server in self._servers:
            server.close(code=closing.SHUTTING_DOWN, reason="the server is shutting down")
        try:
            async with asyncio.timeout(_CLOSE_HANDSHAKE_S + 0.5):
                for server in self._servers:
                    await server.wait_closed()
        except TimeoutError:
            # If a client does not read, the server cannot send the close message to it.
            for connection in self.admission.connections():
                connection.transport.abort()
            # Do not wait for replies to wrong tokens, which are delayed. Their tasks are cancelled when the event loop
            # ends.
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    for server in self._servers:
                        await server.wait_closed()

    def summary(self) -> str:
        """The number of cameras and the number of clients, as a text for the service manager."""
        return f"{self.service.cameras.summary()}, clients: {self.admission.logged_in()}"

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task that may continue after its connection has ended. `stop` cancels it if it still runs."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    async def _admit(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Accept a WebSocket handshake, or answer an HTTP request."""
        assert isinstance(connection, FrameConnection), "made by create_connection"
        connection.address = self.admission.address_of(connection, request)
        if refusal := self.admission.refusal(request):
            response = connection.respond(*refusal)
        elif is_upgrade(request):
            return None
        else:
            response = await self._pages.answer(request, connection)
        if request.method == "HEAD":
            response.body = b""  # the header Content-Length keeps the value for GET
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, FrameConnection), "made by create_connection"
        admission = self.admission
        # This is checked again, because other clients may have logged in during the handshake.
        if admission.full():
            await connection.close(closing.NO_ROOM, "too many connections")
            return
        admission.evict_if_full()
        self._number += 1
        client = Client(connection, self.keep, self._number, admission.visits)
        admission.clients[client] = None
        self.service.events.join(client.caller)
        try:
            await Connection(client, admission, self.service).serve(bearer(connection.request))
        finally:
            self.service.events.leave(client.caller)
            admission.clients.pop(client, None)

    async def _watch_for_stalls(self) -> None:
        """Drop each client that has unread data but reads nothing for READ_STALL_SECONDS."""
        stalled: dict[Client | HttpViewer, tuple[int, int, float]] = {}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_STALL_CHECK_S)
            now = loop.time()
            fresh: dict[Client | HttpViewer, tuple[int, int, float]] = {}
            readers: list[Client | HttpViewer] = [*self.admission.clients, *self.admission.viewers]
            for client in readers:
                unsent, emptied = client.socket.unsent, client.socket.emptied
                if unsent:
                    before, emptied_before, since = stalled.get(client, (unsent, emptied, now))
                    reads = unsent < before or emptied > emptied_before
                    fresh[client] = (unsent, emptied, now if reads else since)
                    if now - fresh[client][2] > limits.READ_STALL_SECONDS:
                        del fresh[client]
                        client.drop(f"read nothing for {limits.READ_STALL_SECONDS} s")
            stalled = fresh
