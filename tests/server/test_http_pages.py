"""Live view, snapshots and captures over HTTP, by the token or by a ticket."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from auth import Tickets
from simulator.client import Control
from tests.support.marks import decoded
from tests.support.page import SIZES, browser
from tests.support.rig import TOKEN, Client, CommandError, Server
from tests.support.waiting import WITHIN_S, until, until_answers

AUTHORIZED = f"Authorization: Bearer {TOKEN}"
BASIC = "Authorization: Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
STREAM, SNAPSHOT, CAPTURE = "/stream.mjpg", "/snapshot.jpg", "/camera/capture"


class Response:
    """A response whose head was read."""

    def __init__(self, reader: asyncio.StreamReader, head: str) -> None:
        first, *lines = head.splitlines()
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.reader = reader

    async def body(self) -> bytes:
        """The rest, until the server closes the connection."""
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.read()

    async def json(self) -> Any:
        """The body as JSON."""
        return json.loads(await self.body())

    async def frame(self) -> tuple[dict[str, str], bytes]:
        """The next part of a stream: its headers and its picture."""
        async with asyncio.timeout(WITHIN_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
            return headers, await self.reader.readexactly(int(headers["Content-Length"]))


@asynccontextmanager
async def request(server: Server, path: str, *headers: str, method: str = "GET") -> AsyncIterator[Response]:
    """Send a request; gives the response after its head was read."""
    host = urlsplit(server.uri).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"), limit=2**24)
    try:
        lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", "")
        writer.write("\r\n".join(lines).encode())
        async with asyncio.timeout(WITHIN_S):
            yield Response(reader, (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
    finally:
        writer.close()


def at(path: str, port: str, **more: str) -> str:
    """The path with the port and more values in its query."""
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in {"port": port, **more}.items())


async def test_a_stream_sends_whole_frames_and_ends_with_its_client(
    server: Server, client: Client, ports: list[str], simulator: Control
) -> None:
    async with request(server, at(STREAM, ports[0]), AUTHORIZED) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "multipart/x-mixed-replace; boundary=frame")
        times = []
        for _ in range(4):
            headers, picture = await stream.frame()
            assert headers["Content-Type"] == "image/jpeg"
            decoded(picture)
            times.append(float(headers["X-Timestamp"]))
        assert times == sorted(set(times))
        assert abs(times[-1] - time.time()) < WITHIN_S
        assert (await client.command("get_camera_info"))["viewers"] == 1

    async def nobody() -> bool:
        return bool((await client.command("get_camera_info"))["viewers"] == 0)

    await until_answers(nobody)
    await until(lambda: not simulator.state()["live_view"])


async def test_rotation_and_rate_are_those_of_the_address(server: Server, client: Client, ports: list[str]) -> None:
    async with request(server, at(STREAM, ports[0], rotation="90", fps="5", flip="no"), AUTHORIZED) as stream:
        _, first = await stream.frame()
        _, second = await stream.frame()
    width, height = decoded(first).size
    assert height > width
    assert first != second


async def test_a_client_that_stops_reading_is_dropped_and_delays_nobody(
    server: Server, client: Client, ports: list[str]
) -> None:
    async with (
        request(server, at(STREAM, ports[0]), AUTHORIZED) as stalled,
        request(server, at(STREAM, ports[0]), BASIC) as reading,
    ):
        await stalled.frame()
        stalled.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.to_thread(server.wait_for_log, r"the HTTP stream was ended \(read nothing for 15 s\)")
        await reading.frame()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (STREAM + "?port=usb:9,9", 404, "camera_not_found"),
        (STREAM + "?fps=1000", 400, "invalid_payload"),
        (STREAM + "?speed=1", 400, "invalid_payload"),
        (STREAM, 409, "no_camera_selected"),
        (SNAPSHOT + "?port=usb:9,9", 404, "camera_not_found"),
        (SNAPSHOT + "?ticket=1-a", 401, "unauthorized"),
    ],
)
async def test_errors_have_a_status_and_a_code(
    server: Server, client: Client, path: str, status: int, code: str
) -> None:
    async with request(server, path, AUTHORIZED) as response:
        assert (response.status, (await response.json())["code"]) == (status, code)


async def test_a_snapshot_is_a_frame(server: Server, client: Client, ports: list[str]) -> None:
    async with request(server, at(SNAPSHOT, ports[0]), BASIC) as response:
        assert (response.status, response.headers["content-type"]) == (200, "image/jpeg")
        decoded(await response.body())


async def test_a_capture_with_a_key_is_taken_once(
    server: Server, client: Client, ports: list[str], simulator: Control
) -> None:
    for repeated in (None, True):
        async with request(server, at(CAPTURE, ports[0], key="17"), AUTHORIZED, method="POST") as response:
            reply = await response.json()
            assert (response.status, reply["status"], reply.get("repeated")) == (200, "ok", repeated)
    assert simulator.state()["shots"] == 1
    async with request(server, at(CAPTURE, ports[0]), AUTHORIZED) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")


async def test_a_ticket_is_for_one_path_until_it_expires(server: Server, client: Client, ports: list[str]) -> None:
    reply = await client.command("create_ticket", path=SNAPSHOT, ttl_s=60)
    assert reply["url"] == f"{SNAPSHOT}?ticket={reply['ticket']}"
    ticket = {"ticket": reply["ticket"]}
    async with request(server, at(SNAPSHOT, ports[0], **ticket)) as response:
        assert response.status == 200
    expired = Tickets(TOKEN).sign(SNAPSHOT, int(time.time()) - 1)
    others = Tickets("another token").sign(SNAPSHOT, int(time.time()) + 60)
    later = f"{int(ticket['ticket'].partition('-')[0]) + 1}-{ticket['ticket'].partition('-')[2]}"
    for path, wrong in ((STREAM, ticket["ticket"]), *((SNAPSHOT, one) for one in (expired, others, later, "", "é"))):
        async with request(server, at(path, ports[0], ticket=wrong)) as response:
            assert response.status == 401
    assert reply["ticket"] not in server.log
    with pytest.raises(CommandError, match="path"):
        await client.command("create_ticket", path="/console")
    async with request(server, at(CAPTURE, ports[0], **ticket), method="POST") as response:
        assert response.status == 401


async def test_without_the_token_nothing_is_shown_or_taken(
    server: Server, client: Client, ports: list[str], simulator: Control
) -> None:
    for path, method in ((STREAM, "GET"), (SNAPSHOT, "GET"), (CAPTURE, "POST")):
        for headers in ((), ("Authorization: Basic !",), ("Authorization: Digest x",)):
            async with request(server, at(path, ports[0]), *headers, method=method) as response:
                assert response.status == 401
                assert "Basic" in response.headers["www-authenticate"]
    assert simulator.state()["shots"] == 0


async def test_pages_of_other_sites_need_an_allowed_origin_or_a_ticket(
    server: Server, client: Client, ports: list[str], simulator: Control
) -> None:
    allowed, other = "Origin: http://localhost:5173", "Origin: https://other.example"
    async with request(server, SNAPSHOT, allowed, "Access-Control-Request-Method: GET", method="OPTIONS") as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert response.headers["access-control-allow-headers"] == "Authorization"
    async with request(server, at(SNAPSHOT, ports[0]), allowed, AUTHORIZED) as response:
        assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    for method in ("OPTIONS", "GET"):
        async with request(server, at(SNAPSHOT, ports[0]), other, AUTHORIZED, method=method) as response:
            assert "access-control-allow-origin" not in response.headers
            assert response.headers["cross-origin-resource-policy"] == "same-origin"
    # A browser that knows the Basic password sends it also for a page of another site.
    async with request(server, at(CAPTURE, ports[0]), other, BASIC, method="POST") as response:
        assert response.status == 403
    async with request(server, at(SNAPSHOT, ports[0]), "Sec-Fetch-Site: cross-site", BASIC) as response:
        assert response.status == 401
    assert simulator.state()["shots"] == 0


async def test_a_server_with_a_viewer_stops_soon(new_server: Callable[..., Server]) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        await client.command("get_config", name="iso")
        async with request(server, STREAM, AUTHORIZED) as stream:
            await stream.frame()
            assert await asyncio.to_thread(server.stop) == 0


async def test_chromium_shows_a_stream_on_a_page_of_another_origin(
    server: Server, client: Client, ports: list[str]
) -> None:
    url = (await client.command("create_ticket", path=STREAM))["url"]
    source = f"http://{urlsplit(server.uri).netloc}{url}&port={quote(ports[0])}&fps=10"
    async with browser() as chromium:
        page = await chromium.new_page(viewport=SIZES["phone"])
        await page.set_content(f"<img id=live src='{source}'>")
        await page.wait_for_function("document.getElementById('live').naturalWidth > 100", timeout=WITHIN_S * 1000)
