"""wss: the same server behind TLS."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from server import limits
from tests.rig import Client, Server
from tests.server.wire import still_answers
from tests.waiting import until


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts but these tests."""
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The two settings of a server with a certificate for 127.0.0.1."""
    issued = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for pem in issued.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    issued.private_key_pem.write_to_path(key)
    return {"WS_TLS_CERT": str(chain), "WS_TLS_KEY": str(key)}


async def test_a_server_with_a_certificate_speaks_wss(
    new_server: Callable[..., Server], authority: trustme.CA, certified: dict[str, str]
) -> None:
    server = new_server("--simulate", **certified)
    assert server.uri.startswith("wss://")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with await Client.connect(server, ssl=trusting) as client:
        await still_answers(client)
        await client.command("start_live_view", fps=30)
        for _ in range(20):
            await client.event("live_view_frame", within=10)
        await client.command("stop_live_view")
        await client.command("capture_image")
        client.binary.clear()
        reply = await client.command("download_last_image", transfer="binary")
        complete = await client.event("transfer_complete")
        picture = b"".join(message[16:] for message in client.binary)
        assert (len(picture), hashlib.sha256(picture).hexdigest()) == (reply["size"], complete["sha256"])
    assert server.stop() == 0


async def test_handshakes_that_never_end_have_an_end_and_cost_bounded_memory(
    new_server: Callable[..., Server], authority: trustme.CA, certified: dict[str, str]
) -> None:
    server = new_server(**certified)
    address = ("127.0.0.1", int(server.uri.rpartition(":")[2]))
    before = psutil.Process(server.process.pid).num_fds()
    async with AsyncExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(2 * limits.TLS_HANDSHAKES)]
        # The server hangs up on those that are too many at once, and keeps none of their sockets.
        await until(lambda: sum(_hung_up(one) for one in silent) >= limits.TLS_HANDSHAKES)
        assert psutil.Process(server.process.pid).num_fds() <= before + limits.TLS_HANDSHAKES
        # On the others when their time is over: then there is room again.
        await until(lambda: all(map(_hung_up, silent)))
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with await Client.connect(server, ssl=trusting) as client:
            await still_answers(client)
    assert server.stop() == 0


def _hung_up(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_a_client_that_does_not_know_the_certificate_refuses_it(
    new_server: Callable[..., Server], certified: dict[str, str]
) -> None:
    server = new_server(**certified)
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(server.uri)
    assert server.stop() == 0


async def test_a_client_without_tls_is_not_let_in(new_server: Callable[..., Server], certified: dict[str, str]) -> None:
    server = new_server(**certified)
    with pytest.raises((InvalidMessage, ConnectionError)):
        await connect(server.uri.replace("wss:", "ws:"))
    assert server.stop() == 0
