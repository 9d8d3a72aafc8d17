"""The events that wait for one client: in order, few where a newer one makes an older pointless, never too many."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

# What a waiting message costs besides its text: its place here, and the object that holds it.
_OVERHEAD_BYTES = 200


class Outbox:
    """A queue of messages with a limit on their bytes.

    Args:
        most_bytes: what may wait here.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._waiting: dict[Hashable, bytes] = {}  # in the order in which they leave
        self._number = 0
        self._filled = asyncio.Event()

    def put(self, message: bytes, about: Hashable | None = None) -> bool:
        """Add a message at the end; False, and nothing is added, where that would be too many bytes.

        Args:
            message: text.
            about: what it tells the newest of; an older message about the same that still waits is left out.
        """
        if about is None:
            self._number += 1
            about = self._number
        older = self._waiting.pop(about, None)
        if older is not None:
            self._bytes -= len(older) + _OVERHEAD_BYTES
        if self._bytes + len(message) + _OVERHEAD_BYTES > self._most:
            return False
        self._bytes += len(message) + _OVERHEAD_BYTES
        self._waiting[about] = message
        self._filled.set()
        return True

    async def get(self) -> bytes:
        """The next message, as soon as there is one. For one reader."""
        await self._filled.wait()
        message = self._waiting.pop(next(iter(self._waiting)))
        self._bytes -= len(message) + _OVERHEAD_BYTES
        if not self._waiting:
            self._filled.clear()
        return message
