"""The newest events, in the database."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from store.database import Store

# How many events are kept, and for how many seconds.
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
    """Reads and writes the events. All methods raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

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

        return await self._store.write(begin, sync=True)

    async def add(self, events: Sequence[LoggedEvent], *, last: bool = False) -> None:
        """Record events, and remove the oldest ones.

        Args:
            events: events with increasing numbers.
            last: whether the log is closed after these events. They then survive a power failure.
        """

        def add(db: sqlite3.Connection) -> None:
            # After an error of a slow disk, some of the events may be recorded already.
            db.executemany(
                "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)",
                [(event.seq, event.at, event.name, event.message, event.epoch) for event in events],
            )
            if events:
                newest = events[-1]
                db.execute("DELETE FROM events WHERE seq <= ?", (newest.seq - MOST_EVENTS,))
                if newest.seq // _CHECK_AGE_EVERY > (events[0].seq - 1) // _CHECK_AGE_EVERY:
                    db.execute("DELETE FROM events WHERE at < ?", (newest.at - _LONGEST_S,))
                db.execute("UPDATE event_life SET seq = ?", (newest.seq,))
            if last:
                db.execute("UPDATE event_life SET closed = 1")

        await self._store.write(add, sync=last)

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

    async def numbers_after(self, seq: int, names: Collection[str]) -> set[int]:
        """The numbers of all events with these names after a number."""
        rows = await self._store.read(
            lambda db: db.execute(
                f"SELECT seq FROM events WHERE seq > ? AND name IN ({_marks(names)})", (seq, *names)
            ).fetchall()
        )
        return {number for (number,) in rows}


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
