"""Time limits of tests, and functions that wait for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# The time limit in seconds for a condition that must become true. It is long enough for a slow machine. A test that
# passes waits only until the condition is true.
WITHIN_S = 45.0
# The documents promise times for an idle machine. Tests multiply the promised times by this factor, because other tests
# run at the same time. `make soak`, `make load` and benchmarks/ measure the exact times.
BUSY_MACHINE = 3


async def until(true: Callable[[], bool], seconds: float = WITHIN_S) -> None:
    """Wait until a condition is true. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def until_answers(true: Callable[[], Awaitable[bool]], seconds: float = WITHIN_S) -> None:
    """Like `until`, but for a condition that is a coroutine function, because it sends a request."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.05)
