"""Detects cameras on USB: `python -m camera.device.detect` prints a `Detected` as JSON and exits.

Runs in its own process, because detection in libgphoto2 holds the GIL and leaks about 1 KB per call.
"""

from __future__ import annotations

import gc
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
    gc.freeze()  # as in camera/device/worker.py
