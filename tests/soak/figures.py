"""What the server costs while it runs, and that it gives everything back."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.soak.world import World
from tests.support.waiting import until

_EVERY_S = 1.0
_FEWEST = 12
# Memory that Python and libc may keep without it being a leak, bytes; what a leak of a frame a second would pass.
_SLACK = 24 * 2**20
# Descriptors of fetched pictures are kept for a minute and looked after every 15 s.
_GIVEN_BACK_S = 90.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the server process at one moment. `memory`: resident bytes of it; `cameras`: of its camera processes."""

    life: int
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


def look(world: World) -> Figures:
    """The figures now. Raises psutil.NoSuchProcess where the server is down."""
    server, children = world.served.process, 0
    processes = server.children(recursive=True)
    for child in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            children += child.memory_info().rss
    memory = server.memory_info().rss
    return Figures(world.served.life, memory, children, server.num_threads(), server.num_fds(), len(processes))


class Watch:
    """Looks every second; `samples` are those of the present life of the server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.samples: list[Figures] = []

    async def look(self) -> None:
        """Look until the run stops."""
        while not self._world.stopping:
            self._world.served.notice_death()
            with suppress(psutil.NoSuchProcess):
                now = look(self._world)
                if self.samples and self.samples[-1].life != now.life:
                    self.samples.clear()
                self.samples.append(now)
            await asyncio.sleep(_EVERY_S)

    def check(self) -> None:
        """Memory of the last life, its first quarter after warming up against its last one."""
        quarter = len(self.samples) // 4
        if quarter * 4 < _FEWEST:
            self._world.story.tell("memory: too short a life to judge")
            return
        before = int(statistics.median(one.memory for one in self.samples[quarter // 2 : quarter + quarter // 2 + 1]))
        after = int(statistics.median(one.memory for one in self.samples[-quarter:]))
        peak = max(one.memory for one in self.samples)
        self._world.story.tell(
            f"memory of the server at work: {before / 2**20:.1f} MB after warming up, {after / 2**20:.1f} MB at the end, "
            f"peak {peak / 2**20:.1f} MB; most threads {max(one.threads for one in self.samples)}, "
            f"most descriptors {max(one.descriptors for one in self.samples)}"
        )
        if after - before > _SLACK:
            self._world.story.violation(f"the server's memory grew by {(after - before) / 2**20:.1f} MB")


async def given_back(world: World, before: Figures) -> None:
    """Without clients it has no more descriptors, threads and processes than before it had any."""
    threads = max(before.threads, 1 + _pool())

    def left() -> list[str]:
        now = look(world)
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
        await until(lambda: not left(), _GIVEN_BACK_S)
    world.story.tell(f"the server without clients: before {before}; after {look(world)}")
    for what in left():
        world.story.violation(f"left behind: {what}")


def _pool() -> int:
    """Threads of asyncio's default executor (concurrent.futures), which stay once they were needed."""
    return min(32, (psutil.cpu_count() or 1) + 4)
