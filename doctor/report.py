"""The complete report, printed line by line: `python gphoto_ws_server.py --doctor`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from camera import detection
from camera.registry import network_camera
from doctor import cameras, machine, outgoing, rules, running
from doctor.account import Account, current, named
from doctor.findings import Finding
from doctor.lines import lines
from doctor.unit import NAME, Unit, installed
from settings import listen_policy
from settings.environment import (
    ENVIRONMENT,
    Loaded,
    Settings,
    SettingsError,
    load_with_sources,
    state_folder,
    unknown_names,
)
from settings.in_force import in_force

_WITH_SUDO = "run this with sudo"


def run(host: str | None, port: int | None) -> int:
    """Print the findings. Returns the exit code: 1 if there is a problem, otherwise 0."""
    return asyncio.run(_print(host, port))


async def _print(host: str | None, port: int | None) -> int:
    problems = 0
    async for finding in _examine(host, port):
        problems += finding.level == "problem"
        print(finding, flush=True)
    print(f"{problems or 'No'} problem{'s'[: problems != 1]} found.")
    return 1 if problems else 0


@dataclass(frozen=True, slots=True)
class _Server:
    """The server that is examined: its settings, its user, and its unit if it is installed as a service."""

    settings: Settings
    state_folder: Path
    account: Account
    unit: Unit | None

    @property
    def is_known(self) -> bool:
        """Whether all settings are known: this user can read all files with settings."""
        return self.unit is None or not self.unit.unreadable


async def _examine(host: str | None, port: int | None) -> AsyncIterator[Finding]:
    unit = await asyncio.to_thread(installed)
    try:
        loaded, warnings = _settings(unit)
    except SettingsError as error:
        place = unit.settings_file if unit else ".env or the environment"
        yield Finding("problem", str(error), f"correct it in {place}; .env.example explains every setting")
        return
    loaded = loaded.overridden("command line", ws_host=host, ws_port=port)
    settings = loaded.settings
    yield Finding("ok", f"settings of {_place(unit)}: {in_force(loaded)}")
    for words in warnings:
        yield Finding("note", words)
    try:
        account = named(unit.user, unit.groups) if unit else current()
    except LookupError as error:
        yield Finding("problem", f"the user of {NAME} does not exist: {error}", rules.INSTALL_USER)
        return
    server = _Server(settings, state_folder(settings, unit.environment if unit else None), account, unit)
    if unit is not None:
        for finding in _unit_findings(unit):
            yield finding
    if server.is_known:
        for finding in _exposure_findings(server):
            yield finding
    free = machine.port(settings.ws_host, settings.ws_port)
    running_server = await asyncio.to_thread(_running, server) if free.level == "problem" else []
    for finding in running_server or [free]:
        yield finding
    created = unit.state_folders if unit else ()
    for finding in machine.folders(_photo_folder(server), server.state_folder, account, created):
        yield finding
    chips = lines(settings.shutter_lines, account)
    for finding in (*machine.volume_monitors(), *cameras.permissions(account), *chips, *_outgoing_findings(server)):
        yield finding
    if not running_server:
        async for finding in _camera_findings(server):
            yield finding


async def _camera_findings(server: _Server) -> AsyncIterator[Finding]:
    """Detect the cameras, and open each of them."""
    try:
        found = await detection.detect(server.settings.disk_cameras)
    except detection.DetectionFailed as error:
        words = f"cameras cannot be detected: {error}"
        yield Finding("problem", words, "if the reason is about gphoto2: .venv/bin/pip install -r requirements.txt")
        return
    on_bus = found.cameras
    for finding in (*machine.libraries(found.library), *machine.bus(len(on_bus))):
        yield finding
    network = [network_camera(address) for address in server.settings.network_cameras]
    for camera in (*on_bus, *network):
        for finding in await cameras.examine(camera, server.account):
            yield finding
    if not on_bus and not network:
        words = "no camera was found: none on USB, none in NETWORK_CAMERAS"
        yield Finding("problem", words, "switch the camera on and plug it in; to try without a camera: make demo")


def _settings(unit: Unit | None) -> tuple[Loaded, list[str]]:
    """The settings of the unit (without a unit: of this folder and environment), and warnings about unknown names.

    Raises:
        SettingsError: a value is not allowed, or a file cannot be read.
    """
    if unit is None:
        return load_with_sources(), unknown_names()
    dotenv = unit.folder / ".env"
    if str(dotenv) in unit.unreadable:
        dotenv = Path(os.devnull)
    loaded = load_with_sources(unit.environment, dotenv)
    sources = {
        name: unit.places[name.upper()] if source == ENVIRONMENT else source for name, source in loaded.sources.items()
    }
    return Loaded(loaded.settings, sources), unknown_names(dotenv)


def _place(unit: Unit | None) -> str:
    if unit is not None:
        return f"the service {NAME}, user {unit.user}"
    dotenv = Path.cwd() / ".env"
    return f"{dotenv} and the environment" if dotenv.exists() else f"the environment (there is no {dotenv})"


def _photo_folder(server: _Server) -> Path:
    return (server.unit.folder if server.unit else Path.cwd()) / server.settings.photo_dir


def _unit_findings(unit: Unit) -> list[Finding]:
    """The problems of the service itself, and the files of it that this user cannot read."""
    findings = []
    for file in unit.missing:
        words = f"{file} does not exist, so the service does not start"
        findings.append(Finding("problem", words, "deploy/README.md shows how to make it"))
    for file in unit.unreadable:
        findings.append(Finding("note", f"{file} is not readable by this user, so it was not checked", _WITH_SUDO))
    if unit.active == "failed":
        findings.append(Finding("problem", "the service has failed", f"journalctl -u {NAME} -n 50"))
    elif unit.active == "inactive":
        findings.append(Finding("note", "the service is not running", f"sudo systemctl start {NAME}"))
    return findings


def _exposure_findings(server: _Server) -> list[Finding]:
    settings = server.settings
    try:
        return [Finding("note", words) for words in listen_policy.check(settings.ws_host, settings)]
    except listen_policy.ListenRefused as error:
        unit = server.unit
        fix = f"change it in {unit.settings_file}, then: sudo systemctl restart {NAME}" if unit else error.fix
        return [Finding("problem", str(error), fix)]


def _outgoing_findings(server: _Server) -> list[Finding]:
    unit = server.unit
    folder, environment = (unit.folder, unit.environment) if unit else (Path.cwd(), os.environ)
    return outgoing.examine(server.settings, folder, server.account, environment)


def _running(server: _Server) -> list[Finding]:
    """Findings about the server that uses the port; empty if another program uses it."""
    how_to_see = _WITH_SUDO if server.unit else "run this again with the server's API_TOKEN"
    findings = running.examine(server.settings, how_to_see)
    if findings or server.is_known or server.unit is None or server.unit.active != "active":
        return findings
    # Without the settings that this user cannot read, for example those of TLS, the doctor cannot ask the server.
    words = f"port {server.settings.ws_port} is in use, and the service is running; it was not examined"
    return [Finding("note", words, _WITH_SUDO)]
