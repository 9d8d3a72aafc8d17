"""The database: damaged files, files of another version, files that cannot be written, and the size after many shots."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from store.boot import uptime_s
from store.database import Store, StoreUnavailable
from store.result import RecordedError, RecordedFile, ShotResult, Timing
from store.schema import MIGRATIONS
from store.shots import CardChange, NewShot, ShotChange, ShotStore
from tests.support.waiting import until_answers

FULL_RESULT = ShotResult(
    (
        RecordedFile(
            "/store_00020001/DCIM/100CANON/IMG_0001.JPG",
            11839412,
            "/home/pi/photos/2030-12-24_18-00-00_IMG_0001.jpg",
        ),
    ),
    Timing(7.3, 186.2),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of the database."""
    return tmp_path / "state" / "store.db"


async def record_one(store: Store) -> int:
    """Record a shot that has finished, and return its number."""
    shots = ShotStore(store)
    camera = await shots.add_camera("Canon", "1", "usb:001,002")
    shot = await shots.add(
        NewShot(camera, "usb:001,002", "guest", "{}", 1.0, False, shots.boot, uptime_s()),
        ShotChange("asked", 0.0, {}, None, ShotResult()),
        [CardChange(True, "/DCIM", "1.JPG")],
    )
    await shots.update(shot, ShotChange("closed", None, {}, "done", FULL_RESULT), sync=True, camera=None, changes=[])
    return shot


async def test_records_survive_the_server(file: Path) -> None:
    store = Store(file, MIGRATIONS)
    shot = await record_one(store)
    store.close()
    later = Store(file, MIGRATIONS)
    found = await ShotStore(later).with_key("guest")
    assert found is not None
    assert (found.shot, found.outcome, found.state, found.result) == (shot, "done", "closed", FULL_RESULT)
    assert later.problem is None
    later.close()


@pytest.mark.parametrize(("key", "synchronous"), [("guest", 2), (None, 1)], ids=["with a key", "without a key"])
async def test_the_start_of_a_shot_with_a_key_survives_a_power_failure(
    file: Path, key: str | None, synchronous: int
) -> None:
    """`synchronous` is SQLite's mode of the last transaction: 2 (FULL) syncs the file, 1 (NORMAL) does not."""
    store = Store(file, MIGRATIONS)
    shots = ShotStore(store)
    camera = await shots.add_camera("Canon", "1", "usb:001,002")
    new = NewShot(camera, "usb:001,002", key, "{}", 1.0, False, shots.boot, uptime_s())
    await shots.add(new, ShotChange("asked", 0.0, {}, None, ShotResult()), [])
    assert await store.read(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (synchronous,)
    store.close()


@pytest.mark.parametrize("page", [0, 1], ids=["header", "contents"])
async def test_a_damaged_file_is_kept_under_another_name(file: Path, page: int) -> None:
    store = Store(file, MIGRATIONS)
    await record_one(store)
    store.close()
    content = bytearray(file.read_bytes())
    for start in range(page * 4096, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    file.write_bytes(content)
    later = Store(file, MIGRATIONS)
    assert later.problem is None
    assert await record_one(later)
    later.close()
    assert [path.read_bytes() for path in file.parent.glob("store.db.damaged-*")] == [bytes(content)]


async def test_a_file_of_an_older_version_is_updated(file: Path) -> None:
    old = Store(file, MIGRATIONS[:1])
    old.close()
    store = Store(file, MIGRATIONS)
    assert await record_one(store)
    store.close()


@pytest.mark.parametrize("reason", ["newer", "folder"])
async def test_a_file_that_cannot_be_used_is_left_alone_and_records_are_in_memory(file: Path, reason: str) -> None:
    if reason == "newer":
        Store(file, (*MIGRATIONS, "CREATE TABLE future (x)")).close()
        before = file.read_bytes()
    else:
        file.mkdir(parents=True)
    store = Store(file, MIGRATIONS)
    assert store.problem is not None
    assert str(file) in store.problem
    assert await record_one(store)
    store.close()
    assert file.is_dir() if reason == "folder" else file.read_bytes() == before


async def test_a_write_that_is_not_possible_is_reported_and_later_ones_work(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database._DEADLINE_S", 0.3)
    store = Store(file, MIGRATIONS)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await record_one(store)
    other.execute("ROLLBACK")
    other.close()

    async def recovered() -> bool:
        with suppress(StoreUnavailable):
            return await record_one(store) > 0
        return False

    await until_answers(recovered)
    store.close()


async def test_a_record_that_was_added_too_late_is_found_again_or_withdrawn(file: Path) -> None:
    store = Store(file, MIGRATIONS)
    shots = ShotStore(store)
    camera = await shots.add_camera("Canon", "1", "usb:001,002")
    new = NewShot(camera, "usb:001,002", "guest", "{}", 1.0, False, shots.boot, 12.5)
    first = await shots.add(new, ShotChange("asked", 0.0, {}, None, ShotResult()), [])
    for _ in range(2):  # the second time, the earlier record is closed
        assert await shots.add(new, ShotChange("closed", 0.0, {}, "done", FULL_RESULT), []) == first
        (record,) = await shots.last(10)
        assert (record.state, record.outcome, record.result) == ("closed", "done", FULL_RESULT)
    await shots.withdraw(12.5)
    assert await shots.with_key("guest") is None
    store.close()


async def test_the_age_of_a_shot_does_not_use_the_system_clock(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(file, MIGRATIONS)
    await record_one(store)
    monkeypatch.setattr("time.time", lambda: 9e9)
    for shots in (ShotStore(store), ShotStore(store, "another boot")):
        record = await shots.with_key("guest")
        assert record is not None
        assert shots.age_s(record) < 3600 * 24
    store.close()


async def test_a_hundred_thousand_shots_are_below_50_mb(file: Path) -> None:
    store = Store(file, MIGRATIONS)
    shots = ShotStore(store)
    camera = await shots.add_camera("Canon EOS 550D", "SIM0000001", "usb:001,002")
    request = json.dumps({"settings": {"iso": "400"}, "save": True})
    row = (camera, "usb:001,002", "0123456789abcdef" * 2, request, 1.0, FULL_RESULT.to_json())
    for _ in range(50):  # one write must not take longer than the store's deadline, even on a slow machine
        await store.write(
            lambda db: db.executemany(
                "INSERT INTO shots (camera, port, key, request, asked_at, state, card_known, outcome, result)"
                " VALUES (?, ?, ?, ?, ?, 'closed', 1, 'done', ?)",
                [row] * 2000,
            )
        )
    store.close()
    assert file.stat().st_size < 50 * 10**6
    later = Store(file, MIGRATIONS)
    assert len(await ShotStore(later).last(10)) == 10
    later.close()


FILE = RecordedFile("/DCIM/1.JPG")
FAILED = {"kind": "CardFull", "message": "The card is full.", "doing": "capture"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (
            (
                '{"files": [{"camera_filepath": "/DCIM/1.JPG", "size": null, "saved_path": "/p/1.jpg", "on_camera": false}],'
                ' "timing": {"shutter_ms": 1.5, "file_known_ms": 2.5, "file_here_ms": 3.5}, "warnings": ["Late."]}'
            ),
            ShotResult((RecordedFile("/DCIM/1.JPG", None, "/p/1.jpg", False),), Timing(1.5, 2.5, 3.5), ("Late.",)),
        ),
        ('{"files": [{"camera_filepath": "/DCIM/1.JPG"}], "message": "New."}', ShotResult((FILE,), message="New.")),
        ('{"message": "The card is full."}', ShotResult(message="The card is full.")),
        (json.dumps({"error": FAILED}), ShotResult(error=RecordedError("The card is full.", FAILED))),
        ('{"files": [{"camera_filepath": "/DCIM/1.JPG", "added_later": 1}]}', ShotResult((FILE,))),
        ("{}", ShotResult()),
        ('{"files": 7}', ShotResult()),
        ("[]", ShotResult()),
        ("{", ShotResult()),
    ],
    ids=["done", "checked", "first_version", "failed", "newer", "open", "damaged_files", "list", "damaged"],
)
def test_results_that_an_earlier_server_recorded_are_read(text: str, result: ShotResult) -> None:
    read = ShotResult.from_json(text)
    assert read == result
    assert ShotResult.from_json(read.to_json()) == result
