"""Checks the lines of GPIO chips that release cameras (SHUTTER_LINES)."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from camera.model import ShutterLine
from doctor.account import READ, WRITE, Account
from doctor.findings import Finding

_DEVICES = Path("/dev")


def lines(entries: Sequence[str], account: Account, devices: Path = _DEVICES) -> list[Finding]:
    """For each chip of the setting, whether it exists, and whether a user may use it.

    Args:
        entries: the setting: cameras with their lines.
        account: the user of the server.
        devices: the folder of the device files.
    """
    return [
        _chip(devices / chip, account)
        for chip in sorted({ShutterLine.parse(entry.rpartition(":")[2]).chip for entry in entries})
    ]


def _chip(node: Path, account: Account) -> Finding:
    try:
        is_device = stat.S_ISCHR(node.stat().st_mode)
        allowed = account.may(node, READ | WRITE)
    except OSError as error:
        words = f"{node} of SHUTTER_LINES cannot be used: {error.strerror}"
        return Finding(
            "problem", words, "gpiodetect lists the chips of this machine (package gpiod); correct SHUTTER_LINES"
        )
    if not is_device:
        return Finding(
            "problem", f"{node} of SHUTTER_LINES is not a device", "gpiodetect lists the chips of this machine"
        )
    if allowed:
        return Finding("ok", f"user {account.name} may use {node}")
    try:
        group = node.group()
    except KeyError:
        group = "root"
    if group == "root":
        rule = 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"'
        fix = f"give the chips to a group with a udev rule: {rule}"
    else:
        fix = f"sudo usermod -aG {group} {account.name}, then log in again or restart the service"
    return Finding("problem", f"user {account.name} may not use {node} of SHUTTER_LINES", fix)
