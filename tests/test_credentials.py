"""The token as a systemd credential: the file api_token in the folder whose path is in CREDENTIALS_DIRECTORY."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settings.environment import SettingsError, load
from tests.support.rig import TOKEN, Client, Server
from tests.support.wire import last_words, stranger

NO_FILE = Path("/nonexistent/.env")
SECRET = "from-the-credential-9b2e"


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A credentials folder with a token file that ends with a newline, as `echo` writes it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "api_token").write_text(f"{SECRET}\n")
    return folder


async def test_a_client_can_log_in_with_the_token_of_the_credential(
    new_server: Callable[..., Server], credentials: Path
) -> None:
    server = new_server(API_TOKEN="", WS_HOST="0.0.0.0", WS_PLAIN="yes", CREDENTIALS_DIRECTORY=str(credentials))
    uri = server.uri.replace("0.0.0.0", "127.0.0.1")
    server.uri = uri
    async with await Client.connect(server, SECRET) as client:
        assert (await client.command("ping"))["message"] == "pong"
    async with await stranger(server) as socket:
        await socket.send('{"token": "from-somewhere-else"}')
        assert (await last_words(socket))[1] == 4401
    assert server.stop() == 0
    assert SECRET not in server.log


def test_a_token_in_the_environment_has_priority(credentials: Path) -> None:
    settings = load({"API_TOKEN": TOKEN, "CREDENTIALS_DIRECTORY": str(credentials)}, NO_FILE)
    assert settings.api_token == TOKEN


def test_a_token_in_the_dotenv_file_has_priority(credentials: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"API_TOKEN={TOKEN}\n")
    assert load({"CREDENTIALS_DIRECTORY": str(credentials)}, tmp_path / ".env").api_token == TOKEN


def test_with_an_empty_setting_the_credential_is_used(credentials: Path) -> None:
    assert load({"API_TOKEN": "", "CREDENTIALS_DIRECTORY": str(credentials)}, NO_FILE).api_token == SECRET


@pytest.mark.parametrize("folder", ["", "/nonexistent"])
def test_without_a_credential_there_is_no_token(folder: str) -> None:
    assert load({"CREDENTIALS_DIRECTORY": folder}, NO_FILE).api_token == ""


def test_other_credentials_are_ignored(credentials: Path) -> None:
    (credentials / "api_token").rename(credentials / "certificate")
    assert load({"CREDENTIALS_DIRECTORY": str(credentials)}, NO_FILE).api_token == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"secret-\xff\n", "text in UTF-8"), (None, "cannot be read")],
    ids=["empty", "blank", "no text", "a folder"],
)
def test_an_invalid_credential_is_reported_without_its_content(
    credentials: Path, content: bytes | None, words: str
) -> None:
    file = credentials / "api_token"
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as error:
        load({"CREDENTIALS_DIRECTORY": str(credentials)}, NO_FILE)
    assert str(file) in str(error.value)
    assert "secret" not in str(error.value)
