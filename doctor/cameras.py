"""Checks each camera: permission, opening, battery, card, power management."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from camera import ports
from camera.detection import warn_if_old
from camera.errors import CameraClaimed, CameraError, NoPermission, NotSupported
from camera.model import DetectedCamera
from camera.processes.process import CameraProcess
from camera.processes.process_log import LineBudget
from camera.processes.spawn import ProcessOptions, SpawnedProcess
from camera.reconnect import open_error
from camera.remote import RemoteCamera
from camera.upkeep import battery_warnings, card_warnings
from doctor.findings import Finding


async def examine(camera: DetectedCamera) -> list[Finding]:
    """Open a camera in its own process, check it, and release it."""
    findings = sleep(camera.port)
    options = ProcessOptions(camera.port, camera.model, "")
    process = CameraProcess(options, lambda event: None, SpawnedProcess(options, LineBudget()))
    try:
        await process.open()
    except CameraError as error:
        plain = await open_error(camera.port, error)
        return [*findings, Finding("problem", f"{camera.model} on {camera.port}: {plain.message}", _fix(plain))]
    try:
        warn_if_old(process.library)
        identity = process.identity
        name = identity.model if identity else camera.model
        serial = f", serial {identity.serial}" if identity and identity.serial else ""
        findings.append(Finding("ok", f"{name} on {camera.port}{serial} opens and answers"))
        findings += [
            Finding("note", f"{name}: {words}") for words in await _warnings(RemoteCamera(process.call, process.close))
        ]
    finally:
        await process.close()
    return findings


def sleep(port: str) -> list[Finding]:
    """A note if the kernel may suspend the camera."""
    asleep = ports.suspends(port)
    if asleep is None:
        return []
    words = f"{port}: the kernel may suspend this camera (USB autosuspend)"
    return [Finding("note", words, f"echo on | sudo tee {asleep}   (permanently: deploy/70-gphoto-ws-server.rules)")]


def permission(node: Path) -> str:
    """The fix if the user may not open a device file: join the group of the file.

    If the group is root, the udev rules must be installed first.
    """
    user, number = os.environ.get("USER") or os.getuid(), 0
    with suppress(OSError):  # the file no longer exists, because the camera has just been plugged in again
        number = node.stat().st_gid
    if number:
        try:
            return f"sudo usermod -aG {node.group()} {user}, then log in again"
        except KeyError:  # in a container the group of the device file may have no name
            return f"set USB_GROUP={number} (see compose.yaml)"
    rules = 'the lines of deploy/README.md below "The user, and cameras for its group"'
    return f"{rules}; sudo usermod -aG gphoto-ws {user}; then log in again"


def _fix(error: CameraError) -> str:
    if isinstance(error, NoPermission):
        return permission(Path(error.node))
    if isinstance(error, CameraClaimed) and error.holders is None:
        monitor = "systemctl --user mask --now gvfs-gphoto2-volume-monitor.service"
        return f"run this with sudo to see which program; if it is the volume monitor: {monitor}"
    return ""


async def _warnings(camera: RemoteCamera) -> list[str]:
    warnings: list[str] = []
    with suppress(CameraError):  # many cameras report no battery
        warnings += battery_warnings(str((await camera.get_config("batterylevel")).value))
    try:
        cards = await camera.storage()
        warnings += card_warnings(cards)
        warnings += [] if cards else ["It has no card."]
    except NotSupported:
        pass
    except CameraError as error:
        warnings.append(f"Its storage cannot be read: {error.message}")
    return warnings
