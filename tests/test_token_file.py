"""The token in a file whose path is in API_TOKEN_FILE, as with Docker's secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settings.environment import SettingsError, load
from tests.support.rig import Client, Server
from tests.support.wire import last_words, stranger

NO_FILE = Path("/nonexistent/.env")
SECRET = "from-the-secret-file-5d1c"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A token file that ends with a newline, as `echo` writes it."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


async def test_a_client_can_log_in_with_the_token_of_the_file(new_server: Callable[..., Server], file: Path) -> None:
    server = new_server(API_TOKEN="", API_TOKEN_FILE=str(file))
    async with await Client.connect(server, SECRET) as client:
        assert (await client.command("ping"))["message"] == "pong"
    async with await stranger(server) as socket:
        await socket.send('{"token": "from-somewhere-else"}')
        assert (await last_words(socket))[1] == 4401
    assert server.stop() == 0
    assert SECRET not in server.log


def test_the_file_can_be_set_in_dotenv(file: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"API_TOKEN=\nAPI_TOKEN_FILE={file}\n")
    assert load({}, tmp_path / ".env").api_token == SECRET


def test_a_token_has_priority_over_the_file_and_the_file_over_a_credential(file: Path, tmp_path: Path) -> None:
    (tmp_path / "api_token").write_text("of-the-credential")
    both = {"API_TOKEN_FILE": str(file), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(both, NO_FILE).api_token == SECRET
    assert load({**both, "API_TOKEN": "itself"}, NO_FILE).api_token == "itself"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_white_space_around_the_token_is_ignored(file: Path, ending: str) -> None:
    file.write_bytes(f"{SECRET}{ending}".encode())
    assert load({"API_TOKEN_FILE": str(file)}, NO_FILE).api_token == SECRET


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"), (b" \n", "is empty"), (b"secret-\xff\n", "text in UTF-8"),
        (b"secret-one\nsecret-two\n", "one line"), (None, "cannot be read by user"),
    ],
    ids=["empty", "blank", "no text", "two lines", "a folder"],
)  # fmt: skip
def test_a_file_without_a_valid_token_is_reported_without_its_content(
    file: Path, content: bytes | None, words: str
) -> None:
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as error:
        load({"API_TOKEN_FILE": str(file)}, NO_FILE)
    assert "API_TOKEN_FILE" in str(error.value)
    assert str(file) in str(error.value)
    assert "secret-" not in str(error.value).replace(str(file), "")


@pytest.mark.parametrize("name", ["/nonexistent/token", "a\0b", "x" * 5000])
def test_an_invalid_file_name_is_rejected(name: str) -> None:
    with pytest.raises(SettingsError, match="API_TOKEN_FILE"):
        load({"API_TOKEN_FILE": name}, NO_FILE)


def test_an_endless_device_is_rejected() -> None:
    with pytest.raises(SettingsError, match="API_TOKEN_FILE"):
        load({"API_TOKEN_FILE": "/dev/urandom"}, NO_FILE)
