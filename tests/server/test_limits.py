"""A client that exceeds a limit gets an error or is disconnected. Other clients are not affected."""

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

# The operation that releases the shutter of the simulated camera.
RELEASE = "0x9128"


async def test_server_info_lists_every_limit(bare_client: Client) -> None:
    assert (await bare_client.command("server_info"))["limits"] == {
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


async def test_more_than_32_pending_commands_are_rejected(client: Client, simulator: Control) -> None:
    simulator.fault("late", RELEASE, seconds=1.5)
    await say(client, {"command": "capture_image"})
    for _ in range(limits.PENDING_COMMANDS):
        await say(client, {"command": "ping"})
    captured, *pongs = await answers(client, limits.PENDING_COMMANDS + 1)
    assert captured["message"] == "Image captured successfully"
    assert codes(pongs) == ["ok"] * (limits.PENDING_COMMANDS - 1) + ["too_many_pending"]
    assert (pongs[-1]["retryable"], pongs[-1]["details"]) == (True, {"limit": limits.PENDING_COMMANDS})
    await still_answers(client)


async def test_more_than_100_commands_per_second_are_rejected_after_a_burst_of_200(bare_client: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(bare_client, {"command": "nothing"})
    results = codes(await answers(bare_client, count))
    assert set(results[: limits.COMMANDS_BURST]) == {"unknown_command"}
    assert "rate_limited" in results[limits.COMMANDS_BURST :]


async def test_invalid_messages_count_for_the_rate_limit(bare_client: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(bare_client, "no JSON")
    results = codes(await answers(bare_client, count))
    assert set(results[: limits.COMMANDS_BURST]) == {"invalid_json"}
    assert "rate_limited" in results[limits.COMMANDS_BURST :]


async def test_a_rate_limited_client_can_continue_later(bare_client: Client) -> None:
    count = limits.COMMANDS_BURST + 150
    for _ in range(count):
        await say(bare_client, {"command": "nothing"})
    await answers(bare_client, count)
    async with asyncio.timeout(WITHIN_S):
        while True:
            await say(bare_client, {"command": "ping"})
            if codes(await answers(bare_client, 1)) == ["ok"]:
                return
            await asyncio.sleep(0.05)  # without this pause, the retries would be a flood


@pytest.mark.parametrize(
    "message",
    ['{"command":"ping","id":1}', "no JSON", '{"ack": {"stream": 1, "seq": 1}}'],
    ids=["commands", "invalid messages", "acks"],
)
async def test_a_flood_closes_with_4429_and_does_not_affect_other_clients(
    bare_server: Server, bare_client: Client, message: str
) -> None:
    async with await logged_in(bare_server) as flooding_client:
        reading = asyncio.create_task(last_words(flooding_client.socket))
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                await say(flooding_client, message)
                await asyncio.sleep(0)  # so that the reading task can run
        _, code = await reading
    assert code == 4429
    await still_answers(bare_client)


async def test_a_client_that_reads_only_after_its_flood_gets_the_close_code(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as flooding_client:
        flooding_client.send(frame(TEXT, b'{"command":"ping"}'))
        await flooding_client.reply()
        transport = flooding_client.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        flooding_client.send(frame(TEXT, b"no JSON") * 20_000)
        address = flooding_client.writer.get_extra_info("sockname")[0]
        # Wait until the server's timeout for the closing handshake is over.
        await asyncio.to_thread(bare_server.wait_for_log, rf"\({re.escape(address)}\): disconnected", REPLY_S)
        transport.resume_reading()
        assert await flooding_client.until_closed() == 4429


def test_a_token_bucket_allows_a_burst_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("server.limits.time.monotonic", lambda: now)
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now += 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now += 60
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


async def test_the_65th_connection_gets_503_until_another_closes(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(limits.CONNECTIONS):
            clients.append(await stack.enter_async_context(await logged_in(server)))
            await still_answers(clients[-1])
        with pytest.raises(InvalidStatus) as rejection:
            await stranger(server)
        assert rejection.value.response.status_code == 503
        await clients[0].close()
        new_client = await stack.enter_async_context(await _connected_with_retries(server))
        await still_answers(new_client)
        await still_answers(clients[-1])


async def silent(server: Server, stack: AsyncExitStack, count: int, **options: Any) -> list[ClientConnection]:
    """Connections that do not log in and are older than the grace period for the login, which is 1 s."""
    sockets = [await stack.enter_async_context(await stranger(server, **options)) for _ in range(count)]
    await asyncio.sleep(1.1)
    return sockets


async def test_the_17th_connection_without_login_evicts_the_oldest(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        logged_in_client = await stack.enter_async_context(await logged_in(server))
        await still_answers(logged_in_client)
        oldest, *pongs = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN)
        new_client = await stack.enter_async_context(await logged_in(server))
        await still_answers(new_client)
        assert await last_words(oldest) == ([], 1013)
        for remaining in pongs:
            await remaining.send(f'{{"token": "{server.token}"}}')
            await still_answers(Client(remaining))
        await still_answers(logged_in_client)


async def test_silent_connections_evict_those_from_the_same_address(new_server: Callable[..., Server]) -> None:
    server, half = new_server(), limits.CONNECTIONS_NOT_LOGGED_IN // 2
    async with AsyncExitStack() as stack:
        (slow_login,) = await silent(server, stack, 1)
        first = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN - 1, local_addr=None)
        await silent(server, stack, half, local_addr=None)
        for remaining in first[:half]:
            assert await last_words(remaining) == ([], 1013)
        await slow_login.send(f'{{"token": "{server.token}"}}')
        await still_answers(Client(slow_login))


async def test_connections_with_wrong_tokens_are_evicted(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        guessers = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN, local_addr=None, close_timeout=0.5)
        for guesser in guessers:
            await guesser.send('{"token": "guess"}')
        async with asyncio.timeout(WITHIN_S):  # the delayed replies to all wrong tokens would take longer
            await still_answers(await stack.enter_async_context(await logged_in(server)))


async def test_a_burst_of_silent_connections_leaves_a_client_time_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.admission._LOGIN_GRACE_S", WITHIN_S)  # longer than the burst takes on any machine
    server = await InProcess.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.app.stop)
        slow_login = await stack.enter_async_context(await connect(server.uri))
        for _ in range(2 * limits.CONNECTIONS_NOT_LOGGED_IN):
            await stack.enter_async_context(await connect(server.uri))
        await slow_login.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(slow_login))


async def test_silent_connections_do_not_count_for_the_limit_of_64(new_server: Callable[..., Server]) -> None:
    server = new_server()
    async with AsyncExitStack() as stack:
        waiting, *_ = await silent(server, stack, limits.CONNECTIONS_NOT_LOGGED_IN - 1)
        for _ in range(limits.CONNECTIONS):
            await still_answers(await stack.enter_async_context(await logged_in(server)))
        await waiting.send(f'{{"token": "{server.token}"}}')
        assert await last_words(waiting) == ([], 1013)


async def test_of_many_simultaneous_connections_64_are_accepted_and_the_others_rejected(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    bearer = {"Authorization": f"Bearer {server.token}"}
    async with AsyncExitStack() as stack:

        async def connect_and_ping() -> int:
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

        results = Counter(await asyncio.gather(*(connect_and_ping() for _ in range(limits.CONNECTIONS + 20))))
    assert results[0] == limits.CONNECTIONS
    assert set(results) <= {0, 503, 1013}


async def test_idle_tcp_connections_are_evicted_for_new_clients(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    host, port = server.uri.removeprefix("ws://").split(":")
    process = psutil.Process(server.process.pid)
    before = process.num_fds()
    idle = [socket.create_connection((host, int(port))) for _ in range(3 * limits.CONNECTIONS_OPENING)]
    try:
        async with await logged_in(server) as client:
            await still_answers(client)
            assert process.num_fds() - before <= limits.CONNECTIONS_OPENING + 8
    finally:
        for connection in idle:
            connection.close()
    await until(lambda: process.num_fds() <= before)


async def _connected_with_retries(server: Server) -> Client:
    """A logged-in client. Retries until the server has noticed that another client has disconnected."""
    rejections: Counter[int] = Counter()
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await logged_in(server)
            except InvalidStatus as error:
                rejections[error.response.status_code] += 1
                assert set(rejections) == {503}


async def test_the_17th_stream_on_a_connection_is_rejected(client: Client) -> None:
    for _ in range(limits.STREAMS):
        await client.command("start_live_view", fps=1)
    await say(client, {"command": "start_live_view", "payload": {"fps": 1}, "id": "more"})
    while (message := await client.receive()) and not (isinstance(message, dict) and message.get("id") == "more"):
        pass
    assert isinstance(message, dict)
    assert message["code"] == "too_many_pending"
