"""The systemd unit of the server, if it is installed on this machine: its settings, its user and its state.

Asks systemctl, which needs no root, and reads the files that the unit names.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "gphoto-ws-server.service"
_PROPERTIES = (
    "LoadState", "ActiveState", "User", "Group", "SupplementaryGroups", "WorkingDirectory", "Environment",
    "EnvironmentFiles", "StateDirectory",
)  # fmt: skip
_ANSWER_S = 10.0
_STATE = Path("/var/lib")
# `systemctl show` puts quotes around an item that has special characters, and a backslash before each of these.
_ITEM = re.compile(r'"((?:\\.|[^"\\])*)"|(\S+)')
_FILE = re.compile(r"(.*) \(ignore_errors=(yes|no)\)")
# A line of a file for EnvironmentFile= (systemd.exec(5)) starts with a name. Its value has parts in quotes and then text
# without quotes. There, a backslash makes the next character ordinary; at the end of a line, it joins the next line.
_VARIABLE = re.compile(r"[ \t]*([A-Za-z_]\w*)=")
_VALUE = re.compile(
    r"""(?P<quoted>(?:[ \t]*(?:'[^']*'|"(?:\\.|[^"\\])*"))*)[ \t]*(?P<plain>(?:\\.|[^\\\n])*)""", re.DOTALL
)
_QUOTED = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)\"""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unit:
    """The installed unit.

    Attributes:
        active: the state of the service as systemd names it: active, inactive, failed and others.
        user: the name of the user of the service.
        groups: the names of its groups that the unit sets; if there are any, the first one is its main group.
        folder: the working directory, where the server reads the file .env.
        environment: the variables that systemd passes to the server.
        places: for each variable, where it is set.
        settings_file: the place of the settings that advice names: a file, or Environment= of the unit.
        unreadable: files with settings that this user may not read; the doctor does not know what is in them.
        missing: files without which the service does not start.
        state_folders: the folders that systemd creates for the service.
    """

    active: str
    user: str
    groups: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    places: Mapping[str, str]
    settings_file: str
    unreadable: tuple[str, ...]
    missing: tuple[str, ...]
    state_folders: tuple[Path, ...]


def installed() -> Unit | None:
    """The unit as systemd has loaded it; None if it is not installed, or systemd does not run here."""
    lines = [line.partition("=") for line in _systemctl("show", *(f"--property={name}" for name in _PROPERTIES))]
    shown = {name: value for name, _, value in lines}
    if shown.get("LoadState") != "loaded":
        return None
    reader = _Reader()
    for item in _items(shown.get("Environment", "")):
        name, _, value = item.partition("=")
        reader.set(name, value, f"Environment= of {NAME}")
    files = [match for name, _, value in lines if name == "EnvironmentFiles" and (match := _FILE.fullmatch(value))]
    for file in files:
        reader.read_environment(file[1], optional=file[2] == "yes")
    folder = Path(shown.get("WorkingDirectory", "").lstrip("!-") or "/")
    reader.check(folder / ".env", optional=True)
    reader.token()
    reader.check_tls()
    state_folders = tuple(_STATE / name for name in shown.get("StateDirectory", "").split())
    if state_folders:
        reader.environment["STATE_DIRECTORY"] = ":".join(map(str, state_folders))
    groups = (shown.get("Group", ""), *shown.get("SupplementaryGroups", "").split())
    return Unit(
        active=shown.get("ActiveState", ""),
        user=shown.get("User") or "root",
        groups=tuple(group for group in groups if group),
        folder=folder,
        environment=reader.environment,
        places=reader.places,
        settings_file=files[-1][1] if files else f"Environment= of {NAME}",
        unreadable=tuple(reader.unreadable),
        missing=tuple(reader.missing),
        state_folders=state_folders,
    )


class _Reader:
    """Collects the variables of the unit, and the files that cannot be read."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.unreadable: list[str] = []
        self.missing: list[str] = []

    def set(self, name: str, value: str, place: str) -> None:
        self.environment[name], self.places[name] = value, place

    def check(self, file: Path, *, optional: bool) -> bool:
        """Whether this user can read a file. If not, it is noted as unreadable, or as missing if it is not optional."""
        try:
            with file.open("rb"):
                return True
        except FileNotFoundError:
            if not optional:
                self.missing.append(str(file))
        except OSError:
            self.unreadable.append(str(file))
        return False

    def read_environment(self, pattern: str, *, optional: bool) -> None:
        """Read a file of EnvironmentFile=; its name may be a pattern for several files."""
        for name in sorted(glob.glob(pattern)) or [pattern]:
            if self.check(Path(name), optional=optional):
                for variable, value in variables(Path(name).read_text(errors="surrogateescape")):
                    self.set(variable, value, name)

    def token(self) -> None:
        """Set API_TOKEN_FILE to the credential if no token is set. Remove it if this user cannot read its file."""
        if self.environment.get("API_TOKEN"):
            return
        if given := self.environment.get("API_TOKEN_FILE"):
            if not self.check(Path(given), optional=True) and given in self.unreadable:
                del self.environment["API_TOKEN_FILE"]
        elif (credential := _credential("api_token")) and self.check(Path(credential), optional=False):
            self.set("API_TOKEN_FILE", credential, f"LoadCredential= of {NAME}")

    def check_tls(self) -> None:
        """Remove the settings of the TLS files if this user has no permission to look at one of the files."""
        names = [name for name in ("WS_TLS_CERT", "WS_TLS_KEY") if self.environment.get(name)]
        hidden = [self.environment[name] for name in names if not _visible(self.environment[name])]
        if hidden:
            self.unreadable += hidden
            for name in names:
                del self.environment[name]


def variables(text: str) -> Iterator[tuple[str, str]]:
    """The names and values in the text of a file for EnvironmentFile=."""
    place = 0
    while place < len(text):
        name, value = _VARIABLE.match(text, place), None
        if name is not None and (value := _VALUE.match(text, name.end())) is not None:
            yield name[1], _without_quotes(value)
        # Everything else is an empty line, a comment, or a line that systemd does not accept.
        place = text.find("\n", place if value is None else value.end()) + 1 or len(text)


def _without_quotes(value: re.Match[str]) -> str:
    parts = [
        single or re.sub(r'\\(["\\`$])', r"\1", double.replace("\\\n", ""))
        for single, double in _QUOTED.findall(value["quoted"])
    ]
    plain = re.sub(r"\\(.)", lambda escape: escape[1].strip("\n"), value["plain"].rstrip(), flags=re.DOTALL)
    return "".join(parts) + plain


def _items(shown: str) -> list[str]:
    """The items of a list as `systemctl show` prints it."""
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in _ITEM.findall(shown)]


def _credential(name: str) -> str | None:
    """The file of a credential of the unit. `systemctl show` cannot print this property, but `systemctl cat` can."""
    file = None
    for line in _systemctl("cat"):
        key, _, value = line.strip().partition("=")
        if key.strip() == "LoadCredential":
            given, _, place = value.strip().partition(":")
            if not value.strip():
                file = None  # an empty value removes all earlier ones
            elif given == name and os.path.isabs(place):
                file = place
    return file


def _visible(file: str) -> bool:
    try:
        os.stat(file)
    except FileNotFoundError:
        return True  # reported when the settings are read
    except OSError:
        return False
    return True


def _systemctl(command: str, *options: str) -> list[str]:
    """The lines that systemctl prints about the unit; none if it fails."""
    try:
        done = subprocess.run(
            ["systemctl", command, "--no-pager", *options, NAME],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="surrogateescape", timeout=_ANSWER_S,
            check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()
