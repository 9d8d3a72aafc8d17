"""The end of a child process: killed, and waited for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress

_log = logging.getLogger("camera.ending")

_GONE_S = 5.0


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process that still runs; returns when it is gone, or cannot be.

    By its number: `Process.kill` looks whether it has ended first, and takes the exit status away from asyncio.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(_GONE_S):
                await process.wait()
        except TimeoutError:  # it hangs in the kernel, in USB for example: life goes on without it
            _log.warning("process %d is not gone %.0f s after SIGKILL", process.pid, _GONE_S)
