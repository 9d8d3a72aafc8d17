"""The handshake: the paths and origins that the server accepts."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.support.rig import Server
from tests.support.waiting import WITHIN_S
from tests.support.wire import logged_in, still_answers, stranger


@pytest.mark.parametrize("path", ["", "/", "/ws", "/?from=here", "/ws?x"])
async def test_the_websocket_is_at_the_root_and_at_ws(bare_server: Server, path: str) -> None:
    async with await logged_in(bare_server, path) as client:
        await still_answers(client)


@pytest.mark.parametrize(
    "path", ["/nothing", "/ws/", "/wss", "/index.html", "/../ws", "//ws", "/%77s", "/" + "x" * 4000]
)
async def test_any_other_path_is_not_found(bare_server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as rejection:
        await stranger(bare_server, path)
    assert rejection.value.response.status_code == 404


def test_the_404_page_names_the_websocket_path(bare_server: Server) -> None:
    with pytest.raises(HTTPError) as rejection:
        urlopen(Request(bare_server.uri.replace("ws:", "http:") + "/nothing"), timeout=WITHIN_S)
    with rejection.value as response:
        assert response.code == 404
        assert b"/ws" in response.read()


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:8000", "http://[::1]:8000",
     "https://booth.example", "null"],
)  # fmt: skip
async def test_local_origins_and_origins_of_the_settings_are_accepted(bare_server: Server, origin: str) -> None:
    async with await logged_in(bare_server, origin=Origin(origin)) as client:
        await still_answers(client)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://booth.example", "https://booth.example:8443", "https://booth.example.evil.example",
     "http://localhost.evil.example", "http://localhost:3000.evil.example", "http://evil.example/localhost",
     "http://127.0.0.1.evil.example", "ftp://localhost", "localhost", "https://BOOTH.example.evil"],
)  # fmt: skip
async def test_other_origins_are_forbidden(bare_server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as rejection:
        await stranger(bare_server, origin=Origin(origin))
    assert rejection.value.response.status_code == 403


async def test_messages_are_not_compressed(bare_server: Server) -> None:
    async with await logged_in(bare_server) as client:
        assert client.socket.protocol.extensions == []
