"""The server's disk: slow, hanging, full, or cut off from power, with real files and a real database."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from random import Random
from typing import TypeVar
from unittest.mock import patch

from handover import Start, Work
from store.database import Store
from store.schema import MIGRATIONS

R = TypeVar("R")

# After this time, the server has written what a full or hanging disk did not take, and read what it did not give.
WRITTEN_AGAIN_S = 20.0


class Disk:
    """A disk with the database of the server and its photo folder.

    Attributes:
        photos: the photo folder.
        full: whether nothing more can be written.
        trouble_since: the start of the last time in which the database could not be written, in virtual seconds.
    """

    def __init__(self, root: Path, random: Random) -> None:
        self.photos = root / "photos"
        self.full = False
        self.trouble_since = float("-inf")
        self._last_trouble = float("-inf")
        self._at_once = False
        self._root = root
        self._random = random
        self._hanging: set[str] = set()
        self._held: list[tuple[str, Callable[[], None]]] = []
        self._state = root / "state-0"
        self._runs = 0
        self._synced_bytes = 0
        self._stores: list[SimulatedStore] = []

    @property
    def hangs(self) -> bool:
        """Whether the database does not respond."""
        return "database" in self._hanging

    @property
    def last_trouble(self) -> float:
        """The last time at which the database could not be written, in virtual seconds."""
        if self.full or self.hangs:
            self._last_trouble = asyncio.get_running_loop().time()
        return self._last_trouble

    def hang(self, part: str) -> None:
        """Stop responding: "database" or "photos"."""
        if part == "database":
            self._begin_trouble()
        self._hanging.add(part)

    def go_on(self, part: str) -> None:
        """Respond again, to the waiting work first."""
        self._last_trouble = self.last_trouble
        self._hanging.discard(part)
        held, self._held = self._held, [(other, work) for other, work in self._held if other != part]
        for name, work in held:
            if name == part:
                work()

    def reboot(self, power_cut: bool) -> None:
        """Make the state for the next run of the server. A power cut loses a part of what was not synced."""
        self._runs += 1
        new = self._root / f"state-{self._runs}"
        if self._state.exists():
            shutil.copytree(self._state, new)
            (new / "store.db-shm").unlink(missing_ok=True)
        self._state = new
        log = new / "store.db-wal"
        if power_cut and log.exists():
            size = log.stat().st_size
            os.truncate(log, self._random.randint(min(self._synced_bytes, size), size))
        self._held.clear()

    def open_store(self, run: Context) -> SimulatedStore:
        """Open the database for a run of the server, in its context."""
        self._at_once = True
        store = SimulatedStore(self, self._state / "store.db", self.starter("database", run))
        self._at_once = False
        self._synced_bytes = self._log_bytes()
        self._stores.append(store)
        return store

    def starter(self, part: str, run: Context) -> Start:
        """Does work after a random time, in order."""
        due = 0.0

        def start(work: Work) -> None:
            nonlocal due
            if self._at_once:  # the server blocks while it opens its database
                work()
                return
            loop = asyncio.get_running_loop()
            if part in self._hanging:
                self._held.append((part, lambda: start(work)))
                return
            slow = 0.5 if self._random.random() < 0.02 else 0.003
            due = max(due + 1e-6, loop.time() + self._random.uniform(0.0002, slow))
            loop.call_at(due, work, context=run)

        return start

    def fill(self) -> None:
        """Have no free space any more."""
        self._begin_trouble()
        self.full = True

    def empty(self) -> None:
        """Have free space again."""
        self._last_trouble = self.last_trouble
        self.full = False

    def synced(self) -> None:
        """Everything that was written so far survives a power cut."""
        self._synced_bytes = self._log_bytes()

    def _begin_trouble(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self.last_trouble >= WRITTEN_AGAIN_S:  # else not everything is written that the last one has delayed
            self.trouble_since = now

    def _log_bytes(self) -> int:
        log = self._state / "store.db-wal"
        return log.stat().st_size if log.exists() else 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the sync of a file fail if the disk is full."""
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(descriptor)

        with patch.object(os, "fsync", fsync):
            yield

    def close(self) -> None:
        """Close the databases of killed servers."""
        for store in self._stores:
            store.abandon()


class SimulatedStore(Store):
    """A store on the simulated disk."""

    def __init__(self, disk: Disk, path: Path, start: Start) -> None:
        self._disk = disk
        self._sync = False

        def run(work: Work) -> None:
            def synced() -> None:
                work()
                if self._sync:
                    self._sync = False
                    disk.synced()

            start(synced)

        super().__init__(path, MIGRATIONS, run)

    async def write(self, work: Callable[[sqlite3.Connection], R], sync: bool = False) -> R:
        def write(db: sqlite3.Connection) -> R:
            if self._disk.full:
                raise sqlite3.OperationalError("database or disk is full")
            value = work(db)
            self._sync = self._sync or sync
            return value

        return await super().write(write, sync)

    def abandon(self) -> None:
        """Close the file without waiting."""
        self._connection.close()


def photo_names(folder: Path) -> Sequence[Path]:
    """The saved pictures."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
