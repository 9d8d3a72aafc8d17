"""The file of WEBHOOKS: a list of addresses with their events and secrets, as TOML."""

from __future__ import annotations

import base64
import binascii
import re
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from protocol.events import ON_SUBSCRIPTION
from settings.environment import SettingsError
from webhook import Webhook

_NAMES = tuple(kind.name for kind in ON_SUBSCRIPTION)
_MOST = 20
_LONGEST_FILE = 64 * 1024
# The Standard Webhooks specification demands keys of 24 to 64 bytes.
_LEAST_BYTES, _MOST_BYTES = 24, 64
_NEW_SECRET = "python3 -c 'import base64, os; print(\"whsec_\" + base64.b64encode(os.urandom(32)).decode())'"
_EXAMPLE = 'url = "https://booth.example/pictures", events = ["capture_saved"] and secret = "whsec_..."'


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    url: str
    events: Annotated[list[str], Field(min_length=1)]
    secret: str

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[\x21-\x7e]+", value):
            raise ValueError("an address such as https://booth.example/pictures, with http or https, without spaces")
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError("an address with a valid host, and a port from 1 to 65535 if there is one") from None
        if not parts.hostname or port == 0:
            raise ValueError("an address with a host, and a port from 1 to 65535 if there is one")
        if parts.username is not None or parts.fragment:
            raise ValueError("an address without a user, a password and #: the secret proves who sends")
        return value

    @field_validator("events")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in (*_NAMES, "*")]:
            raise ValueError(f'not {unknown[0][:60]!r}, but names of events, or "*" for all: {", ".join(_NAMES)}')
        return value

    @field_validator("secret")
    @classmethod
    def _key(cls, value: str) -> str:
        if not _LEAST_BYTES <= len(_decoded(value)) <= _MOST_BYTES:
            raise ValueError(
                f"{_LEAST_BYTES} to {_MOST_BYTES} random bytes as base64, with or without whsec_. A new one: {_NEW_SECRET}"
            )
        return value


def read(path: str) -> tuple[Webhook, ...]:
    """The webhooks in the file.

    Raises:
        SettingsError: the file cannot be read, or an entry is not allowed. The message shows no secret.
    """
    entries = _tables(path)
    webhooks: list[Webhook] = []
    for number, table in enumerate(entries, 1):
        where = f"WEBHOOKS: [[webhook]] number {number} in {path}"
        try:
            entry = _Entry.model_validate(table)
        except ValidationError as error:
            raise SettingsError(f"{where} is not allowed: {_reason(error)}.") from None
        if entry.url in [webhook.url for webhook in webhooks]:
            raise SettingsError(f"{where} is not allowed: it has the url of an earlier one. Put all events into one.")
        names = _NAMES if "*" in entry.events else entry.events
        webhooks.append(Webhook(entry.url, frozenset(names), _decoded(entry.secret)))
    return tuple(webhooks)


def warnings(path: str, webhooks: tuple[Webhook, ...]) -> list[str]:
    """What should be changed although it works, one sentence each; nothing if there are no webhooks."""
    found: list[str] = []
    if not webhooks:
        return found
    try:
        if Path(path).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            found.append(f"Every user of this machine can read the secrets in {path}: chmod o= {path}")
    except OSError:  # it was read just before
        pass
    found += [
        f"The webhook {webhook.origin} has no TLS, so others can read the events on their way: use https."
        for webhook in webhooks
        if webhook.is_readable
    ]
    return found


def _tables(path: str) -> list[Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        if len(content) > _LONGEST_FILE:
            raise SettingsError(f"The file of WEBHOOKS, {path}, is longer than {_LONGEST_FILE} bytes.")
        tables = tomllib.loads(content.decode())
    except (OSError, ValueError) as error:
        if isinstance(error, tomllib.TOMLDecodeError):
            raise SettingsError(f"The file of WEBHOOKS, {path}, is not valid TOML: {error}.") from None
        if isinstance(error, UnicodeDecodeError):
            raise SettingsError(f"The file of WEBHOOKS, {path}, must be text in UTF-8.") from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"The file of WEBHOOKS, {path}, cannot be read: {reason}.") from None
    entries = tables.pop("webhook", None)
    if tables or not isinstance(entries, list) or not 1 <= len(entries) <= _MOST:
        words = f"must contain 1 to {_MOST} tables [[webhook]], each with {_EXAMPLE}, and nothing else"
        raise SettingsError(f"The file of WEBHOOKS, {path}, {words}.")
    return entries


def _decoded(secret: str) -> bytes:
    """The bytes of a secret; none if it is not base64. As in other implementations, the padding may be missing."""
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _reason(error: ValidationError) -> str:
    problem = error.errors(include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return f"it must be a table with {_EXAMPLE}"
    if problem["type"] == "missing":
        return f"{where} is missing; it needs {_EXAMPLE}"
    if problem["type"] == "extra_forbidden":
        return f"the key {where[:60]!r} is unknown; it has {_EXAMPLE}"
    return f"{where} must be {str(problem['msg']).removeprefix('Value error, ')}"
