"""Connects and logs in. The messages of the errors explain what failed."""

from __future__ import annotations

import asyncio
import json
import socket as socketlib
import ssl
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from gphoto_ws_client.decode import parse_message
from gphoto_ws_client.errors import ConnectionFailed, ConnectionLost, UnexpectedReply, from_reply
from gphoto_ws_client.tls import other_scheme, why_refused

PROTOCOL = 1
# Close codes after which a retry fails again: no login, wrong token, unsupported protocol (docs/protocol.md).
FINAL_CLOSE_CODES = frozenset((4400, 4401, 4406))
# Close codes for a message that is too long, and for a connection that ended without a close code (RFC 6455, 7.4.1).
TOO_BIG, _NO_CLOSE = 1009, 1006
# The longest accepted reply to the login, in characters. A reply is short: it contains the limits of the server. A
# longer text is not parsed, because parsed JSON may need thirty times the memory of the text.
_LONGEST_LOGIN_REPLY = 64 * 1024
_CLOSE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server, and how to connect.

    `open_timeout` is in seconds. `max_size` is the longest accepted message in bytes.
    """

    url: str
    token: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    open_timeout: float = 10.0
    max_size: int = 2**20


async def log_in(address: Address) -> ClientConnection:
    """Connect and log in.

    Raises:
        Unauthorized: the token is wrong.
        RequestRefused: too many wrong tokens, or an unsupported protocol.
        ConnectionFailed: no server answers at this address, or the server is not a gphoto-ws-server.
    """
    socket = await _connect(address)
    try:
        async with asyncio.timeout(address.open_timeout):
            await _send_token(socket, address)
    except BaseException as error:
        await socket.close()
        if isinstance(error, TimeoutError):
            raise ConnectionFailed(f"{address.url} does not answer the login.", retryable=True) from error
        raise
    return socket


class _Direct(connect):
    """Connects, but does not follow redirects, because a redirect would send the token to another server."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the exception, so that websockets raises it."""
        return exc


async def _connect(address: Address) -> ClientConnection:
    tls: dict[str, Any] = {} if address.tls is None else {"ssl": address.tls}
    url = address.url
    try:
        return await _Direct(
            url,
            compression=None,
            open_timeout=address.open_timeout,
            close_timeout=_CLOSE_TIMEOUT_S,
            max_size=address.max_size,
            **tls,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        words = f"{url} answers with HTTP {status}, not with a WebSocket."
        raise ConnectionFailed(words, retryable=status == 503) from error
    except InvalidHandshake as error:
        other = await other_scheme(url) if isinstance(error, InvalidMessage) else None
        raise ConnectionFailed(other or f"{url} does not speak WebSocket: {error}.") from error
    except ssl.SSLCertVerificationError as error:
        raise why_refused(url, error) from error
    except (OSError, EOFError) as error:  # TimeoutError is an OSError
        hung_up = isinstance(error, (ConnectionResetError, EOFError, ssl.SSLError))
        if hung_up and (other := await other_scheme(url)):
            raise ConnectionFailed(other) from error
        raise ConnectionFailed(f"Cannot connect to {url}: {_reason(error)}", retryable=True) from error
    except (WebSocketException, ImportError) as error:  # for example, the environment names an unusable proxy
        if isinstance(error, InvalidURI):
            raise _no_address(url) from error
        raise ConnectionFailed(f"Cannot connect to {url}: {error}.") from error
    except ValueError as error:  # for example a port above 65535, or an invalid host name
        raise _no_address(url) from error


def _no_address(url: str) -> ConnectionFailed:
    return ConnectionFailed(f"{url} is not a WebSocket address, for example ws://localhost:8765.")


def _reason(error: OSError | EOFError) -> str:
    if isinstance(error, socketlib.gaierror):
        return "the host name is unknown."
    if isinstance(error, ssl.SSLError):
        return f"TLS fails ({error.reason or error})."
    if isinstance(error, ConnectionResetError):
        return "the server closed the connection."
    if isinstance(error, TimeoutError):
        return "no answer in time."
    # If connecting to several addresses fails (::1 and 127.0.0.1), asyncio raises one error without an error number.
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nothing is listening there. Is the server running?"
    return f"{str(error) or type(error).__name__}."


async def _send_token(socket: ClientConnection, address: Address) -> None:
    try:
        await socket.send(json.dumps({"token": address.token, "protocol": PROTOCOL}))
        text = await socket.recv()
        reply = parse_message(text) if isinstance(text, str) and len(text) <= _LONGEST_LOGIN_REPLY else {}
    except ConnectionClosed as error:
        raise why_lost(error, "", address.max_size) from error
    except UnexpectedReply:
        reply = {}
    if reply.get("status") not in ("ok", "error"):
        raise ConnectionFailed(f"{address.url} does not answer as gphoto-ws-server does.")
    if reply["status"] == "error":
        refused = from_reply(reply)
        refused.retryable = refused.code == "rate_limited"
        raise refused


def why_lost(closed: ConnectionClosed, last_words: str, max_size: int) -> ConnectionLost:
    """Why a connection has ended: the last error reply without an id, or else the reason in the close message.

    After close code 1009 (message too long), a new connection is possible. But the same request would fail again, so
    the error is not retryable.
    """
    if closed.rcvd is None and closed.sent is not None and closed.sent.code == TOO_BIG:
        words = f"The server sent a message of more than {max_size} bytes (max_message): the connection was ended"
        return ConnectionLost(f"{words}.", close_code=TOO_BIG, retryable=False)
    code = closed.rcvd.code if closed.rcvd is not None else _NO_CLOSE
    said = last_words or (closed.rcvd.reason if closed.rcvd is not None else "")
    words = "The connection to the server was lost" + (f": {said}." if said else ".")
    retryable = code != TOO_BIG and code not in FINAL_CLOSE_CODES
    return ConnectionLost(words.replace("..", "."), close_code=code, retryable=retryable)
