"""One look at the USB bus, in a process that ends: `python -m camera.device.detect` prints a `Detected` as JSON.

In a process of its own because libgphoto2's detection holds the GIL and leaks (about 1 KB a call).
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from camera.codec import codec
from camera.device.driver import detect, library_version
from camera.model import Detected
from camera.ports import serial_of

if __name__ == "__main__":
    cameras = [replace(camera, serial=serial_of(camera.port)) for camera in detect()]
    json.dump(codec(Detected).encode(Detected(library_version(), cameras)), sys.stdout)
