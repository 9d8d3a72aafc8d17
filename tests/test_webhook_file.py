"""The file of WEBHOOKS: what is allowed, clear errors, and warnings. No message shows a secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from protocol.events import ON_SUBSCRIPTION
from settings.environment import SettingsError
from settings.webhook_file import read, warnings
from tests.support.entry import run

KEY = bytes(range(32))
PLAIN = base64.b64encode(KEY).decode()
ENTRY = f"""[[webhook]]
url = "https://booth.example/pictures"
events = ["capture_saved"]
secret = "whsec_{PLAIN}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one webhook, which only its owner can read."""
    path = tmp_path / "webhooks.toml"
    path.write_text(ENTRY)
    path.chmod(0o600)
    return path


def test_a_webhook_is_read(file: Path) -> None:
    (webhook,) = read(str(file))
    assert (webhook.url, webhook.events, webhook.secret) == (
        "https://booth.example/pictures",
        frozenset(["capture_saved"]),
        KEY,
    )
    assert warnings(str(file), (webhook,)) == []
    assert PLAIN not in repr(webhook)
    assert str(KEY) not in repr(webhook)


@pytest.mark.parametrize("secret", [PLAIN, f"whsec_{PLAIN}", PLAIN.rstrip("=")])
def test_the_secret_may_have_a_prefix_and_no_padding(file: Path, secret: str) -> None:
    file.write_text(ENTRY.replace(f"whsec_{PLAIN}", secret))
    assert read(str(file))[0].secret == KEY


def test_a_star_stands_for_all_events(file: Path) -> None:
    file.write_text(ENTRY.replace('"capture_saved"', '"*"'))
    assert read(str(file))[0].events == {kind.name for kind in ON_SUBSCRIPTION}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("https://booth.example/pictures", "ftp://booth.example", "url must be an address such as https://"),
        ("https://booth.example/pictures", "booth.example", "url must be an address such as https://"),
        ("https://booth.example/pictures", "https://booth.example/a b", "without spaces"),
        ("https://booth.example/pictures", "https://me:pass@booth.example", "without a user, a password"),
        ("https://booth.example/pictures", "https://booth.example:0/", "port from 1 to 65535"),
        ("https://booth.example/pictures", "https://booth.example:70000/", "port from 1 to 65535"),
        ("https://booth.example/pictures", "https://[::1/", "valid host"),
        ("https://booth.example/pictures", "https:///path", "with a host"),
        ('["capture_saved"]', "[]", "events must be"),
        ('["capture_saved"]', '["captured"]', "not 'captured', but names of events"),
        ('["capture_saved"]', '["live_view_frame"]', "names of events"),
        ('["capture_saved"]', '"capture_saved"', "events must be"),
        (f"whsec_{PLAIN}", "hunter2", "24 to 64 random bytes as base64"),
        (f"whsec_{PLAIN}", "whsec_" + PLAIN[:28], "24 to 64 random bytes as base64"),
        (f"whsec_{PLAIN}", "whsec_" + PLAIN * 4, "24 to 64 random bytes as base64"),
        ("secret =", "secrets =", "secret is missing"),
        ("events =", "retries = 3\nevents =", "the key 'retries' is unknown"),
        ("[[webhook]]", "[webhook]", "1 to 20 tables [[webhook]]"),
        ("[[webhook]]", "[[hook]]", "1 to 20 tables [[webhook]]"),
        ("[[webhook]]", "[[webhook", "not valid TOML"),
    ],
)
def test_an_error_says_what_is_allowed_and_shows_no_secret(file: Path, old: str, new: str, words: str) -> None:
    assert old in ENTRY
    file.write_text(ENTRY.replace(old, new))
    with pytest.raises(SettingsError) as error:
        read(str(file))
    assert words in str(error.value)
    assert str(file) in str(error.value)
    assert "hunter2" not in str(error.value)
    assert PLAIN[:20] not in str(error.value)


def test_each_address_is_allowed_once(file: Path) -> None:
    file.write_text(ENTRY + ENTRY)
    with pytest.raises(SettingsError, match=r"number 2 .* has the url of an earlier one"):
        read(str(file))


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff", "UTF-8"), (b"#" * 70_000, "longer than 65536 bytes"), (b"", "1 to 20 tables")]
)
def test_a_strange_file_is_an_error(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        read(str(file))


def test_a_server_whose_file_is_missing_does_not_start(tmp_path: Path) -> None:
    ended = run(tmp_path, WEBHOOKS=str(tmp_path / "none.toml"))
    assert ended.returncode == 2
    assert (
        ended.stderr
        == f"gphoto_ws_server: The file of WEBHOOKS, {tmp_path}/none.toml, cannot be read: No such file or directory.\n"
    )


def test_a_file_that_everybody_can_read_causes_a_warning(file: Path) -> None:
    file.chmod(0o644)
    (warning,) = warnings(str(file), read(str(file)))
    assert f"chmod o= {file}" in warning


@pytest.mark.parametrize(
    ("address", "warned"),
    [("http://booth.example", True), ("http://8.8.8.8", True), ("http://[fd00::1]:80", False),
     ("http://[2a00:1450::1]", True), ("http://127.0.0.1:5000", False), ("http://localhost", False), ("http://192.168.1.7/x", False),
     ("http://receiver:5000", False), ("http://nas.local", False), ("https://booth.example", False)],
)  # fmt: skip
def test_plain_http_beyond_the_local_network_causes_a_warning(file: Path, address: str, warned: bool) -> None:
    file.write_text(ENTRY.replace("https://booth.example/pictures", address))
    found = warnings(str(file), read(str(file)))
    assert bool(found) is warned
    assert all("has no TLS" in words for words in found)
