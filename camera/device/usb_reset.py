"""Resets one USB device and exits: `python -m camera.device.usb_reset /dev/bus/usb/001/004`."""

from __future__ import annotations

import fcntl
import os
import sys

# USBDEVFS_RESET of linux/usbdevice_fs.h: _IO('U', 20).
_USBDEVFS_RESET = 0x5514


def main(node: str) -> int:
    """Reset the device; returns the exit code. 1 means that the reset failed; the reason is on stdout."""
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
