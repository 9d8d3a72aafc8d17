"""Connects a process to a simulated USB bus. Because of tests/support/usb.py, each process runs it first.

It replaces everything by which a process of the server uses the kernel's USB bus, and nothing else:

- libusb, by the stand-in: the library is loaded first, under the name that libgphoto2's `usb:` port looks for;
- the folders /sys/bus/usb/devices and /dev/bus/usb;
- the system call that resets a device;
- one rule of the sandbox: the simulated bus is a TCP connection, so a camera process on a `usb:` port may use TCP. The
  rules for files still apply.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from camera import ports
from camera.device import kernel

_USBDEVFS_RESET = 0x5514
_ERRNO = {-4: errno.ENODEV, -6: errno.EBUSY}


def connect(library: str, devices: str, nodes: str) -> None:
    """Connect this process to a simulated bus.

    Args:
        library: the compiled stand-in for libusb.
        devices: the folder in the form of /sys/bus/usb/devices.
        nodes: the folder in the form of /dev/bus/usb.
    """
    os.environ["USB_STANDIN"] = devices
    ports.DEVICES, ports._NODES = Path(devices), Path(nodes)
    standin = ctypes.CDLL(library)
    landlock = kernel.landlock

    def landlock_with_network(allowed: Mapping[Path, int], *, network: bool) -> bool:
        return landlock(allowed, network=True)

    kernel.landlock = landlock_with_network
    setattr(fcntl, "ioctl", partial(_ioctl, standin, fcntl.ioctl))  # noqa: B010


def _ioctl(standin: ctypes.CDLL, system_call: Any, fd: int, request: int, *arguments: Any) -> Any:
    """fcntl.ioctl. A reset goes to the simulated device whose bus and number are in the path of the opened file."""
    if request != _USBDEVFS_RESET:
        return system_call(fd, request, *arguments)
    node = Path(os.readlink(f"/proc/self/fd/{fd}"))
    failure = standin.standin_reset(int(node.parent.name), int(node.name))
    if failure:
        number = _ERRNO.get(failure, errno.EIO)
        raise OSError(number, os.strerror(number))
    return 0
