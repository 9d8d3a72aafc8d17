"""Tasks that continue even if the caller that started them disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Tasks that are in progress."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Awaitable[T]) -> asyncio.Task[T]:
        """Run a task until it ends, even if nobody waits for it."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # marks the exception as retrieved
        return task

    async def stop(self) -> None:
        """Cancel all tasks."""
        for task in tuple(self._running):
            task.cancel()
            await asyncio.wait((task,))
