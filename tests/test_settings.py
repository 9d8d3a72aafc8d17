"""Settings: the environment overrides .env, and .env overrides the defaults. An error names the allowed values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import ValidationError

from settings.environment import Settings, SettingsError, load
from settings.listen_policy import REFUSE_BELOW_CHARACTERS, WARN_BELOW_CHARACTERS
from tests.support.entry import run
from tests.support.rig import ROOT

EXAMPLE = ROOT / ".env.example"
NO_FILE = Path("/nonexistent/.env")


def test_the_example_has_exactly_the_settings_of_the_server() -> None:
    assert list(dotenv_values(EXAMPLE)) == [name.upper() for name in Settings.model_fields]


def test_the_example_contains_the_defaults() -> None:
    assert load({}, EXAMPLE) == Settings()


@pytest.mark.parametrize(
    ("name", "default"),
    [("WS_HOST", "localhost"), ("WS_PORT", "8765"), ("LOG_LEVEL", "INFO"), ("API_TOKEN", ""), ("PREVIEW_FPS", "30"),
     ("CAPTURE_TARGET", "Memory card"), ("MAX_RESTART_ATTEMPTS", "3"), ("RESTART_DELAY", "5")],
)  # fmt: skip
def test_the_example_shows_the_promised_default(name: str, default: str) -> None:
    assert dotenv_values(EXAMPLE)[name] == default


def test_the_example_describes_every_setting() -> None:
    text = EXAMPLE.read_text()
    described = re.findall(r"^# .+\n(?:# .+\n)*((?:[A-Z_]+=.*\n)+)", text, re.MULTILINE)
    assert [line.partition("=")[0] for block in described for line in block.splitlines()] == list(
        dotenv_values(EXAMPLE)
    )


def test_the_example_names_the_required_token_lengths() -> None:
    words = " ".join(line.lstrip("# ") for line in EXAMPLE.read_text().splitlines())
    lengths = [int(number) for number in re.findall(r"(\d+) (?:characters )?or more", words)]
    assert lengths == [REFUSE_BELOW_CHARACTERS, WARN_BELOW_CHARACTERS]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"a token of {REFUSE_BELOW_CHARACTERS} characters is required" in readme


def test_the_settings_option_prints_the_example(tmp_path: Path) -> None:
    printed = run(tmp_path, "--settings", WS_PORT="http")
    assert (printed.returncode, printed.stdout) == (0, EXAMPLE.read_text())


def test_the_help_names_the_program_and_the_settings_option(tmp_path: Path) -> None:
    words = " ".join(run(tmp_path, "--help").stdout.split())
    assert words.startswith("usage: gphoto_ws_server.py [")
    assert "--settings prints all of them" in words


def test_without_settings_the_defaults_are_used() -> None:
    assert load({}, NO_FILE) == Settings()


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('WS_PORT=9000\nexport LOG_LEVEL="debug"\n# WS_HOST=elsewhere\nNOT_OURS=1\n')
    assert load({}, file) == Settings(ws_port=9000, log_level="DEBUG")


def test_the_dotenv_file_of_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WS_PORT=9000\n")
    monkeypatch.chdir(tmp_path)
    assert load({}).ws_port == 9000


def test_the_environment_has_priority_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("WS_PORT=9000\nPREVIEW_FPS=10\n")
    settings = load({"WS_PORT": "9001"}, file)
    assert (settings.ws_port, settings.preview_fps) == (9001, 10)


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_PORT", "9002")
    assert load(dotenv=NO_FILE).ws_port == 9002


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_an_empty_value_selects_the_default(name: str) -> None:
    assert load({name: ""}, NO_FILE) == Settings()


def test_lists_are_comma_separated() -> None:
    settings = load(
        {"NETWORK_CAMERAS": "ptpip:192.168.1.20, ptpip:192.168.1.21:15740:15741,",
         "WS_ORIGINS": "https://booth.example,http://10.0.0.2:8080"},
        NO_FILE,
    )  # fmt: skip
    assert settings.network_cameras == ("ptpip:192.168.1.20", "ptpip:192.168.1.21:15740:15741")
    assert settings.ws_origins == ("https://booth.example", "http://10.0.0.2:8080")


@pytest.mark.parametrize("name", ["ws_port"])
def test_settings_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), name, 1)


INVALID = [
    ("HOOK_COMMAND", "print 'photo", "No closing quotation"),
    ("HOOK_COMMAND", "''", "a command with its arguments"),
    ("HOOK_SECONDS", "0", "1"),
    ("HOOK_SECONDS", "3601", "3600"),
    ("WS_PORT", "http", "integer"),
    ("WS_PORT", "-1", "0"),
    ("WS_PORT", "65536", "65535"),
    ("WS_PORT", "8765.5", "integer"),
    ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
    ("PREVIEW_FPS", "0", "0.1"),
    ("PREVIEW_FPS", "1000", "120"),
    ("PREVIEW_FPS", "nan", "120"),
    ("PREVIEW_FPS", "fast", "number"),
    ("MAX_RESTART_ATTEMPTS", "-1", "0"),
    ("MAX_RESTART_ATTEMPTS", "some", "integer"),
    ("RESTART_DELAY", "-0.1", "0"),
    ("RESTART_DELAY", "inf", "3600"),
    ("WRITE_TIME", "0.5", "1"),
    ("WRITE_TIME", "301", "300"),
    ("NETWORK_CAMERAS", "192.168.1.10", "ptpip:192.168.1.10"),
    ("NETWORK_CAMERAS", "ptpip:camera.local", "numeric IPv4"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.300", "numeric IPv4"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10:99999", "ptpip:192.168.1.10"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10,ptpip:192.168.1.10", "each address once"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10,ptpip:192.168.1.10=Fuji X (WLAN)", "each address once"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10=", "Fuji X (WLAN)"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10=Fuji\nX", "Fuji X (WLAN)"),
    ("NETWORK_CAMERAS", "ptpip:192.168.1.10=" + "x" * 129, "Fuji X (WLAN)"),
    ("NETWORK_CAMERAS", "Fuji X (WLAN)=ptpip:192.168.1.10", "numeric IPv4"),
    ("DISK_CAMERAS", "some", "true or false"),
    ("NETWORK_CAMERAS", "usb:001,003", "ptpip:192.168.1.10"),
    ("WS_ORIGINS", "booth.example", "https://booth.example"),
    ("WS_ORIGINS", "https://booth.example/page", "https://booth.example"),
    ("WS_ORIGINS", "*", "https://booth.example"),
    ("TRUSTED_PROXIES", "127.0.0.1,proxy.example", "172.16.0.0/12, not 'proxy.example'"),
    ("TRUSTED_PROXIES", "0.0.0.0/0", "any client could name any address"),
    ("WS_TLS_CERT", "/nonexistent/chain.pem", "WS_TLS_KEY"),
    ("WS_TLS_KEY", "/nonexistent/key.pem", "WS_TLS_CERT"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), INVALID)
def test_an_invalid_value_is_reported_with_the_allowed_ones(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({name: value}, NO_FILE)
    assert name in str(error.value)
    assert allowed in str(error.value)


def test_all_invalid_values_are_reported_together() -> None:
    with pytest.raises(SettingsError) as error:
        load({"WS_PORT": "x", "LOG_LEVEL": "x", "PREVIEW_FPS": "x"}, NO_FILE)
    assert [line.partition("=")[0] for line in str(error.value).splitlines()] == [
        "WS_PORT", "LOG_LEVEL", "PREVIEW_FPS",
    ]  # fmt: skip


def test_a_missing_certificate_file_is_reported(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    with pytest.raises(SettingsError, match="file of WS_TLS_CERT does not exist"):
        load({"WS_TLS_CERT": str(tmp_path / "chain.pem"), "WS_TLS_KEY": str(key)}, NO_FILE)


def test_a_token_that_is_not_valid_text_is_rejected_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="API_TOKEN") as error:
        load({"API_TOKEN": "secret-\udcff"}, NO_FILE)
    assert "secret" not in str(error.value)


def test_a_dotenv_file_that_is_not_valid_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"API_TOKEN=secret-\xff\n")
    with pytest.raises(SettingsError, match=re.escape(str(file))) as error:
        load({}, file)
    assert "secret" not in str(error.value)


def test_a_token_can_contain_any_text(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("API_TOKEN='$HOME ${HOME} \u00e4\"#=\U0001f4f7'\n")
    assert load({}, file).api_token == '$HOME ${HOME} \u00e4"#=\U0001f4f7'
