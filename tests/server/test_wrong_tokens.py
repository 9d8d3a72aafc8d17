"""The throttle for wrong tokens: replies to wrong tokens are delayed. The right token is always accepted at once."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

import auth
from auth import Gate, TooManyFailures
from tests.support.rig import TOKEN, Client, Server
from tests.support.waiting import until
from tests.support.wire import fresh_address, last_words, still_answers

LOGIN_COUNT = 12


@asynccontextmanager
async def guessing(server: Server, address: tuple[str, int], interval_s: float) -> AsyncIterator[Counter[int | None]]:
    """Send a wrong token every `interval_s` seconds. Yields the counts of the close codes after the first code 4429."""
    close_codes: Counter[int | None] = Counter()
    throttled = asyncio.Event()

    async def guess() -> None:
        with suppress(OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
            async with connect(server.uri, local_addr=address) as socket:
                await socket.send('{"token": "guess"}')
                close_codes[(await last_words(socket))[1]] += 1
                if close_codes[4429]:
                    throttled.set()

    async def guess_repeatedly() -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(guess())
                await asyncio.sleep(interval_s)

    attack = asyncio.create_task(guess_repeatedly())
    try:
        async with asyncio.timeout(20):
            await throttled.wait()
        yield close_codes
    finally:
        attack.cancel()
        with suppress(asyncio.CancelledError):
            await attack


@pytest.mark.parametrize("interval_s", [0.5, 0.02], ids=["two a second", "fifty a second"])
async def test_wrong_logins_do_not_block_the_right_token_from_the_same_address(
    new_server: Callable[..., Server], interval_s: float
) -> None:
    server, address = new_server(), fresh_address()
    async with guessing(server, address, interval_s):
        for _ in range(LOGIN_COUNT):
            async with await Client.connect(server, local_addr=address) as client:
                await still_answers(client)
    assert server.stop() == 0


async def test_wrong_tokens_over_http_do_not_delay_the_right_token(new_server: Callable[..., Server]) -> None:
    server, address = new_server(), fresh_address()

    def ask(token: str) -> int:
        connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=20, source_address=address)
        connection.request("GET", "/camera/info", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()
        return status

    async with guessing(server, address, 0.02):
        wrong = await asyncio.gather(*(asyncio.to_thread(ask, "guess") for _ in range(5)))
        right = [await asyncio.to_thread(ask, TOKEN) for _ in range(LOGIN_COUNT)]
    assert set(wrong) == {429}
    assert set(right) == {409}  # 409: the token is accepted, and there is no camera
    assert server.stop() == 0


async def test_wrong_logins_do_not_evict_a_connection_that_has_not_sent_a_token(
    new_server: Callable[..., Server],
) -> None:
    server, address = new_server(), fresh_address()
    async with connect(server.uri, local_addr=address) as slow_login, guessing(server, address, 0.02) as close_codes:
        await until(lambda: close_codes.total() >= 50, 20)
        await slow_login.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(slow_login))
    assert server.stop() == 0


async def test_guesses_from_many_addresses_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_DELAY_S", 0)
    gate = Gate("secret")
    for number in range(auth.FAILURES_A_MINUTE_OVERALL):
        await gate.slow_down(f"192.0.{number // 250}.{number % 250}")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("198.51.100.1")


async def test_throttling_ends_after_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_WINDOW_S", 0.5)
    gate = Gate("secret")
    for _ in range(auth.FAILURES_A_MINUTE):
        await gate.slow_down("192.0.2.1")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("192.0.2.1")  # this call takes a second, which is longer than the window
    await gate.slow_down("192.0.2.1")


async def test_an_ipv6_network_counts_as_one_client_and_a_mapped_ipv4_address_as_itself() -> None:
    gate = Gate("secret")
    for last in range(auth.FAILURES_A_MINUTE):
        await gate.slow_down(f"2001:db8::{last}")
        await gate.slow_down(f"::ffff:192.0.2.{last}")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("2001:db8::ffff%eth0")
    await gate.slow_down("2001:db8:0:1::1")
    await gate.slow_down("192.0.2.1")
