"""Notifications of the kernel about changes of USB devices (uevents).

The kernel sends them over netlink, to every process that listens; no permission is needed. udev sends each one again
after it has processed it. Only then does the device file have its final permissions.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Self

# From linux/netlink.h: the protocol of uevents. Multicast group 1 has the kernel's messages, and group 2 those of udev.
_KOBJECT_UEVENT, _GROUPS = 15, 1 | 2
_LARGEST_MESSAGE = 64 * 1024
_UDEV_MAGIC = b"libudev\0"


def listen() -> socket.socket | None:
    """A socket that receives uevents; None if this system has none, for example in some containers."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _KOBJECT_UEVENT)
    except OSError:
        return None
    try:
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        return None
    return sock


class Uevents:
    """Waits for changes of USB devices. A context manager, which closes the socket at its end.

    Args:
        sock: the socket of `listen`; with None, each wait lasts for its whole time.
    """

    def __init__(self, sock: socket.socket | None) -> None:
        self._socket = sock
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        if self._socket is not None:
            self._socket.setblocking(False)
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def wait(self, seconds: float) -> None:
        """Wait at most `seconds` until something changes. A change after the last wait ends this wait at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def _read(self) -> None:
        assert self._socket is not None, "the socket is readable"
        try:
            while True:
                if _is_change(self._socket.recv(_LARGEST_MESSAGE)):
                    self._changed.set()
        except BlockingIOError:
            return
        except OSError:  # messages were lost, because there were too many
            self._changed.set()


def _is_change(message: bytes) -> bool:
    """Whether a message says that a USB device was removed, or that udev has processed a change of one."""
    fields = message.split(b"\0")
    return b"SUBSYSTEM=usb" in fields and (b"ACTION=remove" in fields or message.startswith(_UDEV_MAGIC))
