"""Checks each camera: permission, opening, battery, card, power management."""

from __future__ import annotations

import grp
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
from doctor import rules
from doctor.account import READ, WRITE, Account
from doctor.findings import Finding


def permissions(account: Account) -> list[Finding]:
    """For each camera on USB, whether a user may read and write its device file."""
    findings = []
    for camera in ports.usb_cameras():
        node = ports.node_of(camera.port)
        if node is None:
            continue  # the device was removed, or this container has no device files
        try:
            allowed = account.may(node, READ | WRITE)
        except OSError:  # the camera was unplugged meanwhile
            continue
        if allowed:
            findings.append(Finding("ok", f"user {account.name} may use {camera.name} on {camera.port}"))
        else:
            words = f"user {account.name} may not use {camera.name} on {camera.port} ({node})"
            findings.append(Finding("problem", words, permission(node, account)))
    return findings


async def examine(camera: DetectedCamera, account: Account) -> list[Finding]:
    """Open a camera in its own process, check it, and release it. `account` is the user of the server."""
    findings = sleep(camera.port)
    node = ports.forbidden_node(camera.port)
    if node is not None and not account.is_current:
        return [*findings, _not_opened(camera, node, account)]
    options = ProcessOptions(camera.port, camera.model, "")
    process = CameraProcess(options, lambda event: None, SpawnedProcess(options, LineBudget()))
    try:
        await process.open()
    except CameraError as error:
        plain = await open_error(camera.port, error)
        return [
            *findings,
            Finding("problem", f"{camera.model} on {camera.port}: {plain.message}", _fix(plain, account)),
        ]
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


def _not_opened(camera: DetectedCamera, node: Path, account: Account) -> Finding:
    """The finding for a camera that the doctor has no permission to open. The server may have the permission."""
    if account.may(node, READ | WRITE):
        words = f"{camera.model} on {camera.port} was not opened, because only the user of the server may use it"
        return Finding("note", words, "run this with sudo to open it")
    words = f"{camera.model} on {camera.port} was not opened: user {account.name} may not use {node}"
    return Finding("problem", words, permission(node, account))


def sleep(port: str) -> list[Finding]:
    """A note if the kernel may suspend the camera."""
    asleep = ports.suspends(port)
    if asleep is None:
        return []
    words = f"{port}: the kernel may suspend this camera (USB autosuspend)"
    return [Finding("note", words, f"echo on | sudo tee {asleep}   (permanently: deploy/70-gphoto-ws-server.rules)")]


def permission(node: Path, account: Account) -> str:
    """How a user gets the permission to use a device file: commands for the udev rules and group, or USB_GROUP."""
    gid = None
    with suppress(OSError):  # the file no longer exists, because the camera has just been plugged in again
        gid = node.stat().st_gid
    if gid:
        try:
            node.group()
        except KeyError:  # in a container the group of the device file may have no name
            return f"set USB_GROUP={gid} (see compose.yaml)"
    fixes = [] if rules.are_installed() else [rules.INSTALL]
    try:
        group = grp.getgrnam(rules.GROUP).gr_gid
    except KeyError:  # the commands that install the rules also create the group
        group = None
    if rules.are_installed() and gid != group:
        fixes.append(f"{rules.APPLY} (or plug the camera in again)")
    if group is None or group not in account.groups:
        fixes.append(f"sudo usermod -aG {rules.GROUP} {account.name}, then log in again or restart the service")
    return "; ".join(fixes)


def _fix(error: CameraError, account: Account) -> str:
    if isinstance(error, NoPermission):
        return permission(Path(error.node), account)
    if isinstance(error, CameraClaimed) and error.holders is None:
        monitor = "systemctl --user mask --now gvfs-gphoto2-volume-monitor.service"
        return f"run this with sudo to see which program it is; if it is the volume monitor: {monitor}"
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
