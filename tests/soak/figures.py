"""The resources that the server uses, and the check that it releases them."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.soak.world import World
from tests.support.waiting import until

_EVERY_S = 1.0
_MIN_SAMPLES = 12
# Bytes that Python and libc may keep without a leak. A leak of one frame per second would exceed this.
_LEAK_LIMIT = 24 * 2**20
# Descriptors of fetched pictures are kept for a minute; expired ones are closed every 15 s.
_RELEASE_S = 90.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources at one moment. `memory`: resident bytes of the server process; `cameras`: of its camera processes."""

    restarts: int
    memory: int
    cameras: int
    threads: int
    descriptors: int
    processes: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:.1f} MB, {self.threads} threads, {self.descriptors} descriptors, "
            f"{self.processes} processes with {self.cameras / 2**20:.1f} MB"
        )


def measure(world: World) -> Usage:
    """Measure now. Raises psutil.NoSuchProcess if the server is down."""
    server, children = world.server.process, 0
    processes = server.children(recursive=True)
    for child in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            children += child.memory_info().rss
    memory = server.memory_info().rss
    return Usage(world.server.restarts, memory, children, server.num_threads(), server.num_fds(), len(processes))


class UsageMonitor:
    """Measures every second; `samples` are those since the last start of the server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.samples: list[Usage] = []

    async def measure(self) -> None:
        """Measure until the run stops."""
        while not self._world.stopping:
            self._world.server.check_alive()
            with suppress(psutil.NoSuchProcess):
                now = measure(self._world)
                if self.samples and self.samples[-1].restarts != now.restarts:
                    self.samples.clear()
                self.samples.append(now)
            await asyncio.sleep(_EVERY_S)

    def check(self) -> None:
        """Compare the memory of the server after the warm-up (a quarter of the samples, after the first eighth) with the end."""
        quarter = len(self.samples) // 4
        if quarter * 4 < _MIN_SAMPLES:
            self._world.journal.note("memory: too few samples to compare")
            return
        before = int(
            statistics.median(sample.memory for sample in self.samples[quarter // 2 : quarter + quarter // 2 + 1])
        )
        after = int(statistics.median(sample.memory for sample in self.samples[-quarter:]))
        peak = max(sample.memory for sample in self.samples)
        self._world.journal.note(
            f"memory of the server at work: {before / 2**20:.1f} MB after warming up, {after / 2**20:.1f} MB at the end, "
            f"peak {peak / 2**20:.1f} MB; most threads {max(sample.threads for sample in self.samples)}, "
            f"most descriptors {max(sample.descriptors for sample in self.samples)}"
        )
        if after - before > _LEAK_LIMIT:
            self._world.journal.violation(f"the server's memory grew by {(after - before) / 2**20:.1f} MB")


async def check_released(world: World, before: Usage) -> None:
    """Check what remains after all clients have disconnected.

    Descriptors: not more than before. Threads: not more than before, or than the thread pool can have. Processes: one for
    each camera.
    """
    threads = max(before.threads, 1 + _pool())

    def remaining() -> list[str]:
        now = measure(world)
        return [
            f"{have} {what} where {allowed} are allowed"
            for what, have, allowed in (
                ("descriptors", now.descriptors, before.descriptors),
                ("threads", now.threads, threads),
                ("processes", now.processes, len(world.cameras)),
            )
            if have > allowed
        ]

    with suppress(TimeoutError):
        await until(lambda: not remaining(), _RELEASE_S)
    world.journal.note(f"the server without clients: before {before}; after {measure(world)}")
    for what in remaining():
        world.journal.violation(f"left behind: {what}")


def _pool() -> int:
    """The largest number of threads in asyncio's default executor, which are kept once they were used."""
    return min(32, (psutil.cpu_count() or 1) + 4)
