"""Mounted drives with a DCIM folder, which libgphoto2 shows as cameras on `disk:` ports."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")


def is_drive(port: str) -> bool:
    """Whether a port is a mounted drive."""
    return port.startswith("disk:")


def leads_out(port: str, path: bytes) -> bool:
    """Whether a path on a drive reaches another place of this machine through a link; never on other ports."""
    if not is_drive(port):
        return False
    root = os.path.realpath(os.fsencode(port.removeprefix("disk:")))
    return os.path.commonpath((root, os.path.realpath(root + path))) != root


def mounted() -> frozenset[str]:
    """Where something is mounted, as lines that change when a drive comes or goes."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    return frozenset(" ".join(line.split(" ")[:2]) for line in lines)
