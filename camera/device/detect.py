"""Detects cameras on USB, and prints a `Detected` as JSON. A program of camera/device/program.py.

Runs in its own process, because detection in libgphoto2 holds the GIL and leaks about 1 KB per call.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from camera.codec import codec
from camera.device.driver import detect, library_version
from camera.model import Detected
from camera.ports import serial_of


def main(arguments: list[str]) -> int:
    """Detect the cameras; returns the exit code. There are no arguments."""
    cameras = [replace(camera, serial=serial_of(camera.port)) for camera in detect()]
    json.dump(codec(Detected).encode(Detected(library_version(), cameras)), sys.stdout)
    return 0
