"""One look at the USB bus, in a process that ends: `python -m camera.detect` prints the cameras as JSON.

In a process of its own because libgphoto2's detection holds the GIL and leaks (about 1 KB a call).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from camera.driver import detect, library_version
from camera.model import DetectedCamera, to_json

USB_DEVICES = Path("/sys/bus/usb/devices")


def _serial_of(port: str) -> str | None:
    """The serial number that USB tells for a port such as usb:001,004, without opening the camera."""
    bus, _, device = port.removeprefix("usb:").partition(",")
    if not USB_DEVICES.is_dir() or not (bus.isdigit() and device.isdigit()):
        return None
    for entry in USB_DEVICES.iterdir():
        try:
            if int((entry / "busnum").read_text()) == int(bus) and int((entry / "devnum").read_text()) == int(device):
                return (entry / "serial").read_text().strip() or None
        except (OSError, ValueError):
            continue
    return None


def _with_serial(camera: DetectedCamera) -> DetectedCamera:
    return DetectedCamera(camera.model, camera.port, camera.capabilities, _serial_of(camera.port))


if __name__ == "__main__":
    cameras = [to_json(_with_serial(camera)) for camera in detect()]
    json.dump({"library": library_version(), "cameras": cameras}, sys.stdout)
