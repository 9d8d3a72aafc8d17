"""Resets one USB device. A program of camera/device/program.py, with a node such as /dev/bus/usb/001/004 as its argument."""

from __future__ import annotations

import fcntl
import os

# USBDEVFS_RESET of linux/usbdevice_fs.h: _IO('U', 20).
_USBDEVFS_RESET = 0x5514


def main(arguments: list[str]) -> int:
    """Reset the device; returns the exit code. 1 means that the reset failed; the reason is on stdout."""
    node = arguments[0]
    try:
        descriptor = os.open(node, os.O_WRONLY)
        try:
            fcntl.ioctl(descriptor, _USBDEVFS_RESET, 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        print(f"{node}: {error.strerror}")
        return 1
    return 0
