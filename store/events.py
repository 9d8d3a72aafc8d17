"""The newest events, in the database."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from store.database import Store

# How many events are kept, and for how many seconds. The time counts from the next check after an event, or from the start of
# the next server, because the system clock may be stepped by weeks: a Raspberry Pi sets it only when it has a network.
MOST_EVENTS, _LONGEST_S = 10_000, 7 * 86_400.0
_COLUMNS = "seq, at, name, message, epoch"
# The age of the events is checked whenever this many events were added.
_CHECK_AGE_EVERY = 500


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event.

    Attributes:
        seq: its number.
        at: when it was emitted, in seconds since 1970.
        name: its name.
        message: the event as JSON, as clients get it.
        epoch: the life of the log to which it belongs.
    """

    seq: int
    at: float
    name: str
    message: bytes
    epoch: str


@dataclass(frozen=True, slots=True)
class Life:
    """A life of the log: a time in which no event was lost, so that the numbers of events have no gaps.

    Attributes:
        epoch: identifies the life.
        seq: the number of its newest event; 0 if there was none.
    """

    epoch: str
    seq: int


def new_epoch() -> str:
    """A new epoch: 12 random digits."""
    return f"{secrets.randbelow(10**12):012}"


class EventStore:
    """Reads and writes the events. All methods raise StoreUnavailable.

    Args:
        store: the database.
        clock: a clock in seconds that is never stepped.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        # When the event with this number was certainly recorded, in seconds of the clock.
        self._recorded: deque[tuple[float, int]] = deque(maxlen=MOST_EVENTS // _CHECK_AGE_EVERY)

    async def open(self) -> Life:
        """Go on with the life of the last server, if that server has closed the log; otherwise begin a new life.

        From now on until `close`, the log is marked as open. The mark survives a power failure, because events may not.
        """

        def begin(db: sqlite3.Connection) -> Life:
            row = db.execute("SELECT epoch, seq, closed FROM event_life").fetchone()
            epoch, seq, closed = row or ("", 0, 0)
            if not closed:
                (newest,) = db.execute("SELECT max(seq) FROM events").fetchone()
                epoch, seq = new_epoch(), max(seq, newest or 0)
                db.execute("DELETE FROM event_life")
                db.execute("INSERT INTO event_life VALUES (?, ?, ?, 0)", (epoch, seq + 1, seq))
            db.execute("UPDATE event_life SET closed = 0")
            return Life(epoch, seq)

        life = await self._store.write(begin, sync=True)
        self._recorded.append((self._clock(), life.seq))
        return life

    async def add(self, events: Sequence[LoggedEvent], *, last: bool = False) -> None:
        """Record events, and remove the oldest ones.

        Args:
            events: events with increasing numbers.
            last: whether the log is closed after these events. They then survive a power failure.
        """
        too_old = self._too_old(events)

        def add(db: sqlite3.Connection) -> None:
            # After an error of a slow disk, some of the events may be recorded already.
            db.executemany(
                "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)",
                [(event.seq, event.at, event.name, event.message, event.epoch) for event in events],
            )
            if events:
                newest = events[-1].seq
                db.execute("DELETE FROM events WHERE seq <= ?", (max(newest - MOST_EVENTS, too_old),))
                db.execute("UPDATE event_life SET seq = ?", (newest,))
            if last:
                db.execute("UPDATE event_life SET closed = 1")

        await self._store.write(add, sync=last)

    def _too_old(self, added: Sequence[LoggedEvent]) -> int:
        """The number of the newest event that is too old. Its age is checked only sometimes; otherwise 0."""
        if not added or added[-1].seq // _CHECK_AGE_EVERY == (added[0].seq - 1) // _CHECK_AGE_EVERY:
            return 0
        now = self._clock()
        self._recorded.append((now, added[-1].seq))
        return max((seq for at, seq in self._recorded if at < now - _LONGEST_S), default=0)

    async def after(self, seq: int) -> list[LoggedEvent]:
        """The events of this life with higher numbers than `seq`, in order."""
        rows = await self._store.read(
            lambda db: db.execute(
                f"SELECT {_COLUMNS} FROM events WHERE seq > ?"
                " AND seq >= (SELECT first_seq FROM event_life) ORDER BY seq",
                (seq,),
            ).fetchall()
        )
        return [LoggedEvent(*row) for row in rows]

    async def next_after(self, seq: int, names: Collection[str], limit: int) -> tuple[int | None, list[LoggedEvent]]:
        """The next events with these names after a number, of this life or earlier ones, in order.

        Returns:
            The number of the oldest event that is still recorded, with any name, and the events.
        """

        def read(db: sqlite3.Connection) -> tuple[int | None, list[LoggedEvent]]:
            (oldest,) = db.execute("SELECT min(seq) FROM events").fetchone()
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM events WHERE seq > ? AND name IN ({_marks(names)}) ORDER BY seq LIMIT ?",
                (seq, *names, limit),
            ).fetchall()
            return oldest, [LoggedEvent(*row) for row in rows]

        return await self._store.read(read)

    async def count(self, after: int, before: int, names: Collection[str]) -> int:
        """How many events with these names there are between two numbers."""
        sql = f"SELECT count(*) FROM events WHERE seq > ? AND seq < ? AND name IN ({_marks(names)})"
        (number,) = await self._store.read(lambda db: db.execute(sql, (after, before, *names)).fetchone())
        return int(number)


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
