"""Restricts a camera process: it may use its own code and the camera, but no other files of its user."""

from __future__ import annotations

import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from camera.device import kernel

_DEVICE_CODE = Path(__file__).resolve().parent
# Where various systems have programs and libraries. Home folders, /etc, /run and settings files are not included.
_CODE = ("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# Other files that the C library and libgphoto2 read: library paths, the time zone, mounts.
_SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mtab",
    "/etc/fstab",
    "/proc/self",
    "/run/udev",
)
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "CAMLIBS", "IOLIBS")
# Ports that contain a path, such as disk:/media/card or serial:/dev/ttyS0.
_FILE = re.compile(r"[a-z]+:(/.+)")


def confine(port: str, devices: Iterable[Path] = ()) -> bool:
    """Restrict this process to what the camera on `port` needs, and to `devices`; returns whether the kernel supports that.

    Call this after all imports, before the camera is opened.
    """
    rights = dict.fromkeys(_code(), kernel.READ)
    rights |= {Path(name): kernel.READ for name in (*_SYSTEM_FILES, "/sys")}
    rights |= {Path("/dev/bus/usb"): kernel.DEVICES, Path("/dev/null"): kernel.DEVICES}
    rights |= dict.fromkeys(devices, kernel.DEVICES)
    rights[Path("/dev/urandom")] = kernel.READ
    if folder := os.environ.get("VCAMERADIR"):  # used by libgphoto2's virtual camera
        rights[Path(folder)] = kernel.EVERYTHING
    if library_paths := _FILE.fullmatch(port):
        rights[Path(library_paths.group(1))] = kernel.EVERYTHING
    return kernel.landlock(rights, network=not port.startswith("usb:"))


def _code() -> set[Path]:
    python_paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    library_paths = {part for name in _LIBRARY_PATHS for part in os.environ.get(name, "").split(":") if part}
    return (
        {Path(name) for name in {*_CODE, *python_paths, *library_paths, site.getusersitepackages()}}
        | {_DEVICE_CODE}
        | _mapped()
    )


def _mapped() -> set[Path]:
    """The files of the loaded libraries. For libgphoto2, its folder, because it also contains the drivers."""
    with open("/proc/self/maps") as maps:
        names = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    files = {Path(name) for name in names if ".so" in name}
    return {file.parent if file.name.startswith("libgphoto2") else file for file in files}
