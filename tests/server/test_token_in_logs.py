"""No log line of any level contains the token, even if a client sends the token in an unusual place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHeaderValue, InvalidMessage, InvalidStatus
from websockets.typing import Origin

from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK, Simulator
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import WITHIN_S
from tests.support.wire import answer, last_words, logged_in, say, still_answers, stranger

TOKENS = ["plain-3b1f8c", "a\"quoted'one\\-7d2e", "n\u00f6n-\u00e4scii-\U0001f4f7-5c1a"]


@pytest.fixture(scope="module")
def camera() -> Iterator[SimulatorProcess]:
    """A separate camera, which the servers of this file use one after the other."""
    with Simulator("--cameras", "1", *QUICK) as simulator:
        yield simulator


def _forms(token: str) -> set[str]:
    """The forms in which a log could contain the token: unchanged, and encoded as in JSON, in a repr or in a URL."""
    reprs = {repr(token)[1:-1], repr(token + "'")[1:-3], repr(token + "'\"")[1:-4], ascii(token)[1:-1]}
    texts = {json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1]}
    return {token, *reprs, *texts, quote(token)}


async def _send_everywhere(server: Server, token: str) -> None:
    """Send the token in every place where a client can send text."""
    async with await Client.connect(server) as client:
        await client.command("list_cameras")
        for payload in ({"name": token}, {"name": token + "'\""}, {"port": token}, {token: 1}, {"name": [token]}):
            for command in ("get_config", "set_config", "select_camera", token):
                await say(client, {"command": command, "payload": payload, "id": token})
                assert (await answer(client))["status"] == "error"
        for command, more in (
            ("set_config", {"name": "iso", "value": token}),
            ("set_config", {"name": "ownername", "value": token}),
            ("download_last_image", {"camera_filepath": f"/{token}"}),
            ("delete_file", {"camera_filepath": token}),
            ("list_files", {"folder": f"/{token}"}),
            ("subscribe", {"events": [token]}),
            ("start_live_view", {"format": token}),
        ):
            with suppress(CommandError):
                await client.command(command, **more)
        for text in (
            token,
            json.dumps([token]),
            json.dumps({token: 1}),
            f'{{"token": {json.dumps(token)}',
            f'"{token}',
        ):
            await say(client, text)
            assert (await answer(client))["status"] == "error"
        await say(client, {"token": token})
        await still_answers(client)
        await say(client, {"token": token, "protocol": 99})
        assert (await last_words(client.socket))[1] == 4406
    for login in (token, json.dumps({"token": [token]}), json.dumps({"tokken": token}), token.encode(),
                  json.dumps({"token": token + "x"}), json.dumps({"token": token, "protocol": token})):  # fmt: skip
        async with await logged_in(server, login=login) as client:
            assert (await last_words(client.socket))[1] in (4400, 4401)
    for header in (f"Bearer {token}", f"Basic {token}", token):
        with suppress(InvalidStatus, InvalidMessage, InvalidHeaderValue, ConnectionClosed):
            async with await stranger(server, additional_headers={"Authorization": header}) as socket:
                await socket.send(json.dumps({"token": token}))
                await still_answers(Client(socket))
    await _broken_handshake(server, f"Authorization: Bearer {token}\x01")
    await _broken_handshake(server, f"Authorization {token}")
    with suppress(InvalidStatus, InvalidMessage):
        await stranger(server, origin=Origin(f"https://{quote(token)}"))
    for path in (f"/?token={quote(token)}", f"/{quote(token)}"):
        with suppress(InvalidStatus):
            await (await stranger(server, path)).close()


async def _broken_handshake(server: Server, header: str) -> None:
    """Send a handshake with this header line, and wait until the server closes the connection."""
    host, _, port = server.uri.removeprefix("ws://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n".encode())
    async with asyncio.timeout(WITHIN_S):
        await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("token", TOKENS, ids=["plain", "quotes", "not ascii"])
async def test_no_log_line_contains_the_token(
    new_server: Callable[..., Server], camera: SimulatorProcess, token: str
) -> None:
    server = new_server(API_TOKEN=token, LOG_LEVEL="DEBUG", NETWORK_CAMERAS=camera.cameras[0].address)
    await _send_everywhere(server, token)
    assert server.stop() == 0
    assert "config_not_found" in server.log  # the log contains error replies, which quote the text of the client
    assert "[token]" in server.log
    assert [line for line in server.log.splitlines() if any(form in line for form in _forms(token))] == []


async def test_a_shortened_log_line_contains_no_part_of_the_token(
    new_server: Callable[..., Server], camera: SimulatorProcess
) -> None:
    token = "a-long-token-" + "0123456789" * 4
    server = new_server(API_TOKEN=token, LOG_LEVEL="DEBUG", NETWORK_CAMERAS=camera.cameras[0].address)
    async with await Client.connect(server) as client:
        for before in range(20, 215, 10):
            with suppress(CommandError):
                await client.command("get_config", name="x" * before + token)
            with suppress(CommandError):
                await client.command("select_camera", port="x" * before + token)
    assert server.stop() == 0
    assert "xxxxx" in server.log
    assert [line for line in server.log.splitlines() if token[:18] in line] == []


def test_a_generated_token_is_logged_once(new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server(API_TOKEN="", LOG_LEVEL="DEBUG")
    token = server.wait_for_log("The token of this run is").rpartition(" ")[2]
    assert len(token) == 36
    assert server.stop() == 0
    assert server.log.count(token) == 1
