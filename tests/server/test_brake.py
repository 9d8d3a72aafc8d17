"""The brake on guessing: wrong tokens are slowed down, and the right one opens at once whatever others send."""

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

OWNERS_TRIES = 12


@asynccontextmanager
async def guessing(server: Server, address: tuple[str, int], each_s: float) -> AsyncIterator[Counter[int | None]]:
    """Wrong tokens from an address, one each so many seconds, whatever became of those before; yields close codes."""
    met: Counter[int | None] = Counter()
    braked = asyncio.Event()

    async def guess() -> None:
        with suppress(OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
            async with connect(server.uri, local_addr=address) as socket:
                await socket.send('{"token": "guess"}')
                met[(await last_words(socket))[1]] += 1
                if met[4429]:
                    braked.set()

    async def go_on() -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(guess())
                await asyncio.sleep(each_s)

    attack = asyncio.create_task(go_on())
    try:
        async with asyncio.timeout(20):
            await braked.wait()
        yield met
    finally:
        attack.cancel()
        with suppress(asyncio.CancelledError):
            await attack


@pytest.mark.parametrize("each_s", [0.5, 0.02], ids=["two a second", "fifty a second"])
async def test_wrong_logins_lock_nobody_out_of_the_same_address(
    new_server: Callable[..., Server], each_s: float
) -> None:
    server, address = new_server(), fresh_address()
    async with guessing(server, address, each_s):
        for _ in range(OWNERS_TRIES):
            async with await Client.connect(server, local_addr=address) as owner:
                await still_answers(owner)
    assert server.stop() == 0


async def test_the_right_token_over_http_is_not_slowed_down_by_wrong_ones(new_server: Callable[..., Server]) -> None:
    server, address = new_server(), fresh_address()

    def ask(token: str) -> int:
        connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=20, source_address=address)
        connection.request("GET", "/camera/info", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()
        return status

    async with guessing(server, address, 0.02):
        wrong = await asyncio.gather(*(asyncio.to_thread(ask, "guess") for _ in range(5)))
        right = [await asyncio.to_thread(ask, TOKEN) for _ in range(OWNERS_TRIES)]
    assert set(wrong) == {429}
    assert set(right) == {409}  # let in; there is no camera
    assert server.stop() == 0


async def test_a_guess_takes_the_place_of_nobody_who_has_not_sent_a_token_yet(
    new_server: Callable[..., Server],
) -> None:
    server, address = new_server(), fresh_address()
    async with connect(server.uri, local_addr=address) as typist, guessing(server, address, 0.02) as met:
        await until(lambda: met.total() >= 50, 20)
        await typist.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(typist))
    assert server.stop() == 0


async def test_guesses_from_everywhere_are_braked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_DELAY_S", 0)
    gate = Gate("secret")
    for number in range(auth.FAILURES_A_MINUTE_OVERALL):
        await gate.slow_down(f"192.0.{number // 250}.{number % 250}")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("198.51.100.1")


async def test_the_brake_is_let_go_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_WINDOW_S", 0.5)
    gate = Gate("secret")
    for _ in range(auth.FAILURES_A_MINUTE):
        await gate.slow_down("192.0.2.1")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("192.0.2.1")  # takes a second, longer than the window
    await gate.slow_down("192.0.2.1")


async def test_an_ipv6_network_is_one_guesser_and_an_ipv4_address_in_ipv6_itself() -> None:
    gate = Gate("secret")
    for last in range(auth.FAILURES_A_MINUTE):
        await gate.slow_down(f"2001:db8::{last}")
        await gate.slow_down(f"::ffff:192.0.2.{last}")
    with pytest.raises(TooManyFailures):
        await gate.slow_down("2001:db8::ffff%eth0")
    await gate.slow_down("2001:db8:0:1::1")
    await gate.slow_down("192.0.2.1")
