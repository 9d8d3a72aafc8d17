"""Waiting for what nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as it is true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)
