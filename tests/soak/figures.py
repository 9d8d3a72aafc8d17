"""The resources that the server uses, and the check that the server releases them."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.soak.world import World
from tests.support.waiting import until

_EVERY_S = 1.0
_MIN_SAMPLES = 12
# The number of bytes by which the memory may grow without a leak, because Python and libc keep some memory. A leak of
# one frame per second would exceed this limit.
_LEAK_LIMIT = 24 * 2**20
# The server keeps the descriptors of fetched pictures for a minute, and closes expired descriptors every 15 s.
_RELEASE_S = 90.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources in use.

    Attributes:
        memory: the resident memory of the server process, in bytes.
        cameras: the resident memory of all camera processes, in bytes.
    """

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
    """Measure the resources that are now in use. Raises psutil.NoSuchProcess if the server is down."""
    server, children = world.server.process, 0
    processes = server.children(recursive=True)
    for child in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            children += child.memory_info().rss
    memory = server.memory_info().rss
    return Usage(world.server.restarts, memory, children, server.num_threads(), server.num_fds(), len(processes))


def _open_files(world: World) -> list[str]:
    """What the descriptors of the server are."""
    found = []
    for link in Path(f"/proc/{world.server.process.pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(link.readlink()))
    return sorted(found)


class UsageMonitor:
    """Measures every second. `samples` contains the measurements since the last start of the server."""

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
        """Compare the memory of the server after the warm-up with its memory at the end of the run.

        Each value is the median of a quarter of the samples. The first eighth of the samples is the warm-up.
        """
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
    """Check the resources that remain in use after all clients have disconnected.

    There must not be more descriptors than before the run, and only the template process and one process for each
    camera. The limit for threads
    is the larger of two numbers: the threads before the run, and the main thread plus a full thread pool.
    """
    threads = max(before.threads, 1 + _pool())

    def remaining() -> list[str]:
        now = measure(world)
        return [
            f"{have} {what} where {allowed} are allowed"
            for what, have, allowed in (
                ("descriptors", now.descriptors, before.descriptors),
                ("threads", now.threads, threads),
                ("processes", now.processes, 1 + len(world.cameras)),
            )
            if have > allowed
        ]

    with suppress(TimeoutError):
        await until(lambda: not remaining(), _RELEASE_S)
    world.journal.note(f"the server without clients: before {before}; after {measure(world)}")
    for what in remaining():
        world.journal.violation(f"left behind: {what} ({', '.join(_open_files(world))})")


def _pool() -> int:
    """The maximum number of threads in asyncio's default executor. The executor never ends its threads."""
    return min(32, (psutil.cpu_count() or 1) + 4)
