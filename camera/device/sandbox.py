"""What a camera's process may use of the machine: its own code, the camera, nothing else that its user may read."""

from __future__ import annotations

import os
import re
import site
import sys
import sysconfig
from pathlib import Path

from camera.device import kernel

_DEVICE_CODE = Path(__file__).resolve().parent
# Programs and libraries, also of systems that have them elsewhere. No home, no /etc, no /run, no settings file.
_CODE = ("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# What the C library and libgphoto2 read by the way: where libraries are, the time zone, what is mounted.
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
# Ports that name a file, such as disk:/media/card or serial:/dev/ttyS0.
_FILE = re.compile(r"[a-z]+:(/.+)")


def confine(port: str) -> bool:
    """Leave this process only what a camera on `port` needs; whether the kernel can do that.

    To be called once everything is imported, before the camera is opened.
    """
    rights = dict.fromkeys(_code(), kernel.READ)
    rights |= {Path(name): kernel.READ for name in (*_SYSTEM_FILES, "/sys")}
    rights |= {Path("/dev/bus/usb"): kernel.DEVICES, Path("/dev/null"): kernel.DEVICES}
    rights[Path("/dev/urandom")] = kernel.READ
    if folder := os.environ.get("VCAMERADIR"):  # of libgphoto2's virtual camera
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
    """The libraries that are loaded already; of libgphoto2's own the folder, beneath which its drivers lie."""
    with open("/proc/self/maps") as maps:
        names = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    files = {Path(name) for name in names if ".so" in name}
    return {file.parent if file.name.startswith("libgphoto2") else file for file in files}
