"""Clients with short connections (correct, aborted, silent or with garbage), and a client that polls /health."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.soak.connection import Connection, ConnectionCut, ErrorReply
from tests.soak.world import World
from tests.support.rig import TOKEN

_REPLY_S = 30.0
_HEALTH_EVERY_S, _HEALTH_S = 0.5, 5.0
_GARBAGE = (
    "", "{", "[]", "null", '{"command": 7}', '{"command": "no_such_command"}', '{"command": "ping", "payload": 3}',
    '{"ack": {"stream": -1, "seq": "x"}}', '{"type": "bogus"}', "\x00\x01", "9" * 5000, "[" * 3000,
    b"\xde\xad\xbe\xef", '{"command": "get_config", "payload": {"nam": "iso"}, "id": 1}',
)  # fmt: skip


async def run_visitors(world: World, rng: random.Random) -> None:
    """Make short connections one after the other until the run stops."""
    kinds: tuple[Callable[[World, random.Random], Awaitable[None]], ...] = (
        _polite, _polite, _dropped, _dropped, _silent, _send_garbage, _no_websocket,
    )  # fmt: skip
    while not world.stopping:
        # The server may be down or killed at any time, so connection errors are expected here.
        with suppress(OSError, ConnectionClosed, InvalidHandshake, EOFError, ConnectionCut, ErrorReply):
            await rng.choice(kinds)(world, rng)
            world.journal.count("visitors")
        await world.pause(rng.uniform(0.05, 0.5))


async def _polite(world: World, rng: random.Random) -> None:
    connection = await Connection.connect(world, "polite visitor")
    if connection is None:
        return
    try:
        for command in rng.sample(("list_cameras", "server_info", "ping", "list_commands"), 2):
            began = time.monotonic()
            await connection.ask(command, _REPLY_S)
            world.journal.took(f"answer to {command}", time.monotonic() - began)
    except TimeoutError:
        world.journal.violation(f"a visitor got no answer in {_REPLY_S:.0f} s")
    finally:
        await connection.close()


async def _dropped(world: World, rng: random.Random) -> None:
    connection = await Connection.connect(world, "vanishing visitor")
    if connection is None:
        return
    port = rng.choice(world.cameras).port
    command, payload = rng.choice((
        ("start_live_view", {"port": port, "fps": rng.choice((5, 30))}),
        ("get_config", {"port": port}),
        ("list_files", {"port": port, "folder": "/"}),
        ("subscribe", {"events": ["*"]}),
    ))  # fmt: skip
    await connection.send(command, **payload)
    await world.pause(rng.uniform(0, 2))
    await connection.drop_connection()


async def _silent(world: World, rng: random.Random) -> None:
    async with connect(world.server.uri, close_timeout=1):
        await world.pause(rng.uniform(0, 5))


async def _send_garbage(world: World, rng: random.Random) -> None:
    async with connect(world.server.uri, close_timeout=1) as socket:
        if rng.random() < 0.7:
            await socket.send(json.dumps({"token": TOKEN}))
        for _ in range(rng.randint(1, 20)):
            await socket.send(rng.choice(_GARBAGE))
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await socket.recv()


async def _no_websocket(world: World, rng: random.Random) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    try:
        writer.write(rng.choice((b"", b"GET", b"\r\n\r\n", rng.randbytes(300), b"GET /nowhere HTTP/1.1\r\n\r\n")))
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(rng.uniform(0, 2)):
                await reader.read()
    finally:
        writer.close()


async def poll_health(world: World, time_factor: float) -> None:
    """Request /health until the run stops. A late or failed response is a violation."""
    while not world.stopping:
        restarts, listened, began = world.server.restarts, world.server.listening, time.monotonic()
        try:
            async with asyncio.timeout(_HEALTH_S * time_factor):
                status = await _health(world.server.port)
        except (OSError, EOFError, TimeoutError, IndexError) as error:
            if restarts == world.server.restarts and listened:
                world.journal.violation(f"/health failed after {time.monotonic() - began:.1f} s: {error!r}")
        else:
            world.journal.took("answer to /health", time.monotonic() - began)
            world.journal.count(f"/health {status}")
            if status not in ("200", "503"):
                world.journal.violation(f"/health answered {status}")
        await world.pause(_HEALTH_EVERY_S)


async def _health(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (await reader.readuntil(b"\r\n")).split()[1].decode()
    finally:
        writer.close()
