"""One SQLite database, used by one thread. The event loop never waits for the disk longer than a deadline."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from handover import Call, Handover, OneThread, Start

R = TypeVar("R")
Work = Callable[[sqlite3.Connection], R]

_log = logging.getLogger("store.database")

# A write takes less than a millisecond, but some hundred milliseconds on a busy SD card.
_DEADLINE_S = 5.0
# The version of the schema is the number of steps that were applied (PRAGMA user_version).
Migration = str


# Primary result codes that prove that SQLite did not commit a transaction. An I/O error does not prove that.
_UNCHANGED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class StoreUnavailable(Exception):
    """The database cannot be used; the message has the reason.

    Attributes:
        unchanged: whether the database certainly has no part of the change that failed.
    """

    def __init__(self, message: str, *, unchanged: bool = False) -> None:
        super().__init__(message)
        self.unchanged = unchanged


class Store:
    """The database of the server.

    If the file cannot be used, everything is kept in memory until the server ends, and `problem` has the reason. A
    damaged file is renamed, and a new file is created.

    Args:
        path: the path of the file, which is created if it does not exist. None keeps everything in memory.
        migrations: SQL scripts, each of which raises the version of the schema by one.
        start: runs work in one thread, in order; by default in the store's own thread.

    Attributes:
        problem: why the state is not kept on disk, as a sentence; None if it is kept on disk.
    """

    def __init__(self, path: Path | None, migrations: Sequence[Migration], start: Start | None = None) -> None:
        self.problem: str | None = None
        self._path = path
        self._migrations = migrations
        self._connection: sqlite3.Connection  # set in the thread, before any other work
        self._thread = OneThread("store")
        self._start = start or self._thread.start
        # A record is written even if the task that writes it is cancelled.
        self._handover = Handover(self._start, finish_cancelled=True)
        opened = threading.Event()

        def prepare() -> None:
            self._connection = self._open()
            opened.set()

        self._start(prepare)
        if not opened.wait(_DEADLINE_S):
            self.problem = f"The disk of {path} does not respond."

    async def write(self, work: Work[R], sync: bool = False) -> R:
        """Run `work` as one transaction; returns its result.

        Args:
            work: gets the connection. If it raises, nothing is changed.
            sync: whether the result must survive a power failure; else it survives a killed process.

        Raises:
            StoreUnavailable: the disk is full, broken or does not respond. Nothing was changed, unless the disk stopped
                responding during the commit.
        """

        def transaction(connection: sqlite3.Connection, call: Call) -> R:
            connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                value = work(connection)
                if call.abandoned:  # the caller already got StoreUnavailable
                    raise sqlite3.OperationalError("too late")
                return value

        return await self._do(transaction)

    async def read(self, work: Work[R]) -> R:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        return await self._do(lambda connection, call: work(connection))

    def close(self) -> None:
        """Finish the queued work and close the file. Waits 5 s at most, or not at all if the disk hangs."""
        closed = threading.Event()

        def close() -> None:
            self._connection.close()
            closed.set()

        self._start(close)
        self._thread.end()
        closed.wait(_DEADLINE_S if not self._handover.hangs else 0)

    async def _do(self, work: Callable[[sqlite3.Connection, Call], R]) -> R:
        def run(call: Call) -> R:
            try:
                return work(self._connection, call)
            except sqlite3.Error as error:
                unchanged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNCHANGED
                raise StoreUnavailable(f"{self._path} cannot be used: {error}.", unchanged=unchanged) from error

        try:
            return await self._handover.run(_DEADLINE_S, run)
        except TimeoutError:
            raise StoreUnavailable(f"The disk of {self._path} does not respond.") from None

    # -- in the thread

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
