"""The console page is served in one response, without external resources, with a strict content security policy."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from urllib.parse import urlsplit

import pytest

from tests.support.rig import TOKEN, Server
from tests.support.waiting import WITHIN_S

Response = tuple[int, dict[str, str], bytes]


def _ask(server: Server, method: str = "GET", path: str = "/console", **headers: str) -> Response:
    connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=WITHIN_S)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_the_page_is_public_and_contains_no_token(bare_server: Server) -> None:
    status, headers, body = _ask(bare_server)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    assert TOKEN.encode() not in body
    assert _ask(bare_server, path="/console?from=here")[0] == 200


def test_head_has_no_body_and_other_methods_are_rejected(bare_server: Server) -> None:
    length = len(_ask(bare_server)[2])
    status, headers, body = _ask(bare_server, "HEAD")
    assert (status, int(headers["content-length"]), body) == (200, length, b"")
    status, headers, _ = _ask(bare_server, "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_the_browser_caches_the_page_until_it_changes(bare_server: Server) -> None:
    _, headers, _ = _ask(bare_server)
    assert headers["cache-control"] == "no-cache"
    status, cached_headers, body = _ask(bare_server, If_None_Match=headers["etag"])
    assert (status, cached_headers["etag"], body) == (304, headers["etag"], b"")
    assert _ask(bare_server, If_None_Match='"another"')[0] == 200


def test_only_the_style_and_script_of_the_page_are_allowed(bare_server: Server) -> None:
    _, headers, body = _ask(bare_server)
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    for kind, tag in (("script-src", b"script"), ("style-src", b"style")):
        (text,) = re.findall(rb"<%s[^>]*>(.*?)</%s>" % (tag, tag), body, re.DOTALL)
        assert len(text) > 1000
        assert policy[kind] == f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_the_page_loads_nothing_external(bare_server: Server) -> None:
    body = _ask(bare_server)[2].decode()
    resources = re.findall(r"""(?:src|href)\s*=\s*["']([^"'#][^"']*)|url\(([^)]*)\)|@import""", body)
    assert [first or second for first, second in resources if not first.startswith("data:")] == []
    assert set(re.findall(r"https?://[^\s'\"]+", body)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("booth.local:8765", "http://booth.local:8765", 101),
        ("192.168.1.20:8765", "http://192.168.1.20:8765", 101),
        ("booth.local", "https://booth.local", 101),  # behind a proxy that speaks https
        ("booth.local:8765", "http://booth.local:9000", 403),
        ("booth.local:8765", "http://evil.local:8765", 403),
        ("booth.local:8765", "http://evil.local/booth.local:8765", 403),
        ("booth.local:8765", "file://booth.local:8765", 403),
    ],
)
def test_the_page_may_connect_only_to_the_host_that_served_it(
    bare_server: Server, host: str, origin: str, status: int
) -> None:
    handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
                 "Sec_WebSocket_Key": base64.b64encode(bytes(16)).decode()}  # fmt: skip
    assert _ask(bare_server, path="/ws", Host=host, Origin=origin, **handshake)[0] == status
