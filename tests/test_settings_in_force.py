"""When the server starts, it logs the settings that differ from the defaults and their sources, but never the token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settings.environment import Settings, load_with_sources
from settings.in_force import in_force
from tests.support.rig import Server

NO_FILE = Path("/nonexistent/.env")
SECRET = "the-secret-token-77ab"
# The formatter of the log does not recognize it, because it is too short. It is not part of any other word.
SHORT_SECRET = "q7Zx9"


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    file.write_text("PREVIEW_FPS=12.5\nNETWORK_CAMERAS=ptpip:192.168.1.20, ptpip:192.168.1.21\nWS_PORT=9000\n")
    return file


def test_each_setting_has_its_value_and_its_source(dotenv: Path) -> None:
    environment = {"PHOTO_DIR": "/srv/my photos", "WS_PLAIN": "yes", "WS_PORT": "9001"}
    loaded = load_with_sources(environment, dotenv).overridden("command line", ws_host="127.0.0.2", ws_port=None)
    assert in_force(loaded) == (
        "WS_HOST='127.0.0.2' (command line), WS_PORT=9001 (environment), WS_PLAIN=yes (environment),"
        f" NETWORK_CAMERAS='ptpip:192.168.1.20,ptpip:192.168.1.21' ({dotenv}), PREVIEW_FPS=12.5 ({dotenv}),"
        " PHOTO_DIR='/srv/my photos' (environment); defaults for the rest"
    )


def test_defaults_are_not_listed() -> None:
    assert in_force(load_with_sources({}, NO_FILE)) == "defaults for all settings"
    repeated = {"WS_HOST": "localhost", "WS_PORT": "8765", "PREVIEW_FPS": ""}
    assert in_force(load_with_sources(repeated, NO_FILE)) == "defaults for all settings"


def test_a_name_and_a_password_in_an_address_are_not_shown() -> None:
    line = in_force(load_with_sources({"WS_ORIGINS": "https://me:hunter2@booth.example,http://10.0.0.2"}, NO_FILE))
    assert line.startswith("WS_ORIGINS='https://...@booth.example,http://10.0.0.2' (environment)")


@pytest.mark.parametrize("place", ["environment", "dotenv", "file", "credential"])
def test_of_the_token_only_the_source_is_shown(tmp_path: Path, place: str) -> None:
    dotenv, file = tmp_path / ".env", tmp_path / "api_token"
    lines = []
    for token in (SHORT_SECRET, SECRET):
        dotenv.write_text(f"API_TOKEN={token}" if place == "dotenv" else "")
        file.write_text(token)
        environment = {
            "environment": {"API_TOKEN": token},
            "dotenv": {},
            "file": {"API_TOKEN_FILE": str(file)},
            "credential": {"CREDENTIALS_DIRECTORY": str(tmp_path)},
        }[place]
        loaded = load_with_sources(environment, dotenv)
        assert loaded.settings.api_token == token
        lines.append(in_force(loaded))
    source = {
        "environment": "environment", "dotenv": str(dotenv), "file": "the file of API_TOKEN_FILE",
        "credential": "credential of systemd",
    }[place]  # fmt: skip
    assert f"API_TOKEN ({source})" in lines[0]
    assert lines[0] == lines[1]  # so neither the token nor its length is shown
    assert SHORT_SECRET not in lines[0]


def test_every_setting_can_be_shown() -> None:
    other = {name: "x" if isinstance(value, str) else ("x",) if isinstance(value, tuple) else 1 - value
             for name, value in Settings()}  # fmt: skip
    line = in_force(load_with_sources({}, NO_FILE).overridden("a test", **other))
    assert [name for name in Settings.model_fields if f"{name.upper()}" not in line] == []


@pytest.mark.parametrize("token", [SECRET, SHORT_SECRET])
async def test_the_server_logs_its_settings_once_without_the_token(
    new_server: Callable[..., Server], tmp_path: Path, token: str
) -> None:
    (tmp_path / ".env").write_text("PREVIEW_FPS=12.5\n")
    server = new_server("--host", "127.0.0.2", API_TOKEN=token, LOG_LEVEL="DEBUG", WS_PORT="0")
    line = server.wait_for_log("INFO .*Settings: ")
    assert "WS_HOST='127.0.0.2' (command line), " in line
    assert "WS_PORT=0 (environment), LOG_LEVEL='DEBUG' (environment), API_TOKEN (environment), " in line
    assert f"PREVIEW_FPS=12.5 ({tmp_path}/.env), " in line
    assert line.endswith("; defaults for the rest")
    assert server.stop() == 0
    assert server.log.count("Settings: ") == 1
    assert token not in server.log
