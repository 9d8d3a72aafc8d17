"""Protects the server's memory, and the token in its environment, from other processes of the same user."""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path

from camera.device import kernel

_log = logging.getLogger("isolation")

# Fields of /proc/PID/stat after the name, counted from 0: start and end of the process's initial environment.
_ENV_START, _ENV_END = 47, 48


def isolate(secret: str, *, debuggable: bool) -> None:
    """Protect this process's memory from other processes of the user, and remove a secret from its environment.

    Root can still read the memory. Child processes are not protected, but they cannot gain privileges.

    Args:
        secret: the name of the environment variable.
        debuggable: allow debuggers and profilers of the same user.
    """
    os.environ.pop(secret, None)
    _wipe(secret.encode() + b"=")
    kernel.prctl(kernel.NO_NEW_PRIVILEGES, 1)
    if not debuggable and not kernel.prctl(kernel.DUMPABLE, 0):
        _log.warning("Other programs of this user can read the server's memory, which contains the token")


def report() -> None:
    """Log whether camera processes are confined by Landlock, which older kernels do not have."""
    if version := kernel.landlock_version():
        _log.info("Camera processes are confined by Landlock (version %d)", version)
    else:
        _log.warning(
            "This kernel has no Landlock: camera processes can read everything that the server's user can read"
        )


def _wipe(start: bytes) -> None:
    """Overwrite the value of an environment variable in the memory that /proc/PID/environ shows.

    Removing the variable from `os.environ` changes only the copy of the C library.
    """
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
