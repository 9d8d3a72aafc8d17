"""Behind a reverse proxy, limits use the client's address, and a client cannot forge another address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.datastructures import Headers

import auth
from server import limits
from server.proxies import Proxies
from tests.support.rig import TOKEN, Client, Server
from tests.support.wire import last_words, still_answers, stranger

PROXIES = Proxies(["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"])


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
        ("::ffff:127.0.0.1", [("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
        ("2001:db8:1::9", [("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
        ("127.0.0.1", [("X-Forwarded-For", "192.0.2.7:5150")], "192.0.2.7"),
        ("127.0.0.1", [("X-Forwarded-For", "[2001:db8::7]:5150")], "2001:db8::7"),
        ("127.0.0.1", [("X-Forwarded-For", "2001:db8::7")], "2001:db8::7"),
        ("127.0.0.1", [("X-Forwarded-For", "::ffff:192.0.2.7")], "192.0.2.7"),
        ("127.0.0.1", [("Forwarded", "for=192.0.2.7")], "192.0.2.7"),
        ("127.0.0.1", [("Forwarded", 'proto=https; For="[2001:db8::7]:4711";by=10.0.0.1')], "2001:db8::7"),
        ("127.0.0.1", [("Forwarded", 'for="192.0.2.7:_port"')], "192.0.2.7"),
        # The client is the rightmost address that is not a trusted proxy. A client can forge all addresses to the left.
        ("127.0.0.1", [("X-Forwarded-For", "198.51.100.1, 192.0.2.7, 10.0.0.3")], "192.0.2.7"),
        ("127.0.0.1", [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
        ("127.0.0.1", [("Forwarded", "for=198.51.100.1, for=192.0.2.7, for=10.0.0.3")], "192.0.2.7"),
        ("127.0.0.1", [("Forwarded", 'for="1,for=2", for=192.0.2.7')], "192.0.2.7"),
        # If all addresses are in the network of the trusted proxies, the client is the leftmost address.
        ("127.0.0.1", [("X-Forwarded-For", "10.0.0.9, 10.0.0.3")], "10.0.0.9"),
        # If the peer is not a trusted proxy, the headers are ignored.
        ("192.0.2.1", [("X-Forwarded-For", "198.51.100.1")], "192.0.2.1"),
        ("local", [("X-Forwarded-For", "198.51.100.1")], "local"),
        # If the two headers differ, both are ignored, because the client may have sent one of them.
        ("127.0.0.1", [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=198.51.100.1")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.7")], "192.0.2.7"),
        # Addresses are read from the right. If one is invalid, the client is the address that was read before it.
        ("127.0.0.1", [("X-Forwarded-For", "unknown")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "198.51.100.1, booth, 10.0.0.3")], "10.0.0.3"),
        ("127.0.0.1", [("X-Forwarded-For", "")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", ",,,")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "1.2.3.4.5")], "127.0.0.1"),
        ("127.0.0.1", [("X-Forwarded-For", "198.51.100.1," + "10.0.0.3," * 40 + "10.0.0.3")], "10.0.0.3"),
        ("127.0.0.1", [("X-Forwarded-For", "[" * 8000)], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", 'for="198.51.100.1, for=192.0.2.7')], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", "for=_hidden, for=unknown")], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", "for=192.0.2.7;for=198.51.100.1")], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", "by=192.0.2.7")], "127.0.0.1"),
        ("127.0.0.1", [("Forwarded", '"' + "\\" * 8000)], "127.0.0.1"),
    ],
)
def test_the_client_address_is_read_from_the_headers(peer: str, headers: list[tuple[str, str]], client: str) -> None:
    assert PROXIES.client(peer, Headers(headers)) == client


def test_without_trusted_proxies_the_headers_are_ignored() -> None:
    assert Proxies(()).client("127.0.0.1", Headers({"X-Forwarded-For": "192.0.2.7"})) == "127.0.0.1"


@pytest.fixture
async def behind_a_proxy(new_server: Callable[..., Server]) -> AsyncIterator[Server]:
    """A server that trusts 127.0.0.1 as a proxy."""
    server = new_server(TRUSTED_PROXIES="127.0.0.1")
    yield server
    assert server.stop() == 0


def proxied_from(address: str) -> dict[str, Any]:
    """The options with which a proxy connects for a client at this address."""
    return {"local_addr": None, "additional_headers": {"X-Forwarded-For": f"198.51.100.9, {address}"}}


async def guess(server: Server, address: str) -> int | None:
    async with await stranger(server, **proxied_from(address)) as socket:
        await socket.send('{"token": "guess"}')
        return (await last_words(socket))[1]


async def test_wrong_tokens_behind_a_proxy_are_counted_per_client(behind_a_proxy: Server) -> None:
    close_codes = [await guess(behind_a_proxy, "192.0.2.7") for _ in range(auth.FAILURES_A_MINUTE + 1)]
    assert close_codes == [4401] * auth.FAILURES_A_MINUTE + [4429]
    assert await guess(behind_a_proxy, "192.0.2.8") == 4401
    behind_a_proxy.wait_for_log(r"192\.0\.2\.8")


async def test_clients_behind_a_proxy_are_evicted_by_their_own_address(behind_a_proxy: Server) -> None:
    async with AsyncExitStack() as stack:
        slow_login = await stack.enter_async_context(await stranger(behind_a_proxy, **proxied_from("192.0.2.1")))
        flood = [
            await stack.enter_async_context(await stranger(behind_a_proxy, **proxied_from("192.0.2.66")))
            for _ in range(limits.CONNECTIONS + 1)
        ]
        assert (await last_words(flood[0]))[1] == 1013
        await slow_login.send(f'{{"token": "{TOKEN}"}}')
        await still_answers(Client(slow_login))


async def test_a_client_that_is_not_a_proxy_is_counted_by_its_peer_address(bare_server: Server) -> None:
    close_codes = []
    for number in range(auth.FAILURES_A_MINUTE + 1):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        async with connect(bare_server.uri, local_addr=("127.99.0.1", 0), additional_headers=headers) as socket:
            await socket.send('{"token": "guess"}')
            close_codes.append((await last_words(socket))[1])
    assert close_codes[-1] == 4429
