"""The token in a file that API_TOKEN_FILE names, as Docker's secrets are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settings.environment import SettingsError, load
from tests.support.rig import Client, Server
from tests.support.wire import last_words, stranger

NOTHING = Path("/nonexistent/.env")
SECRET = "from-the-secret-file-5d1c"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file, as `echo` writes it."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


async def test_the_token_of_the_file_opens(new_server: Callable[..., Server], file: Path) -> None:
    server = new_server(API_TOKEN="", API_TOKEN_FILE=str(file))
    async with await Client.connect(server, SECRET) as client:
        assert (await client.command("ping"))["message"] == "pong"
    async with await stranger(server) as socket:
        await socket.send('{"token": "from-somewhere-else"}')
        assert (await last_words(socket))[1] == 4401
    assert server.stop() == 0
    assert SECRET not in server.log


def test_the_file_may_stand_in_dotenv(file: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"API_TOKEN=\nAPI_TOKEN_FILE={file}\n")
    assert load({}, tmp_path / ".env").api_token == SECRET


def test_a_token_itself_wins_over_the_file_and_the_file_over_a_credential(file: Path, tmp_path: Path) -> None:
    (tmp_path / "api_token").write_text("of-the-credential")
    both = {"API_TOKEN_FILE": str(file), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(both, NOTHING).api_token == SECRET
    assert load({**both, "API_TOKEN": "itself"}, NOTHING).api_token == "itself"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_white_space_around_the_token_does_not_count(file: Path, ending: str) -> None:
    file.write_bytes(f"{SECRET}{ending}".encode())
    assert load({"API_TOKEN_FILE": str(file)}, NOTHING).api_token == SECRET


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"), (b" \n", "is empty"), (b"secret-\xff\n", "text in UTF-8"),
        (b"secret-one\nsecret-two\n", "one line"), (None, "cannot be read by user"),
    ],
    ids=["empty", "blank", "no text", "two lines", "a folder"],
)  # fmt: skip
def test_a_file_that_holds_no_token_is_named_and_not_shown(file: Path, content: bytes | None, words: str) -> None:
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as refusal:
        load({"API_TOKEN_FILE": str(file)}, NOTHING)
    assert "API_TOKEN_FILE" in str(refusal.value)
    assert str(file) in str(refusal.value)
    assert "secret-" not in str(refusal.value).replace(str(file), "")


@pytest.mark.parametrize("name", ["/nonexistent/token", "a\0b", "x" * 5000])
def test_a_name_of_no_file_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="API_TOKEN_FILE"):
        load({"API_TOKEN_FILE": name}, NOTHING)


def test_a_device_without_an_end_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="API_TOKEN_FILE"):
        load({"API_TOKEN_FILE": "/dev/urandom"}, NOTHING)
