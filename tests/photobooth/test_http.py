"""The HTTP requests on the port of the WebSocket: status, health, camera information and restart."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import pytest

from simulator.client import Control
from tests.photobooth.pictures import PICTURES
from tests.support.cameras import OneCamera
from tests.support.rig import TOKEN, Client, Server
from tests.support.waiting import WITHIN_S

Answer = tuple[int, dict[str, str], bytes]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def request(server: Server, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=WITHIN_S)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def module_server(
    running_camera: Callable[..., OneCamera], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests of this file."""
    server = Server(cwd=tmp_path_factory.mktemp("http"), NETWORK_CAMERAS=running_camera(*PICTURES).port)
    yield server
    assert server.stop() == 0


@pytest.fixture
async def booth(module_server: Server, camera: Control) -> Server:
    """The server for this file. Its camera is open and in factory state."""
    async with await Client.connect(module_server) as client:
        await client.command("get_config", name="iso")
    return module_server


def test_health_is_200_with_a_camera(booth: Server) -> None:
    status, headers, body = request(booth, "GET", "/health", BEARER)
    body_json = json.loads(body)
    assert (status, body_json["status"], headers["content-type"]) == (200, "ok", "application/json")
    (camera,) = body_json["cameras"]
    assert (camera["name"], camera["model"], camera["state"]) == ("PTP/IP Camera", "Canon EOS 550D", "ready")
    assert datetime.fromisoformat(camera["last_io"]) <= datetime.now(UTC)
    assert b"ptpip" not in body


def test_head_has_the_headers_of_get_and_no_body(booth: Server) -> None:
    status, headers, body = request(booth, "HEAD", "/health")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 10


def test_health_is_503_without_a_camera(new_server: Callable[..., Server]) -> None:
    server = new_server()
    status, _, body = request(server, "GET", "/health", BEARER)
    assert (status, json.loads(body)["reason"]) == (503, "no camera is connected")
    status, _, body = request(server, "GET", "/health")
    assert (status, json.loads(body)) == (503, {"status": "unavailable"})


def test_without_the_token_only_the_status_is_shown(booth: Server) -> None:
    status, _, body = request(booth, "GET", "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    status, _, body = request(booth, "GET", "/")
    assert (status, json.loads(body)) == (200, {"service": "gphoto-ws-server", "status": "ok", "websocket": "/ws"})


@pytest.mark.parametrize("path", ["/", "/health"])
def test_a_wrong_token_is_rejected_even_if_no_token_is_needed(booth: Server, path: str) -> None:
    status, _, body = request(booth, "GET", path, {"Authorization": "Bearer wrong"})
    assert (status, json.loads(body)["code"]) == (401, "unauthorized")


def test_with_the_token_the_status_page_shows_the_cameras(booth: Server) -> None:
    status, _, body = request(booth, "GET", "/", BEARER)
    body_json = json.loads(body)
    assert (status, body_json["service"]) == (200, "gphoto-ws-server")
    assert {"version", "uptime", "cameras"} <= set(body_json)


def test_camera_information_requires_the_token(booth: Server) -> None:
    status, headers, body = request(booth, "GET", "/camera/info")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer, Basic realm="gphoto-ws-server", charset="UTF-8"')
    assert b"Canon" not in body
    assert "Send the header" in json.loads(body)["details"]["reason"]
    status, _, body = request(booth, "GET", "/camera/info", {"Authorization": "Bearer wrong"})
    assert (status, json.loads(body)["details"]["reason"]) == (401, "This is not the server's token.")
    status, _, body = request(booth, "GET", "/camera/info", BEARER)
    assert (status, json.loads(body)["serial"]) == (200, "SIM0000001")


def test_an_unknown_port_is_404(booth: Server) -> None:
    assert request(booth, "GET", f"/camera/info?port={quote('usb:009,009')}", BEARER)[0] == 404


def test_restart_reopens_the_camera(booth: Server, camera: Control) -> None:
    opened = camera.state()["operations"].get("0x1002", 0)
    assert request(booth, "POST", "/camera/restart")[0] == 401
    status, _, body = request(booth, "POST", "/camera/restart", BEARER)
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert camera.state()["operations"]["0x1002"] == opened + 1
    assert request(booth, "GET", "/health")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/health", 405),
        ("GET", "/camera/restart", 405),
        ("DELETE", "/", 405),
        ("GET", "/nope", 404),
        ("GET", "/ws", 426),
        ("GET", "//[", 400),
    ],
)
def test_other_requests_get_a_status_and_an_explanation(booth: Server, method: str, path: str, expected: int) -> None:
    status, headers, body = request(booth, method, path)
    assert status == expected
    assert body
    assert status != 405 or headers["allow"]
