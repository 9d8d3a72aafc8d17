"""The records of shots and the content of cards, in the database."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass
from typing import Any, Literal

from store.boot import this_boot, uptime_s
from store.database import Store
from store.result import ShotResult

Value = str | int | float | bool
# asked: nothing was changed on the camera. changed: settings may have been changed for the shot. released: the shutter
# may have been released. told: the outcome is known, but not all settings are restored. closed: nothing remains to do.
State = Literal["asked", "changed", "released", "told", "closed"]
Outcome = Literal["done", "failed", "unknown"]

# Older shots are deleted. 100,000 shots need less than 50 MB.
_MOST_SHOTS = 100_000
_PRUNE_EVERY = 1000
# How many of the newest records are searched for an earlier record of a shot. It is among them, because each camera has
# at most 1000 shots that wait to be recorded. A search of all records would take 0.1 s.
_MOST_SINCE = 10_000
_COLUMNS = "shot, camera, port, key, request, asked_at, state, card_known, settles_s, put_back, outcome, result, boot, asked_uptime_s"


@dataclass(frozen=True, slots=True)
class ShotRecord:
    """One shot.

    Attributes:
        shot: the number of the shot, which is never used again.
        camera: the number of the camera in the database.
        port: the port of the camera at the time of the shot.
        key: the client's key, if it sent one.
        request: the request as text; equal requests have equal texts.
        asked_at: the time of the request, in seconds since 1970.
        state: the last step that was recorded.
        card_known: whether the content of the card was known before the shot.
        settles_s: seconds after the release until the camera has certainly written the files; before the release, an
            estimate. None in records of older versions.
        put_back: settings that have to be restored, with their values before the shot.
        outcome: the outcome; None until it is known.
        result: the result of the shot.
        boot: the boot of the operating system during the shot. After another boot, the last changes of the record may
            be lost. None in records of older versions.
        asked_uptime_s: the time of the request, in seconds since that boot.
    """

    shot: int
    camera: int
    port: str
    key: str | None
    request: str
    asked_at: float
    state: State
    card_known: bool
    settles_s: float | None
    put_back: Mapping[str, Value]
    outcome: Outcome | None
    result: ShotResult
    boot: str | None
    asked_uptime_s: float | None


@dataclass(frozen=True, slots=True)
class NewShot:
    """What does not change during a shot; see `ShotRecord`. The fields have the order of the columns in `add`."""

    camera: int
    port: str
    key: str | None
    request: str
    asked_at: float
    card_known: bool
    boot: str
    asked_uptime_s: float


@dataclass(frozen=True, slots=True)
class CardChange:
    """A change of a card: a new file (`added`) that belongs to no shot with an unknown outcome, or a deleted file."""

    added: bool
    folder: str
    name: str

    @property
    def path(self) -> str:
        """The path on the camera."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True)
class ShotChange:
    """The values of a shot that change; see `ShotRecord`."""

    state: State
    settles_s: float | None
    put_back: Mapping[str, Value]
    outcome: Outcome | None
    result: ShotResult


# Keys of requests for which the shutter is held open, or its button pressed.
HOLDING = frozenset(("bulb_s", "frames", "hold_ms", "fire"))


class ShotStore:
    """Reads and writes the records. All methods raise StoreUnavailable.

    Args:
        store: the database.
        boot: identifies this boot of the operating system; by default as the system reports it.

    Attributes:
        store, boot: see Args.
    """

    def __init__(self, store: Store, boot: str | None = None) -> None:
        self.boot = boot if boot is not None else this_boot()
        self._opened_at = uptime_s()
        self.store = store

    async def cameras(self, model: str, serial: str) -> dict[int, str]:
        """The numbers of the cameras with this model and serial number, and their last ports."""
        rows = await self.store.read(
            lambda db: db.execute(
                "SELECT camera, port FROM cameras WHERE model = ? AND serial = ? ORDER BY camera", (model, serial)
            ).fetchall()
        )
        return dict(rows)

    async def add_camera(self, model: str, serial: str, port: str) -> int:
        """Add a camera; returns its number."""
        return await self.store.write(
            lambda db: _number(
                db.execute("INSERT INTO cameras (model, serial, port) VALUES (?, ?, ?)", (model, serial, port))
            )
        )

    async def move_camera(self, camera: int, port: str) -> None:
        """Record that a camera has another port."""
        await self.store.write(lambda db: db.execute("UPDATE cameras SET port = ? WHERE camera = ?", (port, camera)))

    def age_s(self, record: ShotRecord) -> float:
        """Seconds since the request of a shot; of another boot, at least this many. The system clock is not used."""
        if record.boot == self.boot and record.asked_uptime_s is not None:
            return uptime_s() - record.asked_uptime_s
        return uptime_s() - self._opened_at

    async def add(self, new: NewShot, change: ShotChange, card: Sequence[CardChange]) -> int:
        """Add a shot with its current values, and the changes of its card, in one transaction; returns its number.

        If the shot was added before, but the disk did not respond in time, the earlier record gets the current values.
        The record of a shot with a key survives a power failure, because its key must prevent a second picture.
        """

        def add(db: sqlite3.Connection) -> int:
            shot = _added_before(db, new, change)
            if shot is None:
                shot = _number(
                    db.execute(
                        "INSERT INTO shots (camera, port, key, request, asked_at, card_known, boot, asked_uptime_s, state)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (*astuple(new), change.state),
                    )
                )
                if shot % _PRUNE_EVERY == 0:
                    db.execute("DELETE FROM shots WHERE shot <= ? AND state = 'closed'", (shot - _MOST_SHOTS,))
            _change_shot(db, shot, change)
            _change_card(db, new.camera, card)
            return shot

        return await self.store.write(add, sync=new.key is not None)

    async def withdraw(self, asked_uptime_s: float) -> None:
        """Delete the record of a shot of this boot, which was not taken because adding the record took too long."""
        await self.store.write(
            lambda db: db.execute(
                "DELETE FROM shots WHERE boot = ? AND asked_uptime_s = ?", (self.boot, asked_uptime_s)
            )
        )

    async def update(
        self, shot: int, change: ShotChange, sync: bool, camera: int | None, changes: Sequence[CardChange]
    ) -> None:
        """Record the current state of a shot.

        Args:
            shot: its number.
            change: the new values.
            sync: whether the record must survive a power failure.
            camera: the number of its camera, if there are changes of its card.
            changes: the changes of the card.
        """

        def update(db: sqlite3.Connection) -> None:
            if camera is not None:
                _change_card(db, camera, changes)
            _change_shot(db, shot, change)

        await self.store.write(update, sync=sync)

    async def open_shots(self, camera: int) -> list[ShotRecord]:
        """The shots of a camera whose outcome is unknown, or whose changed settings are not restored yet; oldest first."""
        return await self.store.read(
            lambda db: list(
                _records(
                    db.execute(
                        f"SELECT {_COLUMNS} FROM shots WHERE camera = ? AND state != 'closed' ORDER BY shot", (camera,)
                    )
                )
            )
        )

    async def begin_run(self) -> bool:
        """Note that a server runs; the note survives a power failure.

        Returns:
            Whether the last server has ended without `end_run`, so that it may have left the button of a camera pressed.
        """
        if await self.store.read(lambda db: db.execute("SELECT 1 FROM unreleased").fetchone()):
            return True
        await self.store.write(lambda db: db.execute("INSERT INTO unreleased VALUES (?)", (time.time(),)), sync=True)
        return False

    async def end_run(self) -> None:
        """Note that the server ends, and that the buttons of all cameras are released."""
        await self.store.write(lambda db: db.execute("DELETE FROM unreleased"))

    async def has_open(self, keys: AbstractSet[str]) -> bool:
        """Whether there is a shot that may have started, has no outcome yet, and has one of these keys in its request."""
        # "state != 'closed'" is the condition of the index shots_open, without which SQLite would read all shots.
        rows = await self.store.read(
            lambda db: db.execute(
                "SELECT request FROM shots WHERE state != 'closed' AND state = 'released' AND outcome IS NULL"
            ).fetchall()
        )
        return any(not keys.isdisjoint(_object(request)) for (request,) in rows)

    async def with_key_prefix(self, prefix: str) -> list[ShotRecord]:
        """The shots whose keys begin with `prefix`, oldest first."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return await self.store.read(
            lambda db: list(
                _records(
                    db.execute(
                        f"SELECT {_COLUMNS} FROM shots WHERE key >= ? AND key < ? ORDER BY shot", (prefix, after)
                    )
                )
            )
        )

    async def all_with_key(self, key: str) -> list[ShotRecord]:
        """All shots with this key, newest first: several if cameras were released together."""
        return await self.store.read(
            lambda db: list(
                _records(db.execute(f"SELECT {_COLUMNS} FROM shots WHERE key = ? ORDER BY shot DESC", (key,)))
            )
        )

    async def with_key(self, key: str) -> ShotRecord | None:
        """The newest shot with this key."""
        return await self._one("key = ? ORDER BY shot DESC LIMIT 1", (key,))

    async def get(self, shot: int) -> ShotRecord | None:
        """The shot with this number."""
        return await self._one("shot = ?", (shot,))

    async def last(self, limit: int, since: float = 0.0) -> list[ShotRecord]:
        """The newest shots that were requested at `since` (seconds since 1970) or later, newest first."""
        return await self.store.read(
            lambda db: list(
                _records(
                    db.execute(
                        f"SELECT {_COLUMNS} FROM shots WHERE asked_at >= ? ORDER BY shot DESC LIMIT ?", (since, limit)
                    )
                )
            )
        )

    async def replace_card(self, camera: int, files: Iterable[tuple[str, str]]) -> None:
        """Record the content of a card that was just read: folder and name of each file. Survives a power failure."""

        def replace(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM card_files WHERE camera = ?", (camera,))
            db.executemany("INSERT OR IGNORE INTO card_files VALUES (?, ?, ?)", ((camera, *pair) for pair in files))

        await self.store.write(replace, sync=True)

    async def change_card(self, camera: int, changes: Sequence[CardChange]) -> None:
        """Record changes of a card."""
        await self.store.write(lambda db: _change_card(db, camera, changes))

    async def card(self, camera: int) -> dict[str, frozenset[str]]:
        """The recorded files of a card: names by folder."""
        rows = await self.store.read(
            lambda db: db.execute("SELECT folder, name FROM card_files WHERE camera = ?", (camera,)).fetchall()
        )
        folders: dict[str, set[str]] = {}
        for folder, name in rows:
            folders.setdefault(folder, set()).add(name)
        return {folder: frozenset(names) for folder, names in folders.items()}

    async def _one(self, where: str, values: tuple[object, ...]) -> ShotRecord | None:
        found = await self.store.read(
            lambda db: list(_records(db.execute(f"SELECT {_COLUMNS} FROM shots WHERE {where}", values)))
        )
        return found[0] if found else None


def _added_before(db: sqlite3.Connection, new: NewShot, change: ShotChange) -> int | None:
    """The number of an earlier record of a shot that is added now."""
    # A record that was closed stays closed, so most shots are compared with the open ones only, which have an index.
    recent = f"shot > (SELECT max(shot) FROM shots) - {_MOST_SINCE}"
    where = recent if change.state == "closed" else "state != 'closed'"
    found = db.execute(
        f"SELECT shot FROM shots WHERE camera = ? AND boot = ? AND asked_uptime_s = ? AND {where}",
        (new.camera, new.boot, new.asked_uptime_s),
    ).fetchone()
    return None if found is None else int(found[0])


def _change_shot(db: sqlite3.Connection, shot: int, change: ShotChange) -> None:
    values = (
        change.state, change.settles_s, json.dumps(dict(change.put_back)), change.outcome, change.result.to_json(), shot,
    )  # fmt: skip
    db.execute(
        "UPDATE shots SET state = ?, settles_s = ?, put_back = ?, outcome = ?, result = ? WHERE shot = ?", values
    )


def _change_card(db: sqlite3.Connection, camera: int, changes: Sequence[CardChange]) -> None:
    for change in changes:
        sql = (
            "INSERT OR IGNORE INTO card_files VALUES (?, ?, ?)" if change.added
            else "DELETE FROM card_files WHERE camera = ? AND folder = ? AND name = ?"
        )  # fmt: skip
        db.execute(sql, (camera, change.folder, change.name))


def _records(cursor: sqlite3.Cursor) -> Iterator[ShotRecord]:
    for row in cursor:
        shot, camera, port, key, request, asked_at, state, known, settles_s, put_back, outcome, result, *asked = row
        yield ShotRecord(
            shot, camera, port, key, request, asked_at, state, bool(known), settles_s, _object(put_back), outcome,
            ShotResult.from_json(result), *asked,
        )  # fmt: skip


def _object(text: str) -> dict[str, Any]:
    """The JSON object in a column; empty if the row is damaged."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None, "after an INSERT"
    return cursor.lastrowid
