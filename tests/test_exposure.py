"""Access by other machines requires a strong token and TLS. For doubtful settings, a warning is logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement

from tests.support.entry import run
from tests.support.rig import ROOT, TOKEN, Client, Server
from tests.support.wire import answer, say, stranger


def test_by_default_the_server_listens_on_loopback_only(new_server: Callable[..., Server]) -> None:
    server = new_server(WS_HOST="")
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) <= {"127.0.0.1", "::1"}
    assert server.stop() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "booth.example"])
def test_a_host_for_other_machines_requires_a_token(tmp_path: Path, host: str) -> None:
    result = run(tmp_path, "--host", host)
    assert result.returncode == 2
    for expected_text in (host, "set API_TOKEN", "WS_HOST=localhost"):
        assert expected_text in result.stderr
    assert "Traceback" not in result.stderr


def test_the_host_in_the_environment_is_checked_too(tmp_path: Path) -> None:
    result = run(tmp_path, WS_HOST="0.0.0.0")
    assert (result.returncode, "set API_TOKEN" in result.stderr) == (2, True)


@pytest.mark.parametrize("token", ["xyz1234", "15-characters-x"])
def test_a_host_for_other_machines_requires_a_long_token(tmp_path: Path, token: str) -> None:
    result = run(tmp_path, WS_HOST="0.0.0.0", API_TOKEN=token, WS_PLAIN="yes")
    assert result.returncode == 2
    assert "API_TOKEN is shorter than 16 characters" in result.stderr
    assert token not in result.stderr


@pytest.mark.parametrize("settings", [{}, {"WS_PLAIN": "no"}], ids=["not set", "no"])
def test_a_host_for_other_machines_requires_tls_or_ws_plain(tmp_path: Path, settings: dict[str, str]) -> None:
    result = run(tmp_path, WS_HOST="0.0.0.0", API_TOKEN=TOKEN, **settings)
    assert result.returncode == 2
    for expected_text in ("without TLS", "WS_TLS_CERT and WS_TLS_KEY", "--make-cert", "WS_PLAIN=yes"):
        assert expected_text in result.stderr
    assert TOKEN not in result.stderr


def test_a_token_of_16_characters_and_ws_plain_allow_other_machines(
    new_server: Callable[..., Server],
) -> None:
    server = new_server(WS_HOST="0.0.0.0", API_TOKEN="16-characters-xy", WS_PLAIN="yes")
    server.wait_for_log("WARNING .*without TLS, as WS_PLAIN says")
    assert server.stop() == 0
    assert "shorter" not in server.log


async def test_a_short_token_on_loopback_works_with_a_warning(new_server: Callable[..., Server]) -> None:
    server = new_server(API_TOKEN="xyz1234")
    server.wait_for_log("WARNING .*API_TOKEN is shorter than 8 characters")
    async with await Client.connect(server) as client:
        assert (await client.command("ping"))["message"] == "pong"
    assert server.stop() == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_on_loopback_there_is_no_warning(new_server: Callable[..., Server], host: str) -> None:
    server = new_server(WS_HOST=host, API_TOKEN="")
    assert server.stop() == 0
    assert "WARNING" not in server.log


@pytest.mark.parametrize("token", ["i", "on", "INFO", "ws"])
async def test_a_short_token_is_hidden_in_client_messages_but_not_in_other_log_text(
    new_server: Callable[..., Server], token: str
) -> None:
    server = new_server(API_TOKEN=token, LOG_LEVEL="DEBUG")
    async with await stranger(server) as socket:
        await socket.send(json.dumps({"token": token}))
        client = Client(socket)
        for payload in ({"name": token}, {token: 1}, {"name": f'"{token}"'}):
            await say(client, {"command": "get_config", "payload": payload})
            assert (await answer(client))["status"] == "error"
    assert server.stop() == 0
    assert " INFO gphoto_ws_server: Listening on ws://127.0.0.1:" in server.log
    for quoted in (f'"{token}"', f"'{token}'"):
        assert quoted not in server.log


@pytest.mark.parametrize(
    ("name", "hint"),
    [("WS_PROT", "Did you mean WS_PORT?"), ("ws_port", "Did you mean WS_PORT?"), ("API_TOKENS", "API_TOKEN?"),
     ("NETWORK_CAMERA", "NETWORK_CAMERAS?"), ("FAVOURITE_COLOUR", "--settings")],
)  # fmt: skip
def test_an_unknown_name_in_the_dotenv_file_causes_a_warning(
    new_server: Callable[..., Server], tmp_path: Path, name: str, hint: str
) -> None:
    (tmp_path / ".env").write_text(f"LOG_LEVEL=INFO\n{name}=1\n")
    server = new_server()
    line = server.wait_for_log("WARNING .* is not a setting")
    assert f"{name} in {tmp_path / '.env'}" in line
    assert hint in line
    assert server.stop() == 0
    assert server.log.count("is not a setting") == 1


def test_the_example_file_causes_no_warning(new_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    server = new_server()
    assert server.stop() == 0
    assert "WARNING" not in server.log


def test_the_requirements_exclude_older_versions_of_gphoto2() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    requirements = [Requirement(line.partition("#")[0]) for line in lines if not line.startswith("#")]
    [gphoto2] = [requirement.specifier for requirement in requirements if requirement.name == "gphoto2"]
    assert not gphoto2.contains("2.6.3")
    assert gphoto2.contains("2.6.4")
