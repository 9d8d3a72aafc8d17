"""The HTTP protocol of a connection: every request gets a response, and every response has the headers of this server.

This file uses undocumented behaviour of websockets' ServerProtocol: the library reads a request with
`reader.read_line`. For an invalid request, the library sets `handshake_exc` to InvalidMessage and calls `send_eof`.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable, Generator, Mapping

from websockets.exceptions import InvalidMessage
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

# Limit for the body of a request. No request needs a body, but many programs send a body with a POST. The server reads
# and ignores it.
BODY_BYTES = 64 * 1024
_LENGTH = re.compile(rb"[0-9]{1,18}")

EVERY_REPLY = {
    "Server": "gphoto-ws-server",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
EVERY_REPLY_OVER_TLS = EVERY_REPLY | {
    # A browser that has used TLS with this host name uses only TLS for the next 30 days. The time is not longer,
    # because the host name may be used for something else later.
    "Strict-Transport-Security": "max-age=2592000",
    "Cross-Origin-Opener-Policy": "same-origin",  # without TLS, browsers print a warning about this header
}


class _BodyError(ValueError):
    """The body of a request is too long, or its Content-Length is not valid."""

    def __init__(self, status: http.HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status


class _RequestReader(StreamReader):
    """Reads a request and its body. Hides the body from the library, which accepts only requests without a body."""

    def __init__(self) -> None:
        super().__init__()
        self._line = 0
        self._length: bytes | None = None
        self._head = True
        self._upgrade = False
        self._answered = False

    def read_line(self, m: int, too_long_exc_type: type[Exception] = RuntimeError) -> Generator[None, None, bytearray]:
        """The next line. Skips Content-Length, and reads the body before returning the empty line."""
        while True:
            line = yield from super().read_line(m, too_long_exc_type)
            if not self._head:
                return line
            self._line += 1
            name, _, value = line.partition(b":")
            if self._line > 1 and name.lower() == b"content-length":
                self._note_length(bytes(value.strip()))
                continue
            self._upgrade |= name.lower() == b"upgrade" and b"websocket" in value.lower()
            if self._line > 1 and line == b"\r\n":
                self._head = False
                yield from self.read_exact(int(self._length or 0))
            return line

    def at_eof(self) -> Generator[None, None, bool]:
        """Whether the stream has ended.

        Waits until the request is answered. The library would close the connection if it received more data before the
        answer. Data that follows a request for a page is dropped.
        """
        while not (self._head or self._answered or self.eof):
            if not self._upgrade:
                self.discard()
            yield
        return (yield from super().at_eof())

    def request_answered(self) -> None:
        """Called after the request is answered. Further data belongs to the WebSocket."""
        self._answered = True

    def _note_length(self, value: bytes) -> None:
        if self._length is not None or not _LENGTH.fullmatch(value):
            raise _BodyError(http.HTTPStatus.BAD_REQUEST, "Content-Length must be a single number.")
        if int(value) > BODY_BYTES:
            words = f"No request has a body here; a body of up to {BODY_BYTES} bytes is ignored."
            raise _BodyError(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        self._length = value


class HttpProtocol(ServerProtocol):
    """The library's protocol with a response to every request, and with additional headers in every response.

    Args:
        max_size: the longest message, in bytes.
        headers: added to every response. A header that the response already has is not replaced.
        answered: called with the status of the response. After 101, the function must read data that has already
            arrived.
    """

    def __init__(self, max_size: int, headers: Mapping[str, str], answered: Callable[[int], None]) -> None:
        self._reply_headers = headers
        self._page_sent = False
        self._answered: Callable[[int], None] | None = answered
        super().__init__(max_size=max_size)

    def parse(self) -> Generator[None]:
        """Called by the library to parse incoming data."""
        self.reader = self._requests = _RequestReader()
        yield from super().parse()

    def head_of_page(self, response: Response) -> bytes:
        """The start of a response whose body is sent in pieces. The library then sends no response."""
        self._page_sent = True
        self._add_headers(response)
        return bytes(response.serialize())

    def send_response(self, response: Response) -> None:
        """Send a response that was created by this server or by the library."""
        if self._page_sent:
            return
        self._add_headers(response)
        self._requests.request_answered()
        super().send_response(response)
        # The function is called only once. The reference to it is removed, so that this object and the connection can
        # be freed.
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(response.status_code)

    def _add_headers(self, response: Response) -> None:
        for name, value in self._reply_headers.items():
            if name not in response.headers:
                response.headers[name] = value

    def send_eof(self) -> None:
        """End the connection.

        After an invalid request, the library would send no response, so an error response is sent first.
        """
        unreadable = isinstance(self.handshake_exc, InvalidMessage) and not self.reader.eof
        if self.state is State.CONNECTING and unreadable and not self.eof_sent:
            self._refuse(self.handshake_exc)
        else:
            super().send_eof()

    def _refuse(self, error: Exception | None) -> None:
        self.handshake_exc = None  # otherwise the end of this response would cause a second response
        cause = error.__cause__ if error is not None else None
        if isinstance(cause, _BodyError):
            response = self.reject(cause.status, f"{cause}\n")
        elif isinstance(cause, NotImplementedError):
            response = self.reject(http.HTTPStatus.LENGTH_REQUIRED, "Send a body with Content-Length, or none.\n")
        else:
            response = self.reject(http.HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.\n")
        self.send_response(response)
        self.handshake_exc = error
