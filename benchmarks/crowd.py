"""Clients that overload a server, for `make load` and the load tests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Visits:
    """The results of visits.

    Attributes:
        answered: number of visits that were answered completely.
        refused: number of visits that the server refused, with HTTP status 503 or a close code.
        broken: the errors of the visits that failed in any other way.
    """

    answered: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)


async def log_in(uri: str, token: str) -> ClientConnection:
    """Connect a client and log in."""
    socket = await connect(uri, max_size=None, compression=None, close_timeout=2)
    await socket.send(json.dumps({"token": token}))
    return socket


async def visit(uri: str, token: str, visits: Visits) -> None:
    """Connect, log in, list the cameras, disconnect."""
    try:
        async with asyncio.timeout(_TIMEOUT_S), await log_in(uri, token) as socket:
            await socket.send('{"command": "list_cameras"}')
            if json.loads(await socket.recv())["status"] != "ok":
                raise ValueError("list_cameras failed")
    except (ConnectionClosed, InvalidHandshake):
        visits.refused += 1
    except (OSError, TimeoutError, ValueError) as error:
        visits.broken.append(repr(error))
    else:
        visits.answered += 1


async def come_and_go(uri: str, token: str, rate: float, seconds: float) -> Visits:
    """Start `rate` visits per second for some seconds, without waiting for earlier visits. Returns their results."""
    visits, loop = Visits(), asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            group.create_task(visit(uri, token, visits))
    return visits


async def keep_silent(uri: str, seconds: float) -> Counter[int | None]:
    """Connect without logging in. After each close by the server, wait a second and connect again.

    Returns how often each close code occurred; None stands for a refused connection.
    """
    close_codes: Counter[int | None] = Counter()
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # The loop ends by time and not by a cancellation: if a connect is cancelled, its socket may stay open.
    while loop.time() < end:
        try:
            async with connect(uri, compression=None, close_timeout=0.1) as socket:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        await socket.wait_closed()
                        close_codes[socket.close_code] += 1
        except (OSError, InvalidHandshake):
            close_codes[None] += 1
        await asyncio.sleep(max(0.0, min(1.0, end - loop.time())))
    return close_codes


async def shout(uri: str, token: str, seconds: float, message: str, rate: float) -> Counter[int | None]:
    """Send a message `rate` times per second, and discard the replies. If the server closes the connection, reconnect.

    Returns how often each close code occurred.
    """
    close_codes: Counter[int | None] = Counter()
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        async with await log_in(uri, token) as socket:
            reading = asyncio.create_task(_discard(socket))
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        while True:
                            await socket.send(message)
                            await asyncio.sleep(1 / rate)
            except ConnectionClosed:
                close_codes[socket.close_code] += 1
            finally:
                reading.cancel()
        await asyncio.sleep(0.05)
    return close_codes


async def _discard(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()


@asynccontextmanager
async def deaf(uri: str, token: str, *messages: str) -> AsyncIterator[ClientConnection]:
    """A client that sends these messages after its login and then reads nothing, not even pings."""
    socket = await log_in(uri, token)
    try:
        for message in messages:
            await socket.send(message)
        socket.transport.pause_reading()
        yield socket
    finally:
        socket.transport.abort()


async def watch(uri: str, token: str, port: str, seconds: float) -> float:
    """Watch live view at 30 frames/s for some seconds; returns the number of received frames per second."""
    async with await log_in(uri, token) as socket:
        await socket.send(json.dumps({"command": "start_live_view", "payload": {"port": port, "format": "binary"}}))
        await socket.recv()
        await socket.recv()
        frames, loop = 0, asyncio.get_running_loop()
        began = loop.time()
        while loop.time() < began + seconds:
            await socket.recv()
            frames += 1
        return frames / (loop.time() - began)
