"""Raw HTTP requests: each gets a response with the security headers, and the number of log lines is limited."""

from __future__ import annotations

import asyncio
import json
import random
import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from server.hosts import Hosts
from tests.server.raw import TEXT, RawClient, frame
from tests.support.rig import REPLY_S, TOKEN, Client, Server
from tests.support.waiting import WITHIN_S, until
from tests.support.wire import fresh_address, logged_in, still_answers, stranger

HOST = b"Host: localhost\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
EVERY_REPLY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "server": "gphoto-ws-server",
}


class Reply:
    """An HTTP response. The constructor fails if the data does not have exactly the format of an HTTP response."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        assert not [line for line in lines if "\r" in line or "\n" in line]
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [\w -]+", lines[0])
        assert match, lines[0]
        self.status = int(match[1])
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in self.headers, f"twice: {name}"
            self.headers[name.lower()] = value


async def ask(server: Server, *pieces: bytes, address: tuple[str, int] | None = None) -> Reply:
    """Send these pieces in their order, and read the response until the server closes the connection."""
    host, _, port = urlsplit(server.uri).netloc.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=address or fresh_address())
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(REPLY_S):
            return Reply(await reader.read())
    finally:
        writer.transport.abort()


def get(path: bytes = b"/health", extra: bytes = b"", host: bytes = HOST) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + host + extra + b"\r\n"


REQUESTS = {
    "status": (get(b"/"), 200),
    "health": (get(), 503),
    "health with a wrong token": (get(extra=b"Authorization: Bearer guess\r\n"), 401),
    "console": (get(b"/console"), 200),
    "an unknown path": (get(b"/nope"), 404),
    "a websocket by GET": (get(b"/ws"), 426),
    "no token": (get(b"/camera/info"), 401),
    "a method that is not allowed": (b"DELETE / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "a websocket at an unknown path": (get(b"/nope", UPGRADE), 404),
    "a websocket from another origin": (get(b"/ws", UPGRADE + b"Origin: https://evil.example\r\n"), 403),
    "half an upgrade": (get(b"/ws", b"Upgrade: websocket\r\n"), 426),
    "an invalid key": (get(b"/ws", UPGRADE.replace(b"AAAA==", b"A==")), 400),
    "another version": (get(b"/ws", UPGRADE.replace(b"Version: 13", b"Version: 12")), 400),
    "a long path": (get(b"/" + b"x" * 9000), 414),
    "a long header": (get(extra=b"A: " + b"x" * 9000 + b"\r\n"), 431),
    "many headers": (get(extra=b"A: b\r\n" * 200), 431),
    "no HTTP": (b"hello\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
    "lines without CR": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    "another version of HTTP": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 400),
    "a folded header": (get(extra=b"A: b\r\n c\r\n"), 400),
    "a bare CR in the path": (get(b"/a\rSet-Cookie:x"), 400),
    "a bare CR in a query": (get(b"/?a\rb"), 400),
    "a bare CR in a header": (get(extra=b"A: b\rc\r\n"), 400),
    "a NUL in the path": (get(b"/\x00"), 400),
    "a path beyond ASCII": (get("/ä".encode()), 400),
    "an invalid method": (b"G\rT / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no Host": (get(host=b""), 400),
    "two Hosts": (get(host=HOST * 2), 400),
    "two Authorizations": (get(b"/camera/info", f"Authorization: Bearer {TOKEN}\r\n".encode() * 2), 400),
    "two Upgrades": (get(b"/ws", b"Upgrade: websocket\r\n" + UPGRADE), 400),
    "two Authorizations of a websocket": (get(b"/ws", UPGRADE + b"Authorization: Bearer x\r\n" * 2), 400),
    "two Origins": (get(b"/ws", UPGRADE + b"Origin: http://localhost\r\n" * 2), 400),
    "another Host": (get(host=b"Host: evil.example\r\n"), 421),
    "another Host of a websocket": (get(b"/ws", UPGRADE, b"Host: evil.example\r\n"), 421),
    "an invalid Host": (get(host=b"Host: localhost/@evil\r\n"), 421),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "status"), REQUESTS.values(), ids=REQUESTS)
async def test_every_request_gets_a_response_with_the_security_headers(
    bare_server: Server, request_: bytes, status: int
) -> None:
    reply = await ask(bare_server, request_)
    assert reply.status == status
    assert {name: reply.headers.get(name) for name in EVERY_REPLY} == EVERY_REPLY
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["permissions-policy"]
    assert "strict-transport-security" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert b"\r" not in reply.body
    assert "Traceback" not in bare_server.log


async def test_a_websocket_handshake_has_the_security_headers(bare_server: Server) -> None:
    async with await stranger(bare_server) as socket:
        assert socket.response is not None
        headers = {name.lower(): value for name, value in socket.response.headers.raw_items()}
    assert {name: headers.get(name) for name in EVERY_REPLY} == EVERY_REPLY


async def test_a_response_to_head_has_no_body(bare_server: Server) -> None:
    for request, status in ((get(b"/nope"), 404), (get(), 503), (get(host=b"Host: evil.example\r\n"), 421)):
        reply = await ask(bare_server, request.replace(b"GET", b"HEAD", 1))
        assert (reply.status, reply.body) == (status, b"")


async def test_http_1_0_without_a_host_is_answered(bare_server: Server) -> None:
    assert (await ask(bare_server, b"GET /health HTTP/1.0\r\n\r\n")).status == 503


# -- bodies

POST = b"POST /health HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((POST + b"Content-Length: 0\r\n\r\n",), 405),
        ((POST + b"Content-Length: 2\r\n\r\n{}",), 405),
        ((POST + b"content-length:2\r\n\r\n", b"{", b"}"), 405),
        ((POST + b"Content-Length: 65536\r\n\r\n", b"x" * 65536), 405),
        ((POST + b"Content-Length: 65537\r\n\r\n", b"x" * 65537), 413),
        ((POST + b"Content-Length: 999999999999\r\n\r\n",), 413),
        ((POST + b"Content-Length: -1\r\n\r\n",), 400),
        ((POST + b"Content-Length: 2, 2\r\n\r\n{}",), 400),
        ((POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",), 400),
        ((POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",), 400),
        ((POST + b"Content-Length: 0\r\n" * 20_000,), 400),
        ((POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",), 411),
        ((POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",), 411),
        # Two special cases: a header instead of a request line, and a second request after the body. The server ignores
        # the second request.
        ((b"Content-Length: 5\r\n\r\n",), 400),
        ((POST + b"Content-Length: 2\r\n\r\n{}" + get(b"/nope"),), 405),
    ],
    ids=["0", "2", "in pieces", "as long as allowed", "too long", "huge", "negative", "a list", "a huge number", "two",
         "many", "chunked", "chunked and a length", "no request line", "bytes after the body"],
)  # fmt: skip
async def test_a_request_with_a_body_is_answered(bare_server: Server, pieces: tuple[bytes, ...], status: int) -> None:
    reply = await ask(bare_server, *pieces)
    assert reply.status == status
    assert {name: reply.headers.get(name) for name in EVERY_REPLY} == EVERY_REPLY
    assert "Traceback" not in bare_server.log


@pytest.mark.parametrize(
    "extra", [b"", b"hello", frame(TEXT, b"{}"), b"\r\n" * 1000], ids=["nothing", "junk", "a frame", "lines"]
)
async def test_bytes_after_a_rejected_handshake_are_ignored(bare_server: Server, extra: bytes) -> None:
    for path, status in (("nope", 404), ("ws", 400)):
        two_origins = UPGRADE + b"Origin: http://localhost\r\n" * 2
        assert (
            await ask(bare_server, get(f"/{path}".encode(), UPGRADE if status == 404 else two_origins) + extra)
        ).status == status
    assert "Traceback" not in bare_server.log


async def test_a_login_sent_together_with_the_handshake_is_accepted(bare_server: Server) -> None:
    client = await RawClient.connect(bare_server)
    login = frame(TEXT, json.dumps({"token": TOKEN}).encode()) + frame(TEXT, b'{"command": "ping"}')
    async with client:
        client.writer.write(client.handshake() + login)
        assert (await client.reply())["message"] == "pong"


@pytest.mark.parametrize("seed", range(3))
async def test_random_requests_cause_no_traceback(bare_server: Server, seed: int) -> None:
    rng = random.Random(seed)
    host, _, port = urlsplit(bare_server.uri).netloc.rpartition(":")

    async def send() -> None:
        lines = b"".join(rng.choice(LINES) for _ in range(rng.randint(0, 9)))
        path = rng.choice([b"/ws", b"/", b"/health", b"//[", b"/camera/info?port=%ff&a&&"])
        data = get(path, lines) + rng.choice([b"", b"xx", b"\x81\x80abcd"])
        if rng.random() < 0.4:
            data = bytes(rng.choice(data) for _ in range(rng.randint(1, 60))) + data[rng.randint(0, 40) :]
        _, writer = await asyncio.open_connection(host, int(port), local_addr=fresh_address())
        with suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            if rng.random() < 0.5:
                writer.write_eof()
            await asyncio.sleep(rng.random() / 20)
        writer.transport.abort()

    for _ in range(10):
        await asyncio.gather(*(send() for _ in range(20)))
    async with await logged_in(bare_server) as client:
        await still_answers(client)
    assert "Traceback" not in bare_server.log


LINES = [
    b"Host: [::1\r\n", b"Host:\r\n", b"Upgrade: websocket\r\n", b"upgrade: WebSocket, h2c\r\n", b"Upgrade: \x80\r\n",
    b"Connection: Upgrade\r\n", b"Connection: ,,;\r\n", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Extensions: x;=\r\n", b"Sec-WebSocket-Protocol: ,\r\n", UPGRADE, UPGRADE,
    b"Authorization: Bearer \xff\r\n", b"Authorization: Bearer\r\n", b"Content-Length: 5\r\n", b"Content-Length: x\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Origin: \xe4\r\n", b"Origin: http://[\r\n", b"X-Forwarded-For: a,1.2.3.4\r\n",
    b'Forwarded: for="\r\n', b'If-None-Match: "\r\n', b"\r\n", b"\r", b"\n", b"\x00", b":",
]  # fmt: skip


async def test_a_restart_request_with_a_body_is_handled(bare_server: Server) -> None:
    request = f"POST /camera/restart HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    reply = await ask(bare_server, request + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    # This is also the response to a request without a body: the error of a server that has no camera.
    assert (reply.status, b"no_camera_selected" in reply.body) == (409, True)


async def test_data_sent_before_the_response_is_not_buffered_without_limit(bare_server: Server) -> None:
    """After some wrong tokens, responses are delayed. The server must not read from the client during the delay."""
    host, _, port = urlsplit(bare_server.uri).netloc.rpartition(":")
    address = fresh_address()
    request = (
        b"POST /camera/restart HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nAuthorization: Bearer x\r\n\r\n"
    )

    def send_until_reply() -> int:
        sent = 0
        with socket.create_connection((host, int(port)), WITHIN_S, address) as connection:
            connection.sendall(request)
            connection.setblocking(False)
            deadline = time.monotonic() + WITHIN_S
            while not select.select([connection], [], [], 0)[0] and time.monotonic() < deadline:
                with suppress(BlockingIOError, ConnectionError):
                    sent += connection.send(bytes(2**20))
        return sent

    assert max([await asyncio.to_thread(send_until_reply) for _ in range(8)]) < 16 * 2**20


async def test_a_client_that_keeps_sending_after_a_rejection_is_disconnected(bare_server: Server) -> None:
    client = await RawClient.connect(bare_server)
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    disconnected = False
    async with asyncio.timeout(8):  # shorter than the timeout of the websockets library, which is 10 s
        while not disconnected:
            try:
                client.send(b"5\r\nhello\r\n")
                await client.writer.drain()
                await asyncio.sleep(0.05)
            except ConnectionError:
                disconnected = True
    await client.close()


# -- names (DNS rebinding)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8765", "localhost.", "127.0.0.1", "192.0.2.7:80", "[::1]", "[2001:db8::1]:8765", "booth.local",
     "booth.local.", "cellar.booth.local:8765", "booth.example", "BOOTH.example.:80", "a.booths.example", "vm7", "vm7.lan", "vm7.local",
     "vm7.studio.example"],
)  # fmt: skip
def test_host_names_of_this_server_are_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str) -> None:
    hosts_file = tmp_path / "hosts"
    hosts_file.write_text(
        "127.0.0.1 localhost\n127.0.1.1 VM7.studio.example vm7 # Debian's way\n192.0.2.9 evil.example\n"
    )
    monkeypatch.setattr("machine_names._HOSTS", hosts_file)
    monkeypatch.setattr("machine_names.socket.gethostname", lambda: "VM7")
    monkeypatch.setattr("machine_names._domains", lambda: ["lan"])
    assert Hosts(["booth.example", "*.booths.example"]).includes(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "booth.example.evil.example", "evilbooth.example", "x.booth.example", "booths.example", "local", "evillocal",
     "local.evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "localhost:80:80",
     "localhost/", "localhost,evil.example", "localhost evil.example", "[::1", "::1", "[evil.example]", "vm7.evil.example", "127.1",
     "localhost\tx"],
)  # fmt: skip
def test_other_host_names_are_rejected(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr("machine_names.socket.gethostname", lambda: "vm7")
    monkeypatch.setattr("machine_names._domains", lambda: ["lan"])
    assert not Hosts(["booth.example", "*.booths.example"]).includes(host)


@pytest.mark.parametrize("path", ["/console", "/health", "/ws"])
async def test_a_request_with_another_host_name_is_rejected(bare_server: Server, path: str) -> None:
    port = bare_server.uri.rpartition(":")[2]
    host = f"Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n".encode()
    reply = await ask(bare_server, get(path.encode(), UPGRADE if path == "/ws" else b"", host))
    assert reply.status == 421
    assert b"WS_HOSTS" in reply.body
    assert b"evil" not in reply.body


async def test_an_origin_with_a_host_name_of_the_settings_may_connect(new_server: Callable[..., Server]) -> None:
    server = new_server(WS_HOSTS="photos.example")
    netloc = f"photos.example:{server.uri.rpartition(':')[2]}"
    renamed = Server.__new__(Server)
    renamed.__dict__ = {**server.__dict__, "uri": f"ws://{netloc}"}
    async with await logged_in(renamed, host="127.0.0.1", origin=Origin(f"http://{netloc}")) as client:
        await still_answers(client)
    with pytest.raises(InvalidStatus) as rejection:
        await stranger(server, origin=Origin(f"http://{netloc}"))
    assert rejection.value.response.status_code == 403
    assert server.stop() == 0


# -- the log


async def test_rejected_requests_do_not_flood_the_log(new_server: Callable[..., Server]) -> None:
    server, address, count = new_server(), fresh_address(), 400
    for number in range(count):
        extra = UPGRADE + b"Authorization: Bearer guess\r\n" * 2 if number % 2 else b""
        assert (await ask(server, get(b"/nope", extra), address=address)).status in (400, 404)

    def logged() -> tuple[int, int]:
        lines = [line for line in server.log.splitlines() if f" server.visits: {address[0]}: " in line]
        extra = [
            int(match[1]) for line in lines if (match := re.search(r": (\d+) more requests and connections", line))
        ]
        return len(lines), len(lines) - len(extra) + sum(extra)

    start = asyncio.get_running_loop().time()
    await until(lambda: logged()[1] == count, 20)  # lines of single requests, and the counts in summary lines
    lines, _ = logged()
    seconds = _seconds(server.log)
    assert lines <= seconds + 2, (
        f"{lines} lines in {seconds} s, {asyncio.get_running_loop().time() - start:.1f} s after it"
    )
    assert server.stop() == 0
    assert "Traceback" not in server.log


async def test_requests_from_many_addresses_do_not_flood_the_log(new_server: Callable[..., Server]) -> None:
    server = new_server()
    for _ in range(400):
        await ask(server, get(b"/nope"))
    await until(lambda: "from many addresses" in server.log, 20)
    lines = server.log.count("server.visits: 127.")
    assert lines <= 100 + 20 * (_seconds(server.log) + 1)
    assert server.stop() == 0


async def test_wrong_logins_do_not_flood_the_log(new_server: Callable[..., Server]) -> None:
    server, address = new_server(), fresh_address()
    for _ in range(30):
        async with await stranger(
            server, local_addr=address, additional_headers={"Authorization": "Bearer x"}
        ) as socket:
            if len(server.log) > 100_000:
                break
            await socket.close()
    async with await Client.connect(server) as client:
        await still_answers(client)
    server.wait_for_log(r"client \d+ .*: logged in")
    assert server.log.count(address[0]) <= _seconds(server.log) + 2
    assert server.stop() == 0


def _seconds(log: str) -> float:
    """The seconds between the first and the last log line of server.visits."""
    lines = re.findall(r"^(\S+) \w+ server\.visits", log, re.MULTILINE)
    assert lines
    first, last = (datetime.fromisoformat(line) for line in (lines[0], lines[-1]))
    return (last - first).total_seconds()
