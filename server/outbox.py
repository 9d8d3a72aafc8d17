"""The queue of events for one client. Its size in bytes is limited. An event is dropped if a newer one replaces it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

# Memory of a waiting message in addition to its text: the dictionary entry and the object.
_OVERHEAD_BYTES = 200


class Outbox:
    """A queue of messages with a limit for its size in bytes.

    Args:
        most_bytes: the limit.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._waiting: dict[Hashable, bytes] = {}  # in sending order
        self._number = 0
        self._filled = asyncio.Event()

    def put(self, message: bytes, about: Hashable | None = None) -> bool:
        """Add a message at the end. If the limit would be exceeded, returns False and does not add the message.

        Args:
            message: the encoded text.
            about: identifies the subject; an older waiting message about the same subject is removed.
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
        """Remove and return the next message; waits until there is a message. Only one task may wait at a time."""
        await self._filled.wait()
        message = self._waiting.pop(next(iter(self._waiting)))
        self._bytes -= len(message) + _OVERHEAD_BYTES
        if not self._waiting:
            self._filled.clear()
        return message
