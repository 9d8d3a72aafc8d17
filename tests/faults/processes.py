"""Camera processes as the machine shows them: found, and made to hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.support.waiting import until


def process_of(parent: int, port: str) -> psutil.Process | None:
    """The process of the camera on a port, among the children of a process."""
    for child in psutil.Process(parent).children():
        try:
            if f'"{port}"' in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                return child
        except psutil.NoSuchProcess:
            continue
    return None


async def camera_process(parent: int, port: str, other_than: int | None = None) -> psutil.Process:
    """That process, as soon as there is one (another one than before)."""
    found: list[psutil.Process] = []

    def there() -> bool:
        process = process_of(parent, port)
        if process is None or process.pid == other_than:
            return False
        found.append(process)
        return True

    await until(there)
    return found[0]


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """A process that hangs; it goes on afterwards if it still lives."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.send_signal(signal.SIGCONT)
