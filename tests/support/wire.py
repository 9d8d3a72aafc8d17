"""Functions that send messages that the client of tests.support.rig cannot send, and that check the replies."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protocol.errors import ERROR_CODES
from tests.support.rig import REPLY_S, Client, CommandError, Json, Server

_numbers = itertools.count(1)


def fresh_address() -> tuple[str, int]:
    """A loopback address from which a client connects. Each call returns a new address, which has no failed logins."""
    number = next(_numbers)
    return f"127.{1 + number // 62500}.{1 + number // 250 % 250}.{1 + number % 250}", 0


async def stranger(server: Server, path: str = "", **options: Any) -> ClientConnection:
    """A connection from a new address. It is not logged in."""
    return await connect(server.uri + path, max_size=None, **{"local_addr": fresh_address(), **options})


async def logged_in(server: Server, path: str = "", login: str | bytes | None = None, **options: Any) -> Client:
    """A logged-in client from a new address. `login` replaces the login message."""
    socket = await stranger(server, path, **options)
    await socket.send(json.dumps({"token": server.token}) if login is None else login)
    return Client(socket)


async def say(client: Client, message: str | bytes | Json) -> None:
    """Send one message. Text and bytes are sent unchanged; an object is sent as JSON."""
    await client.socket.send(json.dumps(message) if isinstance(message, dict) else message)


async def answer(client: Client) -> Json:
    """The next message, which must be a well-formed reply or error."""
    message = await client.receive()
    assert isinstance(message, dict)
    return well_formed(message)


async def answers(client: Client, count: int) -> list[Json]:
    """The next `count` replies."""
    return [await answer(client) for _ in range(count)]


async def refused(client: Client, command: str, **payload: Any) -> CommandError:
    """The error reply to a command. Fails if the command succeeds."""
    try:
        reply = await client.command(command, **payload)
    except CommandError as error:
        well_formed(error.reply)
        return error
    raise AssertionError(f"{command} {payload} was not refused: {reply}")


async def still_answers(client: Client) -> None:
    """Check that the next message is the reply to a ping."""
    await say(client, {"command": "ping"})
    assert await answer(client) == {"status": "ok", "message": "pong"}


async def last_words(socket: ClientConnection) -> tuple[list[Json], int | None]:
    """All messages until the server closes the connection, and the close code."""
    said: list[Json] = []
    async with asyncio.timeout(REPLY_S):
        try:
            while True:
                said.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return said, socket.close_code


def well_formed(reply: Json) -> Json:
    """Check the form of a reply and return it."""
    assert reply["status"] in ("ok", "error"), reply
    assert ("id" in reply) == ("command" in reply), reply
    if reply["status"] == "error":
        assert set(reply) <= {"status", "id", "command", "message", "code", "retryable", "details"}, reply
        assert isinstance(reply["message"], str), reply
        assert reply["message"], reply
        assert reply["code"] in ERROR_CODES, reply
        assert isinstance(reply["retryable"], bool), reply
        assert isinstance(reply.get("details", {}), dict), reply
    return reply


def codes(replies: Sequence[Json]) -> list[str]:
    """The error code of each reply, or "ok"."""
    return [reply.get("code", "ok") for reply in replies]
