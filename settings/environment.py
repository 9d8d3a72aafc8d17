"""The settings as an immutable object. Only this file reads settings from the environment and from .env."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from camera.model import NETWORK_ADDRESS, ShutterLine
from camera.orientation import ROTATIONS
from camera.photos import sidecar
from camera.photos.folder import check_label, check_template


class SettingsError(Exception):
    """A setting is not allowed, or a file with settings cannot be read. The message names the setting or the file."""


# In bytes. No token is longer, because the first message of a client contains the token and has at most 64 KiB.
_LONGEST_TOKEN_FILE = 65536


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


_Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """All settings. A field has the name of its environment variable in lower case. .env.example explains them."""

    model_config = ConfigDict(frozen=True)

    ws_host: str = Field("localhost", min_length=1)
    ws_port: int = Field(8765, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    api_token: str = ""
    api_token_file: str = ""
    ws_origins: _Names = ()
    ws_hosts: _Names = ()
    ws_tls_cert: str = ""
    ws_tls_key: str = ""
    ws_plain: bool = False
    trusted_proxies: _Names = ()
    network_cameras: _Names = ()
    disk_cameras: bool = False
    capture_target: str = "Memory card"
    preview_fps: float = Field(30.0, ge=0.1, le=120)
    preview_size: str = ""
    preview_iso: str = ""
    capture_iso: str = ""
    preview_rotation: int = 0
    capture_rotation: int = 0
    preview_flip: bool = False
    capture_flip: bool = False
    photo_dir: str = "photos"
    photo_name: str = "{date}_{time}_{original}"
    camera_labels: _Names = ()
    auto_save: bool = False
    sidecars: Literal["off", "xmp"] = "off"
    shutter_lines: _Names = ()
    state_dir: str = ""
    max_restart_attempts: int = Field(3, ge=0, le=1000)
    restart_delay: float = Field(5.0, ge=0, le=3600)
    write_time: float = Field(10.0, ge=1, le=300)
    keep_alive: float = Field(0.0, ge=0, le=3600)
    sync_clock: Literal["off", "open"] = "off"
    hook_command: str = ""
    hook_seconds: float = Field(60.0, ge=1, le=3600)
    webhooks: str = ""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("api_token")
    @classmethod
    def _text(cls, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("text in UTF-8") from None
        return value

    @field_validator("preview_rotation", "capture_rotation")
    @classmethod
    def _quarter_turns(cls, value: int) -> int:
        if value not in ROTATIONS:
            raise ValueError(f"one of {', '.join(map(str, ROTATIONS))} (degrees clockwise)")
        return value

    @field_validator("photo_name")
    @classmethod
    def _name_template(cls, value: str) -> str:
        return check_template(value)

    @field_validator("camera_labels")
    @classmethod
    def _labels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        serials = []
        for entry in value:
            serial, colon, label = entry.rpartition(":")
            if not colon or not serial.strip("0 "):
                raise ValueError(f"serial numbers with labels, such as 012345:left,067890:right, not {entry!r}")
            serials.append(serial.lstrip("0"))
            check_label(label)
        if len(set(serials)) != len(serials):
            raise ValueError("each serial number once")
        return value

    @field_validator("shutter_lines")
    @classmethod
    def _lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        cameras: list[str] = []
        lines: list[tuple[str, int]] = []
        for entry in value:
            camera, colon, text = entry.rpartition(":")
            if not colon or not camera.strip("0 "):
                raise ValueError(f"serial numbers with lines, such as 012345:gpiochip0/17, not {entry!r}")
            line = ShutterLine.parse(text)
            cameras.append(camera.lstrip("0"))
            lines += [(line.chip, offset) for offset in line.offsets]
        if len(set(cameras)) != len(cameras) or len(set(lines)) != len(lines):
            raise ValueError("each camera and each line once")
        if value and find_spec("gpiod") is None:
            raise ValueError(f"it needs the package gpiod: {sys.executable} -m pip install 'gpiod>=2.4,<3'")
        return value

    @field_validator("sidecars")
    @classmethod
    def _sidecars(cls, value: str) -> str:
        if value == "xmp" and (reason := sidecar.problem()):
            raise ValueError(f"it needs the package exiv2 ({reason}): {sys.executable} -m pip install exiv2")
        return value

    @field_validator("hook_command")
    @classmethod
    def _command(cls, value: str) -> str:
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"a command with its arguments, quoted as in a shell ({error})") from None
        if value and not (words and words[0]):
            raise ValueError("a command with its arguments")
        return value

    @field_validator("network_cameras")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        addresses = [entry.partition("=")[0] for entry in value]
        for address, entry in zip(addresses, value, strict=True):
            if not _is_network_address(address):
                raise ValueError(f"addresses such as ptpip:192.168.1.10 (numeric IPv4), not {address!r}")
            if entry != address and not _DRIVER.fullmatch(entry.removeprefix(f"{address}=")):
                raise ValueError(
                    f"the name of a driver after the =, such as ptpip:192.168.1.10=Fuji X (WLAN), not {entry!r}"
                )
        if len(set(addresses)) != len(addresses):
            raise ValueError("each address once")
        return value

    @field_validator("ws_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"null|https?://[^/\s]+", origin):
                raise ValueError(f"origins such as https://booth.example, not {origin!r}")
        return value

    @field_validator("ws_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?", name):
                raise ValueError(f"names such as booth.example or *.example, without a port, not {name!r}")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                all_addresses = ipaddress.ip_network(network, strict=False).prefixlen == 0
            except ValueError:
                raise ValueError(
                    f"addresses and networks such as 127.0.0.1 or 172.16.0.0/12, not {network!r}"
                ) from None
            if all_addresses:
                raise ValueError(f"the addresses of your proxies: with {network} any client could name any address")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Settings:
        if bool(self.ws_tls_cert) != bool(self.ws_tls_key):
            raise ValueError("WS_TLS_CERT and WS_TLS_KEY go together: set both or none")
        for name, path in (("WS_TLS_CERT", self.ws_tls_cert), ("WS_TLS_KEY", self.ws_tls_key)):
            if path and not Path(path).is_file():
                raise ValueError(f"the file of {name} does not exist: {path}")
        return self


# The source of settings that are environment variables.
ENVIRONMENT = "environment"
# Settings whose values are never shown.
SECRETS = frozenset(("api_token",))

# The name of a driver is its CameraAbilities.model in libgphoto2, a text of up to 128 bytes. Only libgphoto2 knows
# which names exist.
_DRIVER = re.compile(r"[\x20-\x7e]{1,128}")


def _is_network_address(address: str) -> bool:
    if not NETWORK_ADDRESS.fullmatch(address):
        return False
    _, host, *ports = address.split(":")
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return all(0 < int(port) <= 65535 for port in ports)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """How to report the state of this process to systemd; see sd_notify(3).

    Attributes:
        address: the socket for messages. It is a path, or the character "@" followed by the name of an abstract socket.
            "" means that there is no service manager.
        watchdog_s: if the process sends no message for this many seconds, systemd ends it. 0 means no watchdog.
    """

    address: str = ""
    watchdog_s: float = 0.0


def service_manager(environment: Mapping[str, str] | None = None) -> ServiceManager:
    """Read the variables that systemd sets for a service. The default is the environment of the process."""
    variables = os.environ if environment is None else environment
    microseconds = variables.get("WATCHDOG_USEC", "")
    for_this_process = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watched = for_this_process and microseconds.isascii() and microseconds.isdigit()
    return ServiceManager(variables.get("NOTIFY_SOCKET", ""), int(microseconds) / 1e6 if watched else 0.0)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each setting that was given, where it came from (by the name of its field)."""

    settings: Settings
    sources: Mapping[str, str]

    def overridden(self, source: str, **values: object) -> Loaded:
        """These settings with other values from `source`. None and "" change nothing."""
        given = {name: value for name, value in values.items() if value not in (None, "")}
        return Loaded(self.settings.model_copy(update=given), {**self.sources, **dict.fromkeys(given, source)})


def load(environment: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """The settings of `load_with_sources`."""
    return load_with_sources(environment, dotenv).settings


def load_with_sources(environment: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Loaded:
    """Read each setting from the environment, else from the .env file. An empty value means the default.

    If neither sets API_TOKEN, the token is read from the file of API_TOKEN_FILE, else from systemd's credential
    api_token.

    Args:
        environment: the environment variables. The default is the environment of the process.
        dotenv: the .env file. The default is .env in the working directory.

    Raises:
        SettingsError: a value is not allowed, or a file cannot be read.
    """
    variables = os.environ if environment is None else environment
    values = {**_from_file(dotenv), **variables}
    given = {name: value for name in Settings.model_fields if (value := values.get(name.upper()))}
    sources = {name: ENVIRONMENT if name.upper() in variables else str(_file(dotenv)) for name in given}
    if "api_token" not in given:
        if token := _token_from_file(given.get("api_token_file")):
            given["api_token"], sources["api_token"] = token, "the file of API_TOKEN_FILE"
        elif token := _token_credential(variables):
            given["api_token"], sources["api_token"] = token, "credential of systemd"
    try:
        return Loaded(Settings.model_validate(given), sources)
    except ValidationError as error:
        raise SettingsError("\n".join(_message(problem) for problem in error.errors())) from None


def explained() -> str:
    """The text of .env.example: every setting with its default and its meaning. The wheel also contains this text."""
    return Path(__file__).with_name("env.example").read_text()


def state_folder(settings: Settings, environment: Mapping[str, str] | None = None) -> Path:
    """The folder for state: STATE_DIR, else systemd's STATE_DIRECTORY, else the folder of the XDG specification.

    `environment` is by default the environment of the process.
    """
    variables = os.environ if environment is None else environment
    if given := settings.state_dir or variables.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given).absolute()
    home = variables.get("XDG_STATE_HOME") or Path(variables.get("HOME") or "/nonexistent") / ".local/state"
    return Path(home) / "gphoto-ws-server"


def unknown_names(dotenv: Path | None = None) -> list[str]:
    """A warning for each unknown name in the .env file (default: .env in the working directory).

    Raises:
        SettingsError: the file cannot be read.
    """
    known = [name.upper() for name in Settings.model_fields]
    warnings = []
    for name in _from_file(dotenv):
        if name not in known:
            nearest = difflib.get_close_matches(name.upper(), known, 1)
            hint = f"Did you mean {nearest[0]}?" if nearest else "--settings prints all settings."
            warnings.append(f"{name} in {_file(dotenv)} is not a setting. {hint}")
    return warnings


def _file(dotenv: Path | None) -> Path:
    return dotenv if dotenv is not None else Path.cwd() / ".env"


def _from_file(dotenv: Path | None) -> dict[str, str | None]:
    file = _file(dotenv)
    try:
        return dotenv_values(file, interpolate=False)  # no interpolation, because a token may contain ${
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not allowed: it must be text in UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


def _token_credential(environment: Mapping[str, str]) -> str:
    """The token that systemd passes with LoadCredential=api_token:…, or "" if there is no such credential."""
    file = Path(environment.get("CREDENTIALS_DIRECTORY") or "/nonexistent", "api_token")
    try:
        return _token_in(file, f"The credential {file}")
    except FileNotFoundError:
        return ""


def _token_from_file(name: str | None) -> str:
    """The token in the file of API_TOKEN_FILE, or "" if API_TOKEN_FILE is not set."""
    if not name:
        return ""
    try:
        return _token_in(Path(name), f"The file of API_TOKEN_FILE, {name},")
    except FileNotFoundError:
        raise SettingsError(f"The file of API_TOKEN_FILE does not exist: {name}.") from None


def _token_in(file: Path, what: str) -> str:
    """The only line of a file, without white space around it."""
    try:
        # The limit prevents a device or a very large file from filling the memory.
        with file.open("rb") as opened:
            token = opened.read(_LONGEST_TOKEN_FILE).decode().strip()
    except FileNotFoundError:
        raise
    except UnicodeDecodeError:
        raise SettingsError(f"{what} is not allowed: it must be text in UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{what} cannot be read by user {os.geteuid()}: {reason}.") from None
    if not token:
        raise SettingsError(f"{what} is empty: it must contain the token that clients send.")
    if len(token.splitlines()) > 1:
        raise SettingsError(f"{what} is not allowed: it must be one line, the token that clients send.")
    return token


_ALLOWED = {"bool_parsing": "true or false (or yes, no)", "int_parsing": "an integer", "float_parsing": "a number"}


def _message(problem: ErrorDetails) -> str:
    name = str(problem["loc"][0]).upper() if problem["loc"] else ""
    words = _ALLOWED.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    if not name:
        return words + "."
    shown = "..." if name.lower() in SECRETS else repr(str(problem["input"])[:80])
    return f"{name}={shown} is not allowed: {words}."
