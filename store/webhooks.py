"""Up to which event each webhook was served, in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from store.database import Store


class WebhookStore:
    """Reads and writes the cursors of webhooks. All methods raise StoreUnavailable.

    The cursor of a webhook is the number of the last event that it needs no more.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def cursor(self, url: str, newest: int) -> int:
        """The cursor of a webhook. A new webhook begins after `newest`, the newest event of the earlier servers.

        After a kill, the cursor may be beyond that event: an event that was sent is not on the disk, and its number is
        used again. The cursor is then set back.
        """

        def read(db: sqlite3.Connection) -> int:
            db.execute("INSERT OR IGNORE INTO webhooks VALUES (?, ?)", (url, newest))
            db.execute("UPDATE webhooks SET seq = min(seq, ?) WHERE url = ?", (newest, url))
            (seq,) = db.execute("SELECT seq FROM webhooks WHERE url = ?", (url,)).fetchone()
            return int(seq)

        return await self._store.write(read)

    async def advance(self, url: str, seq: int) -> None:
        """Record that a webhook needs the events up to `seq` no more."""
        await self._store.write(lambda db: db.execute("UPDATE webhooks SET seq = ? WHERE url = ?", (seq, url)))

    async def keep_only(self, urls: Collection[str]) -> None:
        """Forget all other webhooks."""

        def forget(db: sqlite3.Connection) -> None:
            known = [url for (url,) in db.execute("SELECT url FROM webhooks").fetchall()]
            db.executemany("DELETE FROM webhooks WHERE url = ?", [(url,) for url in known if url not in urls])

        await self._store.write(forget)
