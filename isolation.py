"""What the server keeps from other processes of its user: its memory, and the token in its environment."""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path

from camera.device import kernel

_log = logging.getLogger("isolation")

# Fields of /proc/PID/stat, counted from 0 behind the name: where the environment lies that the process was started with.
_ENV_START, _ENV_END = 47, 48


def isolate(secret: str, *, debuggable: bool) -> None:
    """Keep this process's memory from others of its user, and a secret out of the environment that it came with.

    Root may still look. Children get none of it but that no program gives them more rights.

    Args:
        secret: the variable's name.
        debuggable: leave the memory open to debuggers and profilers of the same user.
    """
    os.environ.pop(secret, None)
    _wipe(secret.encode() + b"=")
    kernel.prctl(kernel.NO_NEW_PRIVILEGES, 1)
    if not debuggable and not kernel.prctl(kernel.DUMPABLE, 0):
        _log.warning("Other programs of this user can read the server's memory, which contains the token")


def report() -> None:
    """Say whether camera processes are confined, which only newer kernels can do."""
    if version := kernel.landlock_version():
        _log.info("Camera processes are confined by Landlock (version %d)", version)
    else:
        _log.warning(
            "This kernel has no Landlock: camera processes can read everything that the server's user can read"
        )


def _wipe(start: bytes) -> None:
    """Write zeros over the value of a variable where the kernel shows it: removing it only makes the C library forget."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(fields[_ENV_START]), int(fields[_ENV_END])
        block = Path("/proc/self/environ").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if not begin or end - begin < len(block):
        return
    offset = 0
    for variable in block.split(b"\0"):
        if variable.startswith(start):
            ctypes.memset(begin + offset + len(start), 0, len(variable) - len(start))
        offset += len(variable) + 1
