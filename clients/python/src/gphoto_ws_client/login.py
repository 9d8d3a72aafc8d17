"""The way in: connect, send the token, and say in words what stands in the way."""

from __future__ import annotations

import asyncio
import json
import socket as socketlib
import ssl
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from gphoto_ws_client.errors import ConnectionFailed, ConnectionLost, from_reply

PROTOCOL = 1
# Close codes after which the same login fails again: no login, wrong token, another protocol (docs/protocol.md).
FINAL_CLOSE_CODES = frozenset((4400, 4401, 4406))
_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is and how to get in. Times in seconds, `max_size` in bytes for one message."""

    url: str
    token: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    open_timeout: float = 10.0
    max_size: int | None = None


async def log_in(address: Address) -> ClientConnection:
    """Connect and log in.

    Raises:
        Unauthorized: the token is wrong.
        RequestRefused: too many wrong tokens, or another protocol.
        ConnectionFailed: nobody answers there, or not as this server does.
    """
    try:
        socket = await connect(
            address.url,
            ssl=address.tls,
            compression=None,
            open_timeout=address.open_timeout,
            close_timeout=_GOODBYE_S,
            max_size=address.max_size,
        )
    except InvalidURI as error:
        raise ConnectionFailed(f"{address.url} is no WebSocket address; they look like ws://localhost:8765.") from error
    except InvalidStatus as error:
        status = error.response.status_code
        words = f"{address.url} answers with HTTP {status}, not with a WebSocket."
        raise ConnectionFailed(words, retryable=status == 503) from error
    except InvalidHandshake as error:
        raise ConnectionFailed(f"{address.url} does not speak WebSocket: {error}") from error
    except (OSError, EOFError) as error:  # TimeoutError is an OSError
        words = f"Cannot connect to {address.url}: {_reason(error)}"
        raise ConnectionFailed(words, retryable=not isinstance(error, ssl.SSLCertVerificationError)) from error
    try:
        async with asyncio.timeout(address.open_timeout):
            await _speak(socket, address)
    except BaseException as error:
        await socket.close()
        if isinstance(error, TimeoutError):
            raise ConnectionFailed(f"{address.url} does not answer the login.", retryable=True) from error
        raise
    return socket


def _reason(error: OSError | EOFError) -> str:
    if isinstance(error, socketlib.gaierror):
        return "no machine of that name is known."
    if isinstance(error, TimeoutError):
        return "no answer in time."
    # asyncio tells of several addresses (::1 and 127.0.0.1) in one error without a number.
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nobody listens there; is the server running?"
    return f"{str(error) or type(error).__name__}."


async def _speak(socket: ClientConnection, address: Address) -> None:
    try:
        await socket.send(json.dumps({"token": address.token, "protocol": PROTOCOL}))
        reply = json.loads(await socket.recv())
    except ConnectionClosed as error:
        raise why_lost(socket, "") from error
    except ValueError:
        reply = None
    if not isinstance(reply, dict) or "status" not in reply:
        raise ConnectionFailed(f"{address.url} does not answer as gphoto-ws-server does.")
    if reply["status"] != "ok":
        refused = from_reply(reply)
        refused.retryable = refused.code == "rate_limited"
        raise refused


def why_lost(socket: ClientConnection, last_words: str) -> ConnectionLost:
    """The reason for the end of a connection, by its close code or the last error without an id."""
    code, said = socket.close_code, last_words or socket.close_reason
    words = "The connection to the server is lost" + (f": {said}." if said else ".")
    return ConnectionLost(words.replace("..", "."), close_code=code, retryable=code not in FINAL_CLOSE_CODES)
