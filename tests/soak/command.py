"""Run a long test from the command line, in its own folder, until the test ends or a signal stops it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path


def run_in_folder(prefix: str, work: Callable[[Path], Awaitable[bool]]) -> int:
    """Run `work` in a new folder. Returns the exit code: 0 if `work` returned True, otherwise 1.

    The folder is deleted after a success. Otherwise, the folder is kept, because it has the server's log and photos.

    Args:
        prefix: the start of the folder's name.
        work: the test. SIGTERM and SIGINT cancel it.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    passed = False
    try:
        passed = asyncio.run(_until_signal(work, folder))
    except asyncio.CancelledError:
        print("stopped by a signal", file=sys.stderr)
    finally:
        if passed:
            shutil.rmtree(folder)
        else:
            print(f"The server's log and photos are in {folder}.", flush=True)
    return 0 if passed else 1


async def _until_signal(work: Callable[[Path], Awaitable[bool]], folder: Path) -> bool:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    return await work(folder)
