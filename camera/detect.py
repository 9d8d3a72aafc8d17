"""One look at the USB bus, in a process that ends: `python -m camera.detect` prints the cameras as JSON.

In a process of its own because libgphoto2's detection holds the GIL and leaks (about 1 KB a call).
"""

from __future__ import annotations

import json
import sys

from camera.driver import detect, library_version
from camera.model import DetectedCamera, to_json
from camera.usb import serial_of


def _with_serial(camera: DetectedCamera) -> DetectedCamera:
    return DetectedCamera(camera.model, camera.port, camera.capabilities, serial_of(camera.port))


if __name__ == "__main__":
    cameras = [to_json(_with_serial(camera)) for camera in detect()]
    json.dump({"library": library_version(), "cameras": cameras}, sys.stdout)
