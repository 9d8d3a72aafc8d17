"""Find camera processes, and make a camera process hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.support.waiting import until


def process_of(parent: int, port: str) -> psutil.Process | None:
    """The running process of the server `parent` for the camera on a port, or None."""
    for child in psutil.Process(parent).children(recursive=True):
        try:
            if (
                port in child.cmdline()
                and "camera.device.worker" in child.cmdline()
                and child.status() != psutil.STATUS_ZOMBIE
            ):
                return child
        except psutil.NoSuchProcess:
            continue
    return None


async def camera_process(parent: int, port: str, other_than: int | None = None) -> psutil.Process:
    """Wait for the process of the camera on a port. With `other_than`, wait for a process with another id than this."""
    found: list[psutil.Process] = []

    def exists() -> bool:
        process = process_of(parent, port)
        if process is None or process.pid == other_than:
            return False
        found.append(process)
        return True

    await until(exists)
    return found[0]


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """Stop the process with SIGSTOP, so that it hangs. Afterwards, continue the process if it still exists."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.send_signal(signal.SIGCONT)
