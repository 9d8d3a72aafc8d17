"""Login: silence means success, and whoever may not speak is told so and closed."""

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

NO_LOGINS = {
    "no JSON": "hello",
    "nothing": "",
    "a list": "[]",
    "a text": '"token"',
    "an object without a token": "{}",
    "a command": '{"command": "list_cameras"}',
    "a command beside the token": json.dumps({"token": TOKEN, "command": "ping"}),
    "an ack": '{"ack": {"stream": 1, "seq": 1}}',
    "a number for a token": '{"token": 5}',
    "no token in it": '{"token": null}',
    "a text for a protocol": json.dumps({"token": TOKEN, "protocol": "1"}),
    "half a character": '{"token": "\\ud800"}',
    "deep nesting": "[" * 60000,
    "binary": json.dumps({"token": TOKEN}).encode(),
}


async def test_the_right_token_is_answered_with_silence(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token}))
        await still_answers(Client(socket))


async def test_a_login_that_names_the_protocol_is_answered(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token, "protocol": 1}))
        reply = await answer(Client(socket))
    assert {**reply, "version": "", "limits": {}} == {
        "status": "ok", "message": "Authenticated", "protocol": 1, "server": "gphoto-ws-server", "version": "",
        "limits": {},
    }  # fmt: skip
    assert reply["version"]
    assert reply["limits"] == limits.ALL


async def test_a_wrong_token_is_unauthorized_and_closes_with_4401(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send('{"token": "guess"}')
        said, code = await last_words(socket)
    assert said == [{"status": "error", "message": "Unauthorized", "code": "unauthorized", "retryable": False}]
    assert code == 4401


@pytest.mark.parametrize("token", ["", "\u00e4\u00f6\u00fc \U0001f4f7", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "\x00"])
async def test_a_token_that_is_nearly_right_is_wrong(bare_server: Server, token: str) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": token}))
        assert (await last_words(socket))[1] == 4401


@pytest.mark.parametrize("message", NO_LOGINS.values(), ids=NO_LOGINS)
async def test_a_first_message_that_is_no_login_closes_with_4400(bare_server: Server, message: str | bytes) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(message)
        said, code = await last_words(socket)
    assert [(reply["code"], reply["message"]) for reply in said] == [("unauthorized", "Unauthorized")]
    assert code == 4400


async def test_an_unknown_protocol_is_told_the_supported_ones_and_closes_with_4406(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send(json.dumps({"token": bare_server.token, "protocol": 99}))
        said, code = await last_words(socket)
    assert [(reply["code"], reply["details"]["supported"]) for reply in said] == [("unsupported_protocol", [1])]
    assert code == 4406


async def test_a_wrong_token_learns_nothing_about_protocols(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        await socket.send('{"token": "guess", "protocol": 99}')
        assert (await last_words(socket))[1] == 4401


async def test_a_second_right_token_is_answered_with_silence(visitor: Client) -> None:
    await say(visitor, {"token": TOKEN})
    await still_answers(visitor)


async def test_a_second_token_that_names_the_protocol_is_answered(visitor: Client) -> None:
    await say(visitor, {"token": TOKEN, "protocol": 1})
    assert (await answer(visitor))["message"] == "Authenticated"
    await still_answers(visitor)


async def test_a_second_token_that_is_wrong_closes_with_4401(visitor: Client) -> None:
    await say(visitor, {"token": "guess"})
    said, code = await last_words(visitor.socket)
    assert [reply["code"] for reply in said] == ["unauthorized"]
    assert code == 4401


async def test_a_token_in_the_handshake_logs_in(bare_server: Server) -> None:
    async with await stranger(bare_server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        await still_answers(Client(socket))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_token_in_the_handshake_may_be_in_either_encoding_of_headers(
    new_server: Callable[..., Server], encoding: str
) -> None:
    server = new_server(API_TOKEN="schl\u00fcssel-1d9e")
    sent = f"Bearer {server.token}".encode(encoding).decode("latin-1")  # how the client's library writes headers
    async with await stranger(server, additional_headers={"Authorization": sent}) as socket:
        await still_answers(Client(socket))
    assert server.stop() == 0


async def test_a_token_message_after_one_in_the_handshake_is_answered_with_silence(bare_server: Server) -> None:
    async with await logged_in(bare_server, additional_headers={"Authorization": f"bearer {TOKEN}"}) as client:
        await still_answers(client)


async def test_a_wrong_token_in_the_handshake_closes_with_4401(bare_server: Server) -> None:
    async with await stranger(bare_server, additional_headers={"Authorization": "Bearer guess"}) as socket:
        said, code = await last_words(socket)
    assert [reply["code"] for reply in said] == ["unauthorized"]
    assert code == 4401


async def test_another_kind_of_authorization_leaves_the_login_to_the_first_message(bare_server: Server) -> None:
    async with await logged_in(bare_server, additional_headers={"Authorization": "Basic dXNlcjp4"}) as client:
        await still_answers(client)


async def test_a_few_wrong_tokens_from_one_address_brake_the_next(bare_server: Server) -> None:
    address = fresh_address()

    async def guess() -> tuple[str, int | None]:
        async with connect(bare_server.uri, local_addr=address) as socket:
            await socket.send('{"token": "guess"}')
            said, code = await last_words(socket)
        return said[0]["code"], code

    assert [await guess() for _ in range(auth.FAILURES_A_MINUTE)] == [("unauthorized", 4401)] * 5
    assert await guess() == ("rate_limited", 4429)
    # Neither the one who knows the token nor anybody elsewhere is locked out.
    async with await Client.connect(bare_server, local_addr=address) as client:
        await still_answers(client)
    async with await logged_in(bare_server) as client:
        await still_answers(client)


def test_a_network_that_fills_the_lobby_makes_room_itself() -> None:
    guests = ["192.0.2.1", "2001:db8::1", "2001:db8::2", "local"]
    assert longest_waiting(guests, lambda guest: guest) == "2001:db8::1"


@pytest.fixture
async def impatient(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a server in this process that waits 0.2 s for a login."""
    monkeypatch.setattr(limits, "LOGIN_SECONDS", 0.2)
    app = build(Access(TOKEN), (), SessionOptions())
    port = await app.start("127.0.0.1", 0)
    yield f"ws://127.0.0.1:{port}"
    await app.stop()


async def test_a_client_that_says_nothing_is_closed_with_4408(impatient: str) -> None:
    async with connect(impatient) as socket:
        said, code = await last_words(socket)
    assert [reply["code"] for reply in said] == ["unauthorized"]
    assert code == 4408


async def test_the_login_deadline_is_for_the_login_only(impatient: str) -> None:
    async with connect(impatient) as patient, connect(impatient) as silent:
        await patient.send(json.dumps({"token": TOKEN}))
        await still_answers(Client(patient))
        assert (await last_words(silent))[1] == 4408
        await still_answers(Client(patient))


async def test_people_have_30_seconds_to_type_the_token(visitor: Client) -> None:
    assert (await visitor.command("server_info"))["limits"]["login_seconds"] == 30


async def test_a_token_in_a_command_is_no_login(bare_server: Server) -> None:
    async with await logged_in(bare_server) as client:
        assert (await refused(client, "ping", token=TOKEN)).code == "invalid_payload"
