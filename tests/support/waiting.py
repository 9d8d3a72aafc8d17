"""How long tests wait, and waiting for what no message reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

# For what has to happen, however slow the machine is: a test that passes never waits for so long. Seconds.
WITHIN_S = 45.0
# What is promised in seconds holds where the machine has nothing else to do. Beside other tests it may take so many
# times as long; the exact figures come from `make soak`, `make load` and benchmarks/.
BUSY_MACHINE = 3


async def until(true: Callable[[], bool], seconds: float = WITHIN_S) -> None:
    """Return as soon as it is true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def until_answers(true: Callable[[], Awaitable[bool]], seconds: float = WITHIN_S) -> None:
    """As `until`, for what has to be asked of somebody."""
    async with asyncio.timeout(seconds):
        while True:
            if await true():
                return
            await asyncio.sleep(0.05)
