"""USB devices and mounted drives, as the kernel shows them.

libgphoto2 presents mounted drives with a DCIM folder as cameras on `disk:` ports.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from camera.errors import CameraError, PortGone

DEVICES = Path("/sys/bus/usb/devices")
_NODES = Path("/dev/bus/usb")
_MOUNTS = Path("/proc/self/mounts")
_PORT = re.compile(r"usb:(\d{3}),(\d{3})")


# -- USB


def signature() -> frozenset[str] | None:
    """A value that changes whenever a USB device is added or removed; None if the USB bus cannot be watched."""
    try:
        entries = list(DEVICES.iterdir())
    except OSError:
        return None
    marks = set()
    for entry in entries:
        number = ""
        with suppress(OSError):  # interfaces have no device number, and a device may be removed during the loop
            number = (entry / "devnum").read_text().strip()
        marks.add(f"{entry.name}:{number}")
    return frozenset(marks)


def serial_of(port: str) -> str | None:
    """The USB serial number for a port such as usb:001,004, read without opening the camera."""
    device = _device(port)
    return _read(device, "serial") or None if device is not None else None


def suspends(port: str) -> Path | None:
    """The file that controls USB autosuspend of the device on a port; None if autosuspend is not enabled."""
    device = _device(port)
    if device is not None and _read(device, "power/control") == "auto":
        return device / "power/control"
    return None


@dataclass(frozen=True, slots=True)
class UsbCamera:
    """A USB device of class 6: the name of the product, and its port, such as usb:001,004."""

    name: str
    port: str


def usb_cameras() -> list[UsbCamera]:
    """The USB devices of class 6 (still image), which are cameras, sorted by name."""
    if not DEVICES.is_dir():
        return []
    found = {entry.name.partition(":")[0] for entry in DEVICES.iterdir() if _read(entry, "bInterfaceClass") == "06"}
    cameras = [
        UsbCamera(_read(DEVICES / name, "product") or name, f"usb:{bus.zfill(3)},{number.zfill(3)}")
        for name in found
        # a device that was removed during the loop has no numbers any more
        if (bus := _read(DEVICES / name, "busnum")) and (number := _read(DEVICES / name, "devnum"))
    ]
    return sorted(cameras, key=lambda camera: (camera.name, camera.port))


def node_of(port: str) -> Path | None:
    """The device file of a USB port; None if `port` is not a USB port or the file does not exist."""
    place = _PORT.fullmatch(port)
    node = _NODES / place.group(1) / place.group(2) if place else None
    return node if node is not None and node.exists() else None


def is_gone(port: str) -> bool:
    """Whether a USB port has lost its device, as the kernel shows. False for other ports, and if that cannot be read.

    In a container, the device file of a camera that was plugged in again may be missing, although the device is there.
    """
    if not is_usb(port):
        return False
    try:
        shown = DEVICES.is_dir()
        return (shown or _NODES.is_dir()) and node_of(port) is None and (not shown or _device(port) is None)
    except OSError:
        return False


def unless_gone(port: str, error: CameraError) -> CameraError:
    """The error of a failed operation: PortGone if the device has left its port, otherwise `error`.

    For a device that is gone, libgphoto2 reports various codes, for example -2 (bad parameters) without a text.
    """
    return port_gone(port, error) if is_gone(port) else error


def port_gone(port: str, error: CameraError | None = None) -> PortGone:
    """The error for a port without a device; `error` is the failure that was observed, if any."""
    words = f"The camera is gone: port {port} no longer exists. Plug the camera in or switch it on."
    if error is None:
        return PortGone(words, state="absent")
    return PortGone(words, gp=error.gp, doing=error.doing, state="absent")


def forbidden_node(port: str) -> Path | None:
    """The device file of a USB port, if it exists and this user has no permission to read and write it; else None."""
    node = node_of(port)
    return None if node is None or os.access(node, os.R_OK | os.W_OK) else node


def _device(port: str) -> Path | None:
    place = _PORT.fullmatch(port)
    if place is None or not DEVICES.is_dir():
        return None
    wanted = [str(int(number)) for number in place.groups()]
    for entry in DEVICES.iterdir():
        if [_read(entry, "busnum"), _read(entry, "devnum")] == wanted:
            return entry
    return None


def _read(entry: Path, name: str) -> str:
    try:
        return (entry / name).read_text().strip()
    except (OSError, ValueError):
        return ""


def is_usb(port: str) -> bool:
    """Whether a port is on the USB bus, where a camera gets another port whenever it is plugged in."""
    return _PORT.fullmatch(port) is not None


# -- drives


def is_drive(port: str) -> bool:
    """Whether a port is a mounted drive."""
    return port.startswith("disk:")


def leads_out(port: str, path: bytes) -> bool:
    """Whether a path on a drive leads outside the drive through a symbolic link; always False for other ports."""
    if not is_drive(port):
        return False
    root = os.path.realpath(os.fsencode(port.removeprefix("disk:")))
    return os.path.commonpath((root, os.path.realpath(root + path))) != root


def mounted() -> frozenset[str]:
    """A value that changes whenever a drive is mounted or unmounted."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    return frozenset(" ".join(line.split(" ")[:2]) for line in lines)
