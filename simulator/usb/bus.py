"""A USB bus: its ports, and the numbers of its devices as Linux chooses them."""

from __future__ import annotations

from collections.abc import Collection

_ROOT_HUB, _LAST = 1, 127
"""USB has the device numbers 1 to 127; the first is that of the root hub."""


class Bus:
    """A bus with one port for each camera. The id of a port has the numbers of bus and port, such as ``1-2``."""

    number = 1

    def __init__(self) -> None:
        """A bus without ports."""
        self._plugged: dict[str, int | None] = {}
        self._latest = _ROOT_HUB

    @property
    def free(self) -> Collection[str]:
        """The ids of the ports where nothing is plugged."""
        return [port for port, number in self._plugged.items() if number is None]

    def new_port(self) -> str:
        """Add a port; returns its id."""
        port = f"{self.number}-{len(self._plugged) + 1}"
        self._plugged[port] = None
        return port

    def plug(self, port: str) -> int:
        """Plug a device into a free port; returns its number. Numbers are used in turn."""
        while True:
            self._latest = self._latest % _LAST + 1
            if self._latest != _ROOT_HUB and self._latest not in self._plugged.values():
                self._plugged[port] = self._latest
                return self._latest

    def unplug(self, port: str) -> None:
        """Unplug the device at a port."""
        self._plugged[port] = None
