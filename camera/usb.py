"""The USB bus as the kernel shows it: what is plugged in, whether it may be opened, and a reset of one device."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from camera.ending import end
from camera.errors import CameraError, CameraIO

_log = logging.getLogger("camera.usb")

DEVICES = Path("/sys/bus/usb/devices")
_NODES = Path("/dev/bus/usb")
_PORT = re.compile(r"usb:(\d{3}),(\d{3})")
# The kernel gives a device 5 s to answer its new address.
_RESET_DEADLINE_S = 8.0
_ROOT = Path(__file__).resolve().parent.parent


def signature() -> frozenset[str] | None:
    """What tells one population of the USB bus from another, None where it cannot be watched."""
    try:
        entries = list(DEVICES.iterdir())
    except OSError:
        return None
    marks = set()
    for entry in entries:
        number = ""
        with suppress(OSError):  # interfaces have none, and a device may leave while we look
            number = (entry / "devnum").read_text().strip()
        marks.add(f"{entry.name}:{number}")
    return frozenset(marks)


def serial_of(port: str) -> str | None:
    """The serial number that USB tells for a port such as usb:001,004, without opening the camera."""
    device = _device(port)
    return _told(device, "serial") or None if device is not None else None


def suspends(port: str) -> Path | None:
    """The file that has the kernel let this device sleep, where it does."""
    device = _device(port)
    if device is not None and _told(device, "power/control") == "auto":
        return device / "power/control"
    return None


def cameras() -> list[str]:
    """The names of the devices that the kernel takes for cameras (USB class 6, still image)."""
    if not DEVICES.is_dir():
        return []
    found = {entry.name.partition(":")[0] for entry in DEVICES.iterdir() if _told(entry, "bInterfaceClass") == "06"}
    return sorted(_told(DEVICES / name, "product") or name for name in found)


def _device(port: str) -> Path | None:
    place = _PORT.fullmatch(port)
    if place is None or not DEVICES.is_dir():
        return None
    wanted = [str(int(number)) for number in place.groups()]
    for entry in DEVICES.iterdir():
        if [_told(entry, "busnum"), _told(entry, "devnum")] == wanted:
            return entry
    return None


def _told(entry: Path, name: str) -> str:
    try:
        return (entry / name).read_text().strip()
    except (OSError, ValueError):
        return ""


def node_of(port: str) -> Path | None:
    """The device node of a USB port; None for other ports, and where there is no such node."""
    place = _PORT.fullmatch(port)
    node = _NODES / place.group(1) / place.group(2) if place else None
    return node if node is not None and node.exists() else None


def explained(port: str, error: CameraError) -> CameraError:
    """The error of an opening, or a plainer one where it was the permission that was missing."""
    node = node_of(port)
    if node is None or os.access(node, os.R_OK | os.W_OK):
        return error
    return CameraIO(
        f"No permission to use the camera ({node}). Install deploy/70-gphoto-ws-server.rules and plug the camera in "
        "again, or add the server's user to the group that owns this file. --doctor tells the command.",
        **error.details,
        node=str(node),
    )


async def reset(port: str) -> bool:
    """Reset a USB device, as pulling its plug for a moment would; whether that was done.

    In a process of its own: the call can block for as long as the device does.
    """
    node = node_of(port)
    if node is None:
        return False
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "camera.usb_reset", str(node),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(_ROOT)}, cwd="/", start_new_session=True,
    )  # fmt: skip
    said = b""
    try:
        async with asyncio.timeout(_RESET_DEADLINE_S):
            _, said = await process.communicate()
    except TimeoutError:
        said = b"no answer"
    finally:
        await end(process)
    words = said.decode(errors="replace").strip()
    _log.warning("%s: USB device reset%s", port, "" if process.returncode == 0 else f" failed: {words}")
    return process.returncode == 0
