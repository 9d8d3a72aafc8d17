"""One SQLite database, used by one thread. The event loop never waits for the disk longer than a deadline."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

R = TypeVar("R")
Work = Callable[[sqlite3.Connection], R]

_log = logging.getLogger("store.database")

# A write takes less than a millisecond, and some hundred on a busy SD card that syncs.
_DEADLINE_S = 5.0
# The version of the schema is the number of steps that were applied (PRAGMA user_version).
Migration = str


class StoreUnavailable(Exception):
    """The database cannot be used; the message has the reason."""


class Store:
    """The database of the server.

    If the file cannot be used, everything is kept in memory until the server ends, and `problem` has the reason. A file
    that is damaged is kept under another name, and a new one is started.

    Args:
        path: of the file, created if it does not exist; None keeps everything in memory.
        migrations: SQL scripts, each of which raises the version of the schema by one.

    Attributes:
        problem: why nothing is kept on disk, as a sentence; None if it is.
    """

    def __init__(self, path: Path | None, migrations: Sequence[Migration]) -> None:
        self.problem: str | None = None
        self._path = path
        self._migrations = migrations
        self._jobs: SimpleQueue[Callable[[sqlite3.Connection], None] | None] = SimpleQueue()
        self._hanging = 0
        self._opened = threading.Event()
        threading.Thread(target=self._run, name="store", daemon=True).start()
        if not self._opened.wait(_DEADLINE_S):
            self.problem = f"The disk of {path} does not respond."

    async def write(self, work: Work[R], sync: bool = False) -> R:
        """Run `work` as one transaction; returns its result.

        Args:
            work: gets the connection. If it raises, nothing is changed.
            sync: whether the result must survive a power failure; else it survives a killed process.

        Raises:
            StoreUnavailable: the disk is full, broken or does not respond. Nothing was changed, unless the disk did not respond during
                the commit itself.
        """

        def transaction(connection: sqlite3.Connection, abandoned: Callable[[], bool]) -> R:
            connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                value = work(connection)
                if abandoned():  # the caller was told that nothing was written
                    raise sqlite3.OperationalError("too late")
                return value

        return await self._do(transaction)

    async def read(self, work: Work[R]) -> R:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        return await self._do(lambda connection, abandoned: work(connection))

    def close(self) -> None:
        """Finish the queued work and close the file; waits a short time at most."""
        closed = threading.Event()

        def close(connection: sqlite3.Connection) -> None:
            connection.close()
            closed.set()

        self._jobs.put(close)
        self._jobs.put(None)
        closed.wait(_DEADLINE_S if not self._hanging else 0)

    async def _do(self, work: Callable[[sqlite3.Connection, Callable[[], bool]], R]) -> R:
        if self._hanging:
            raise StoreUnavailable(f"The disk of {self._path} does not respond.")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()
        abandoned = False

        def settle(value: R | None, error: BaseException | None) -> None:
            if abandoned:
                self._hanging -= 1
            elif not result.done():
                if error is None:
                    result.set_result(value)  # type: ignore[arg-type]  # a value unless there is an error
                else:
                    result.set_exception(error)

        def job(connection: sqlite3.Connection) -> None:
            value: R | None = None
            error: Exception | None = None
            try:
                if not abandoned:
                    value = work(connection, lambda: abandoned)
            except sqlite3.Error as problem:
                error = StoreUnavailable(f"{self._path} cannot be used: {problem}.")
            except Exception as problem:
                error = problem
            try:
                loop.call_soon_threadsafe(settle, value, error)
            except RuntimeError:  # the loop was closed meanwhile
                return

        self._jobs.put(job)
        await asyncio.wait((result,), timeout=_DEADLINE_S)
        if not result.done():  # even if the loop itself was late
            abandoned = True
            self._hanging += 1
            raise StoreUnavailable(f"The disk of {self._path} does not respond.")
        return result.result()

    # -- in the thread

    def _run(self) -> None:
        connection = self._open()
        self._opened.set()
        while (job := self._jobs.get()) is not None:
            job(connection)

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            for attempt in (1, 2):
                try:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    return self._prepared(self._path)
                except sqlite3.DatabaseError as error:
                    damaged = not isinstance(error, sqlite3.OperationalError)
                    if attempt == 2 or not damaged:
                        self.problem = f"{self._path} cannot be used: {error}."
                        break
                    kept = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
                    _log.error(
                        "%s is damaged (%s). It was renamed to %s, and a new one is used.", self._path, error, kept
                    )
                    try:
                        self._set_aside(kept)
                    except OSError as problem:
                        self.problem = f"{self._path} is damaged and cannot be renamed: {problem.strerror}."
                        break
                except OSError as error:
                    self.problem = f"{self._path} cannot be used: {error.strerror}."
                    break
            _log.error("%s Shots in progress are kept in memory only, until the server ends.", self.problem)
        return self._prepared(":memory:")

    def _set_aside(self, kept: Path) -> None:
        assert self._path is not None, "there is a file"
        self._path.rename(kept)
        for ending in ("-wal", "-shm"):
            Path(f"{self._path}{ending}").unlink(missing_ok=True)

    def _prepared(self, path: Path | str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=_DEADLINE_S, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA foreign_keys=ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (condition,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if condition != "ok":
                raise sqlite3.DatabaseError(condition)
            if version > len(self._migrations):
                raise sqlite3.OperationalError(f"it was written by a newer server (schema {version})")
            for number, script in enumerate(self._migrations[version:], version + 1):
                connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version={number}; COMMIT;")
        except BaseException:
            connection.close()
            raise
        if isinstance(path, Path):
            os.chmod(path, 0o600)
        return connection
