"""The job info (job, label, artist and others) and the numbers of shots, in the database."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass

from store.database import Store


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Words for pictures; "" stands for no word. The fields have the order of the columns."""

    job: str = ""
    label: str = ""
    artist: str = ""
    copyright: str = ""
    owner: str = ""


class JobInfoStore:
    """Reads and writes the words and the numbers. All methods raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def words(self) -> dict[str, JobInfo]:
        """The words of each camera, by its serial number or port; those for all cameras are under ""."""
        rows = await self._store.read(
            lambda db: db.execute("SELECT camera, job, label, artist, copyright, owner FROM job_words").fetchall()
        )
        return {camera: JobInfo(*words) for camera, *words in rows}

    async def set_words(self, camera: str, words: JobInfo) -> None:
        """Record the words of a camera. They survive a power failure."""
        values = (camera, *astuple(words))
        await self._store.write(
            lambda db: db.execute("INSERT OR REPLACE INTO job_words VALUES (?, ?, ?, ?, ?, ?)", values), sync=True
        )

    async def next_number(self, job: str, at_least: int) -> int:
        """Count a shot of a job; returns its number: one more than the last one, and not less than `at_least`."""

        def count(db: sqlite3.Connection) -> int:
            row = db.execute("SELECT last FROM job_numbers WHERE job = ?", (job,)).fetchone()
            number = max(at_least, 1 if row is None else row[0] + 1)
            db.execute("INSERT OR REPLACE INTO job_numbers VALUES (?, ?)", (job, number))
            return number

        return await self._store.write(count)
