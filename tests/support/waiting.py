"""Time limits of tests, and functions that wait for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# Limit in seconds for things that must happen on a machine of any speed; a passing test never waits that long.
WITHIN_S = 45.0
# Promised times are valid on an idle machine. During other tests they are multiplied by this factor; `make soak`,
# `make load` and benchmarks/ measure the exact times.
BUSY_MACHINE = 3


async def until(true: Callable[[], bool], seconds: float = WITHIN_S) -> None:
    """Wait until a condition is true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def until_answers(true: Callable[[], Awaitable[bool]], seconds: float = WITHIN_S) -> None:
    """Like `until`, for a condition that needs a request."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.05)
