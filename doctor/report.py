"""The complete report, printed line by line: `python gphoto_ws_server.py --doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from camera import detection
from camera.registry import network_camera
from doctor import cameras, machine, running
from doctor.findings import Finding
from settings import listen_policy
from settings.environment import Settings, SettingsError, load, state_folder, unknown_names


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


async def _examine(host: str | None, port: int | None) -> AsyncIterator[Finding]:
    try:
        settings = load()
        for words in unknown_names():
            yield Finding("note", words)
    except SettingsError as error:
        yield Finding(
            "problem", str(error), "correct it in .env or the environment; .env.example explains every setting"
        )
        return
    host, port = host or settings.ws_host, settings.ws_port if port is None else port
    for finding in _exposure_findings(host, settings):
        yield finding
    free = machine.port(host, port)
    effective = settings.model_copy(update={"ws_host": host, "ws_port": port})
    server = await asyncio.to_thread(running.examine, effective) if free.level == "problem" else []
    for finding in server or [free]:
        yield finding
    for finding in machine.folders(Path(settings.photo_dir), state_folder(settings)):
        yield finding
    for finding in machine.volume_monitors():
        yield finding
    if server:
        return
    try:
        found = await detection.detect(settings.disk_cameras)
    except detection.DetectionFailed as error:
        words = f"cameras cannot be detected: {error}"
        yield Finding("problem", words, "if it is about gphoto2: .venv/bin/pip install -r requirements.txt")
        return
    on_bus = found.cameras
    for finding in (*machine.libraries(found.library), *machine.bus(len(on_bus))):
        yield finding
    network = [network_camera(address) for address in settings.network_cameras]
    for camera in (*on_bus, *network):
        for finding in await cameras.examine(camera):
            yield finding
    if not on_bus and not network:
        words = "no camera was found: none on USB, none in NETWORK_CAMERAS"
        yield Finding("problem", words, "switch the camera on and plug it in; to try without a camera: make demo")


def _exposure_findings(host: str, settings: Settings) -> list[Finding]:
    try:
        return [Finding("note", words) for words in listen_policy.check(host, settings)]
    except listen_policy.ListenRefused as error:
        return [Finding("problem", str(error), error.fix)]
