"""A receiver of webhooks: a real HTTP server in threads."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook as Verifier

from tests.support.waiting import until

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass(frozen=True)
class Request:
    """A request that the receiver has got, and the status with which it was answered (0: not at all)."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 0

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    def verify(self, secret: str = SECRET) -> None:
        """Fail if the signature is not valid. The check is that of the Standard Webhooks project."""
        Verifier(secret).verify(self.body, dict(self.headers))


class Receiver:
    """Answers each request with the next status of `statuses`, or with 204 if there is none.

    Args:
        port: 0 for any port.
        tls: for https.

    Attributes:
        requests: all requests until now.
        statuses: the next answers.
        more_headers: headers of all answers.
        hangs: whether requests get no answer.
        drips: whether the answer comes byte by byte, and never ends.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.statuses: list[int] = []
        self.more_headers: dict[str, str] = {}
        self.hangs = self.drips = False
        self._tls = tls
        self._closed = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # the sender has cut the connection

        self._server = Server(("127.0.0.1", port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        host = "localhost" if self._tls else "127.0.0.1"
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/hook?from=booth"

    @property
    def paths(self) -> list[str]:
        """The paths of the files in the events."""
        return [request.event["data"]["camera_filepath"] for request in self.requests]

    async def got(self, number: int) -> None:
        """Wait until there were so many requests."""
        await until(lambda: len(self.requests) >= number)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        answered = not (self.hangs or self.drips)
        status = (self.statuses.pop(0) if self.statuses else 204) if answered else 0
        self.requests.append(Request(handler.path, dict(handler.headers.items()), body, status))
        if self.hangs:
            self._closed.wait()
            return
        if self.drips:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._closed.wait(0.02):
                handler.wfile.write(b"y")
                handler.wfile.flush()
            return
        handler.send_response(status)
        for name, value in self.more_headers.items():
            handler.send_header(name, value)
        handler.end_headers()
