"""A USB bus, which numbers its devices as Linux does."""

from __future__ import annotations

_ROOT_HUB, _LAST = 1, 127
"""USB has the device numbers 1 to 127; the first is that of the root hub."""


class Bus:
    """A bus with one port for each device."""

    number = 1

    def __init__(self) -> None:
        """A bus without devices."""
        self._ports = 0
        self._used = {_ROOT_HUB}
        self._latest = _ROOT_HUB

    def new_port(self) -> str:
        """The bus id of a new port, such as ``1-2``."""
        self._ports += 1
        return f"{self.number}-{self._ports}"

    def take_number(self) -> int:
        """A device number that is free and was not used lately."""
        self._latest = self._latest % _LAST + 1
        while self._latest in self._used:
            self._latest = self._latest % _LAST + 1
        self._used.add(self._latest)
        return self._latest

    def release_number(self, number: int) -> None:
        """Let a device number be used again."""
        self._used.discard(number)
