"""Limits: who asks for too much is told so or closed, and the others go on."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server import limits
from server.limits import TokenBucket
from simulator.client import Control
from tests.server.raw import TEXT, RawClient, frame
from tests.support.in_process import InProcess
from tests.support.rig import REPLY_S, TOKEN, Client, Server
from tests.support.waiting import WITHIN_S, until
from tests.support.wire import answers, codes, last_words, logged_in, say, still_answers, stranger

# The simulated camera's release of the shutter.
RELEASE = "0x9128"


async def test_server_info_tells_every_limit(visitor: Client) -> None:
    assert (await visitor.command("server_info"))["limits"] == {
        "message_bytes": 65536,
        "connections": 64,
        "connections_not_logged_in": 16,
        "connections_opening": 128,
        "tls_handshakes": 256,
        "tls_handshake_seconds": 3,
        "pending_commands": 32,
        "commands_a_second": 100,
        "commands_burst": 200,
        "login_seconds": 30,
        "read_stall_seconds": 15,
        "event_bytes": 1048576,
        "acks_a_second": 2000,
        "frames_a_second": 2500,
        "control_frames_a_second": 50,
        "ping_seconds": 5,
        "pong_seconds": 12,
        "streams": 16,
    }


async def test_more_than_32_commands_under_way_are_too_many(client: Client, simulator: Control) -> None:
    simulator.fault("late", RELEASE, seconds=1.5)
    await say(client, {"command": "capture_image"})
    for _ in range(limits.PENDING_COMMANDS):
        await say(client, {"command": "ping"})
    captured, *others = await answers(client, limits.PENDING_COMMANDS + 1)
    assert captured["message"] == "Image captured successfully"
    assert codes(others) == ["ok"] * (limits.PENDING_COMMANDS - 1) + ["too_many_pending"]
    assert (others[-1]["retryable"], others[-1]["details"]) == (True, {"limit": limits.PENDING_COMMANDS})
    await still_answers(client)


async def test_more_than_100_commands_a_second_are_refused_after_a_burst_of_200(visitor: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(visitor, {"command": "nothing"})
    met = codes(await answers(visitor, count))
    assert set(met[: limits.COMMANDS_BURST]) == {"unknown_command"}
    assert "rate_limited" in met[limits.COMMANDS_BURST :]


async def test_messages_that_are_no_commands_count_as_well(visitor: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(visitor, "no JSON")
    met = codes(await answers(visitor, count))
    assert set(met[: limits.COMMANDS_BURST]) == {"invalid_json"}
    assert "rate_limited" in met[limits.COMMANDS_BURST :]


async def test_whoever_was_refused_may_go_on_a_moment_later(visitor: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(visitor, {"command": "nothing"})
    await answers(visitor, count)
    async with asyncio.timeout(WITHIN_S):
        while True:
            await say(visitor, {"command": "ping"})
            if codes(await answers(visitor, 1)) == ["ok"]:
                return
            await asyncio.sleep(0.05)  # asking at once, again and again, is a flood


@pytest.mark.parametrize(
    "message",
    ['{"command":"ping","id":1}', "no JSON", '{"ack": {"stream": 1, "seq": 1}}'],
    ids=["commands", "mistakes", "acks"],
)
async def test_a_flood_closes_with_4429_and_nobody_else_notices(
    bare_server: Server, visitor: Client, message: str
) -> None:
    async with await logged_in(bare_server) as flooder:
        reading = asyncio.create_task(last_words(flooder.socket))
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                await say(flooder, message)
                await asyncio.sleep(0)  # sending alone would keep this client from reading
        _, code = await reading
    assert code == 4429
    await still_answers(visitor)


async def test_a_client_that_reads_only_after_its_flood_learns_why_it_was_closed(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as flooder:
        flooder.send(frame(TEXT, b'{"command":"ping"}'))
        await flooder.reply()
        transport = flooder.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        flooder.send(frame(TEXT, b"no JSON") * 20_000)
        address = flooder.writer.get_extra_info("sockname")[0]
        # By then the server has waited for the end of the closing handshake in vain.
        await asyncio.to_thread(bare_server.wait_for_log, rf"\({re.escape(address)}\): disconnected", REPLY_S)
        transport.resume_reading()
        assert await flooder.until_closed() == 4429


def test_a_token_bucket_lets_a_burst_pass_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("server.limits.time.monotonic", lambda: now)
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 60
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


async def test_the_65th_connection_gets_503_until_one_leaves(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(limits.CONNECTIONS):
            clients.append(await stack.enter_async_context(await logged_in(server)))
            await still_answers(clients[-1])
        with pytest.raises(InvalidStatus) as refusal:
            await stranger(server)
        assert refusal.value.response.status_code == 503
        await clients[0].close()
        newcomer = await stack.enter_async_context(await _let_in(server))
        await still_answers(newcomer)
        await still_answers(clients[-1])


async def silent(server: Server, stack: AsyncExitStack, count: int, **options: Any) -> list[ClientConnection]:
    """Connections that do not log in, all of them older than the second that everybody has for that."""
    sockets = [await stack.enter_async_context(await stranger(server, **options)) for _ in range(count)]
    await asyncio.sleep(1.1)
    return sockets


async def test_the_17th_connection_that_has_not_logged_in_takes_the_place_of_the_oldest(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(await logged_in(server))
        await still_answers(member)
        oldest, *others = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN)
        newcomer = await stack.enter_async_context(await logged_in(server))
        await still_answers(newcomer)
        assert await last_words(oldest) == ([], 1013)
        for other in others:
            await other.send(f'{{"token": "{server.token}"}}')
            await still_answers(Client(other))
        await still_answers(member)


async def test_silent_connections_of_one_address_push_out_their_own(new_server: Callable[..., Server]) -> None:
    server, half = new_server(), limits.CONNECTIONS_NOT_LOGGED_IN // 2
    async with AsyncExitStack() as stack:
        (typist,) = await silent(server, stack, 1)
        first = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN - 1, local_addr=None)
        await silent(server, stack, half, local_addr=None)
        for other in first[:half]:
            assert await last_words(other) == ([], 1013)
        await typist.send(f'{{"token": "{server.token}"}}')
        await still_answers(Client(typist))


async def test_who_guesses_tokens_makes_room_as_well(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        guessers = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN, local_addr=None, close_timeout=0.5)
        for guesser in guessers:
            await guesser.send('{"token": "guess"}')
        async with asyncio.timeout(WITHIN_S):  # their turns would take longer
            await still_answers(await stack.enter_async_context(await logged_in(server)))


async def test_a_burst_of_silent_connections_leaves_a_client_the_time_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.admission._LOGIN_GRACE_S", WITHIN_S)  # longer than the burst takes on any machine
    running = await InProcess.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(running.app.stop)
        typist = await stack.enter_async_context(await connect(running.uri))
        for _ in range(2 * limits.CONNECTIONS_NOT_LOGGED_IN):
            await stack.enter_async_context(await connect(running.uri))
        await typist.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(typist))


async def test_silent_connections_take_none_of_the_64_places(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        waiting, *_ = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN - 1)
        for _ in range(limits.CONNECTIONS):
            await still_answers(await stack.enter_async_context(await logged_in(server)))
        await waiting.send(f'{{"token": "{server.token}"}}')
        assert await last_words(waiting) == ([], 1013)


async def test_of_many_that_come_at_once_64_get_in_and_the_others_are_told_to_come_later(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    bearer = {"Authorization": f"Bearer {server.token}"}
    async with AsyncExitStack() as stack:

        async def come() -> int:
            try:
                client = Client(await stranger(server, additional_headers=bearer))
                stack.push_async_exit(client)
                await still_answers(client)
            except InvalidStatus as error:
                return error.response.status_code
            except ConnectionClosed:
                assert client.socket.close_code is not None
                return client.socket.close_code
            return 0

        met = Counter(await asyncio.gather(*(come() for _ in range(limits.CONNECTIONS + 20))))
    assert met[0] == limits.CONNECTIONS
    assert set(met) <= {0, 503, 1013}


async def test_connections_that_ask_for_nothing_make_room_for_those_that_do(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    host, port = server.uri.removeprefix("ws://").split(":")
    process = psutil.Process(server.process.pid)
    before = process.num_fds()
    quiet = [socket.create_connection((host, int(port))) for _ in range(3 * limits.CONNECTIONS_OPENING)]
    try:
        async with await logged_in(server) as client:
            await still_answers(client)
            assert process.num_fds() - before <= limits.CONNECTIONS_OPENING + 8
    finally:
        for one in quiet:
            one.close()
    await until(lambda: process.num_fds() <= before)


async def _let_in(server: Server) -> Client:
    """A client on a server that may need a moment to see that another one left."""
    refusals: Counter[int] = Counter()
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await logged_in(server)
            except InvalidStatus as error:
                refusals[error.response.status_code] += 1
                assert set(refusals) == {503}


async def test_the_17th_stream_on_a_connection_is_too_many(client: Client) -> None:
    for _ in range(limits.STREAMS):
        await client.command("start_live_view", fps=1)
    await say(client, {"command": "start_live_view", "payload": {"fps": 1}, "id": "more"})
    while (message := await client.receive()) and not (isinstance(message, dict) and message.get("id") == "more"):
        pass
    assert isinstance(message, dict)
    assert message["code"] == "too_many_pending"
