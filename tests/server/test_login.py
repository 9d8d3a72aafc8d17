"""A valid login gets a reply only if it names a protocol. An invalid login gets an error and closes the connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
from websockets.asyncio.client import connect

import auth
from camera.options import SessionOptions
from gphoto_ws_server import build
from server import limits
from server.admission import Access, longest_waiting
from tests.support.rig import TOKEN, Client, Server
from tests.support.wire import answer, fresh_address, last_words, logged_in, refused, say, still_answers, stranger

INVALID_LOGINS = {
    "no JSON": "hello",
    "an empty message": "",
    "a list": "[]",
    "a text": '"token"',
    "an object without a token": "{}",
    "a command": '{"command": "list_cameras"}',
    "a token and a command": json.dumps({"token": TOKEN, "command": "ping"}),
    "an ack": '{"ack": {"stream": 1, "seq": 1}}',
    "a number for a token": '{"token": 5}',
    "a null token": '{"token": null}',
    "a text for a protocol": json.dumps({"token": TOKEN, "protocol": "1"}),
    "half a surrogate pair": '{"token": "\\ud800"}',
    "deep nesting": "[" * 60000,
    "binary": json.dumps({"token": TOKEN}).encode(),
}


async def test_the_right_token_gets_no_reply(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token}))
        await still_answers(Client(socket))


async def test_a_login_with_a_protocol_gets_a_reply(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token, "protocol": 1}))
        reply = await answer(Client(socket))
    assert {**reply, "version": "", "limits": {}, "epoch": ""} == {
        "status": "ok", "message": "Authenticated", "protocol": 1, "server": "gphoto-ws-server", "version": "",
        "limits": {}, "epoch": "", "seq": 0,
    }  # fmt: skip
    assert reply["version"]
    assert reply["limits"] == limits.ALL


async def test_a_wrong_token_is_unauthorized_and_closes_with_4401(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send('{"token": "guess"}')
        messages, code = await last_words(socket)
    assert messages == [{"status": "error", "message": "Unauthorized", "code": "unauthorized", "retryable": False}]
    assert code == 4401


@pytest.mark.parametrize("token", ["", "\u00e4\u00f6\u00fc \U0001f4f7", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "\x00"])
async def test_a_similar_token_is_rejected(bare_server: Server, token: str) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": token}))
        assert (await last_words(socket))[1] == 4401


@pytest.mark.parametrize("message", INVALID_LOGINS.values(), ids=INVALID_LOGINS)
async def test_a_first_message_that_is_not_a_login_closes_with_4400(bare_server: Server, message: str | bytes) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(message)
        messages, code = await last_words(socket)
    assert [(reply["code"], reply["message"]) for reply in messages] == [("unauthorized", "Unauthorized")]
    assert code == 4400


async def test_an_unknown_protocol_closes_with_4406_and_lists_the_supported_ones(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token, "protocol": 99}))
        messages, code = await last_words(socket)
    assert [(reply["code"], reply["details"]["supported"]) for reply in messages] == [("unsupported_protocol", [1])]
    assert code == 4406


async def test_a_wrong_token_with_an_unknown_protocol_closes_with_4401(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send('{"token": "guess", "protocol": 99}')
        assert (await last_words(socket))[1] == 4401


async def test_a_second_right_token_gets_no_reply(bare_client: Client) -> None:
    await say(bare_client, {"token": TOKEN})
    await still_answers(bare_client)


async def test_a_second_token_with_a_protocol_gets_a_reply(bare_client: Client) -> None:
    await say(bare_client, {"token": TOKEN, "protocol": 1})
    assert (await answer(bare_client))["message"] == "Authenticated"
    await still_answers(bare_client)


async def test_a_second_token_that_is_wrong_closes_with_4401(bare_client: Client) -> None:
    await say(bare_client, {"token": "guess"})
    messages, code = await last_words(bare_client.socket)
    assert [reply["code"] for reply in messages] == ["unauthorized"]
    assert code == 4401


async def test_a_token_in_the_handshake_logs_in(bare_server: Server) -> None:
    async with await stranger(bare_server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        await still_answers(Client(socket))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_token_in_the_handshake_may_be_utf8_or_latin1(new_server: Callable[..., Server], encoding: str) -> None:
    server = new_server(API_TOKEN="schl\u00fcssel-1d9e")
    # The client's library encodes headers in latin-1.
    sent = f"Bearer {server.token}".encode(encoding).decode("latin-1")
    async with await stranger(server, additional_headers={"Authorization": sent}) as socket:
        await still_answers(Client(socket))
    assert server.stop() == 0


async def test_a_token_message_after_a_token_in_the_handshake_gets_no_reply(bare_server: Server) -> None:
    async with await logged_in(bare_server, additional_headers={"Authorization": f"bearer {TOKEN}"}) as client:
        await still_answers(client)


async def test_a_wrong_token_in_the_handshake_closes_with_4401(bare_server: Server) -> None:
    async with await stranger(bare_server, additional_headers={"Authorization": "Bearer guess"}) as socket:
        messages, code = await last_words(socket)
    assert [reply["code"] for reply in messages] == ["unauthorized"]
    assert code == 4401


async def test_another_authorization_scheme_still_needs_a_login_message(bare_server: Server) -> None:
    async with await logged_in(bare_server, additional_headers={"Authorization": "Basic dXNlcjp4"}) as client:
        await still_answers(client)


async def test_wrong_tokens_from_one_address_throttle_the_next(bare_server: Server) -> None:
    address = fresh_address()

    async def guess() -> tuple[str, int | None]:
        async with connect(bare_server.uri, local_addr=address) as socket:
            await socket.send('{"token": "guess"}')
            messages, code = await last_words(socket)
        return messages[0]["code"], code

    assert [await guess() for _ in range(auth.FAILURES_A_MINUTE)] == [("unauthorized", 4401)] * 5
    assert await guess() == ("rate_limited", 4429)
    # Clients with the right token are accepted from this address and from other addresses.
    async with await Client.connect(bare_server, local_addr=address) as client:
        await still_answers(client)
    async with await logged_in(bare_server) as client:
        await still_answers(client)


def test_the_oldest_waiting_connection_of_the_largest_network_is_evicted() -> None:
    addresses = ["192.0.2.1", "2001:db8::1", "2001:db8::2", "local"]
    assert longest_waiting(addresses, lambda address: address) == "2001:db8::1"


@pytest.fixture
async def short_login_uri(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a server in this process that waits 0.2 s for a login."""
    monkeypatch.setattr(limits, "LOGIN_SECONDS", 0.2)
    app = build(Access(TOKEN), (), SessionOptions())
    port = await app.start("127.0.0.1", 0)
    yield f"ws://127.0.0.1:{port}"
    await app.stop()


async def test_a_client_that_sends_nothing_is_closed_with_4408(short_login_uri: str) -> None:
    async with connect(short_login_uri) as socket:
        messages, code = await last_words(socket)
    assert [reply["code"] for reply in messages] == ["unauthorized"]
    assert code == 4408


async def test_the_login_timeout_does_not_apply_after_the_login(short_login_uri: str) -> None:
    async with connect(short_login_uri) as client, connect(short_login_uri) as silent:
        await client.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(client))
        assert (await last_words(silent))[1] == 4408
        await still_answers(Client(client))


async def test_the_login_timeout_is_30_seconds(bare_client: Client) -> None:
    assert (await bare_client.command("server_info"))["limits"]["login_seconds"] == 30


async def test_a_token_in_a_command_payload_is_rejected(bare_server: Server) -> None:
    async with await logged_in(bare_server) as client:
        assert (await refused(client, "ping", token=TOKEN)).code == "invalid_payload"
