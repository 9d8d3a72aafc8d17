"""The known files of a card: changes while the card is read, cards that cannot be read, cards with very many files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from camera.errors import CameraDisconnected
from camera.photos import card as module
from camera.photos.card import Card, ListFolder
from camera.photos.journal import Journals
from camera.photos.open_shot import Body, Order
from store.database import Store, StoreUnavailable, Work
from store.result import RecordedFile, ShotResult
from store.schema import MIGRATIONS
from store.shots import ShotStore

FOLDER = "/store/DCIM/100CANON"


def listing(*names: str, meanwhile: Callable[[], None] = lambda: None) -> ListFolder:
    """A function that lists a card with one folder. While the function lists that folder, it calls `meanwhile`."""

    async def list_folder(folder: str) -> tuple[list[str], list[str]]:
        if folder == FOLDER:
            meanwhile()
            return [], list(names)
        rest = FOLDER.removeprefix(folder.rstrip("/") + "/") if FOLDER.startswith(folder) else ""
        return ([rest.partition("/")[0]] if rest else []), []

    return list_folder


async def list_disconnected(folder: str) -> tuple[list[str], list[str]]:
    """A list_folder that fails, as if the camera was disconnected while the card is read."""
    raise CameraDisconnected("The camera is gone.")


R = TypeVar("R")


class FailingStore(Store):
    """A store on a disk that takes a number of transactions, and then no other one.

    Attributes:
        left: how many more transactions the disk takes.
    """

    def __init__(self, path: Path) -> None:
        self.left = 0
        super().__init__(path, MIGRATIONS)

    async def write(self, work: Work[R], sync: bool = False) -> R:
        if not self.left:
            raise StoreUnavailable("The disk is full.")
        self.left -= 1
        return await super().write(work, sync)


NewCard = Callable[[], Card]
A, B = Body("A", "1", "usb:001,002"), Body("B", "1", "usb:001,002")


@pytest.fixture
def shots(tmp_path: Path) -> Iterator[ShotStore]:
    """The records of shots, in a database that only this test uses."""
    store = Store(tmp_path / "store.db", MIGRATIONS)
    yield ShotStore(store)
    store.close()


@pytest.fixture
def new_card(shots: ShotStore) -> NewCard:
    """Create a card in the state after a start of the server: only its records are known."""
    return lambda: Card(Journals(shots).journal())


async def test_a_file_added_while_the_card_is_read_is_not_a_finding(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG", meanwhile=lambda: card.add(f"{FOLDER}/2.JPG")))
    assert card.files == 2
    await card.begin_shot(A, Order(), False, 0.0)
    (finding,) = await card.check(A, listing("1.JPG", "2.JPG"))
    assert finding.files == ()


async def test_after_a_restart_a_file_that_was_unknown_before_is_found(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    card.add(f"{FOLDER}/2.JPG")
    await card.begin_shot(A, Order(), False, 0.0)
    later = new_card()
    (finding,) = await later.check(A, listing("1.JPG", "2.JPG", "3.JPG"))
    assert finding.files == (f"{FOLDER}/3.JPG",)
    # The finding is saved until it has been reported.
    (again,) = await new_card().check(A, listing("1.JPG", "2.JPG", "3.JPG"))
    assert (again.shot.number, again.files) == (finding.shot.number, finding.files)
    await later.reported(finding)
    assert await new_card().check(A, listing()) == []


async def test_without_a_database_file_the_same_server_finds_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store.db", MIGRATIONS)
    assert store.problem is not None
    card = Card(Journals(ShotStore(store)).journal())
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    card.add(f"{FOLDER}/2.JPG")  # the camera reports this file after the start of the shot
    (finding,) = await card.check(A, listing("1.JPG", "2.JPG"))
    assert finding.files == (f"{FOLDER}/2.JPG",)
    store.close()


async def test_an_empty_list_of_a_card_that_had_files_is_inconclusive(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    (finding,) = await card.check(A, listing())
    assert finding.files is None


async def test_after_repeated_disconnects_a_card_is_not_read_and_shots_are_possible(new_card: NewCard) -> None:
    card = new_card()
    await card.begin_shot(A, Order(), False, 0.0)
    for _ in range(module._TRIES):
        with pytest.raises(CameraDisconnected):
            await card.check(A, list_disconnected)
    (finding,) = await card.check(A, list_disconnected)
    assert finding.files is None
    await card.reported(finding)
    assert not card.needs_check
    asked: list[str] = []

    async def list_folder(folder: str) -> tuple[list[str], list[str]]:
        asked.append(folder)
        return [], []

    await card.read(A, list_folder)
    assert asked == []


async def test_two_cameras_with_one_serial_number_have_separate_records(shots: ShotStore) -> None:
    """Serial numbers are not always unique: every virtual camera of libgphoto2 has the serial number 0.1."""
    first, second = Body("A", "0.1", "usb:001,001"), Body("A", "0.1", "usb:001,002")
    journals = Journals(shots)
    cards = [Card(journals.journal()), Card(journals.journal())]
    for card, body in zip(cards, (first, second), strict=True):
        await card.read(body, listing(f"{body.port[-1]}.JPG"))
        await card.begin_shot(body, Order(), False, 0.0)
    later = Journals(shots)
    for body in (second, first):
        (finding,) = await Card(later.journal()).check(body, listing(f"{body.port[-1]}.JPG", "9.JPG"))
        assert finding.files == (f"{FOLDER}/9.JPG",)


async def test_a_camera_on_another_usb_port_keeps_its_records(new_card: NewCard) -> None:
    await new_card().begin_shot(A, Order(), False, 0.0)
    moved = replace(A, port="usb:001,007")
    assert await new_card().check(replace(moved, serial="2"), listing()) == []
    assert await new_card().check(moved, listing())


async def test_a_camera_on_another_address_is_another_camera(new_card: NewCard) -> None:
    await new_card().begin_shot(replace(A, port="ptpip:192.0.2.1"), Order(), False, 0.0)
    assert await new_card().check(replace(A, port="ptpip:192.0.2.2"), listing()) == []
    assert await new_card().check(replace(A, port="ptpip:192.0.2.1"), listing())


async def test_a_card_with_fifty_thousand_files_does_not_block_the_event_loop(new_card: NewCard) -> None:
    async def crowded(folder: str) -> tuple[list[str], list[str]]:
        depth = folder.count("/") if folder != "/" else 0
        if depth == 0:
            return [f"{number}CANON" for number in range(100, 150)], []
        return [], [f"IMG_{number:04}.JPG" for number in range(1000)] if depth == 1 else []

    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    card = new_card()
    await card.read(A, crowded)
    assert card.files == 50_000
    await card.begin_shot(A, Order(), False, 0.0)
    card.add("/100CANON/NEW.JPG")
    (finding,) = await card.check(A, crowded)
    watching.cancel()
    await asyncio.wait((watching,))
    assert finding.files == ()
    assert longest < 0.2, "processor time of the loop in one piece; generous, for a slow machine"


async def test_an_unknown_shot_is_searched_only_on_its_own_camera(new_card: NewCard) -> None:
    card = new_card()  # the card of a network address that two cameras use, one after the other
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    assert await card.check(B, listing("9.JPG")) == []
    (finding,) = await card.check(A, listing("1.JPG", "2.JPG"))
    assert finding.files == (f"{FOLDER}/2.JPG",)


async def test_the_file_of_a_shot_started_while_the_card_was_read_is_inconclusive(new_card: NewCard) -> None:
    card = new_card()
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(folder: str) -> tuple[list[str], list[str]]:
        started.set()
        await go_on.wait()
        return [], ["1.JPG", "NEW.JPG"] if folder == "/" else []

    reading = asyncio.create_task(card.read(A, slow))
    await started.wait()
    await card.begin_shot(A, Order(), False, 0.0)
    go_on.set()
    await reading
    (finding,) = await card.check(A, slow)
    assert finding.files is None


async def test_a_deleted_file_does_not_hide_a_new_file_with_the_same_name(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    card.add(f"{FOLDER}/2.JPG")
    await card.begin_shot(A, Order(), False, 0.0)
    card.end_shot([])
    card.remove(f"{FOLDER}/2.JPG")
    await card.begin_shot(A, Order(), False, 0.0)
    later = new_card()
    findings = await later.check(A, listing("1.JPG", "2.JPG"))
    assert findings[-1].files == (f"{FOLDER}/2.JPG",)


async def test_the_raw_file_of_an_earlier_shot_is_not_of_the_next(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    (finding,) = await new_card().check(A, listing("1.JPG", "1.CR2", "2.JPG"))
    assert (finding.files, finding.outcome) == ((f"{FOLDER}/2.JPG",), "done")


async def test_files_of_several_shots_prove_no_outcome(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    (finding,) = await new_card().check(A, listing("1.JPG", "2.CR2", "2.JPG", "3.JPG"))
    assert (len(finding.files or ()), finding.outcome) == (3, "unknown")
    assert "of several shots" in finding.message


async def test_a_shot_that_was_interrupted_before_the_release_has_failed(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    await card.begin_shot(A, Order(), True, 0.0)
    (finding,) = await new_card().check(A, listing("1.JPG", "2.JPG"))
    assert (finding.files, finding.outcome) == ((), "failed")
    assert "before the shutter was released" in finding.message


async def test_on_a_full_disk_a_shot_that_changes_settings_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db", MIGRATIONS)
    journal = Journals(ShotStore(store)).journal()
    await journal.identify(A)
    (pages,) = await store.read(lambda db: db.execute("PRAGMA page_count").fetchone())
    await store.read(lambda db: db.execute(f"PRAGMA max_page_count={pages}"))
    shot = await journal.begin(Order(request="x" * 20_000), False, True, 0.0)
    assert shot.unwritten
    await journal.changing(shot, {"iso": "100"})
    await journal.releasing(shot, 0.0)
    assert shot.state == "released"
    store.close()


@pytest.mark.parametrize("transactions", range(5))
async def test_after_a_full_disk_no_shot_is_recorded_without_its_known_outcome(
    tmp_path: Path, transactions: int
) -> None:
    """Two shots were taken while the disk was full. The server ends after some of the transactions that record them."""
    store = FailingStore(tmp_path / "store.db")
    journals = Journals(ShotStore(store))
    journal = journals.journal()
    card = Card(journal)
    store.left = 3  # the note of the server, the camera, and the content of its card
    await journals.exposure_interrupted()
    await card.read(A, listing("1.JPG"))
    for path in (f"{FOLDER}/2.JPG", f"{FOLDER}/3.JPG"):
        shot = await card.begin_shot(A, Order(), False, 0.0)
        card.end_shot([path])
        await journal.finish(shot, "done", ShotResult((RecordedFile(path),)), {})
    store.left = transactions
    await journal.write_outcomes()
    store.close()

    later = Store(tmp_path / "store.db", MIGRATIONS)
    shots = ShotStore(later)
    assert await Card(Journals(shots).journal()).check(A, listing("1.JPG", "2.JPG", "3.JPG")) == []
    records = (await shots.last(10))[::-1]
    assert len(records) == min(2, (transactions + 1) // 2)
    assert [(record.outcome, [file.camera_filepath for file in record.result.files]) for record in records] == [
        ("done", [path]) for path in (f"{FOLDER}/2.JPG", f"{FOLDER}/3.JPG")[: len(records)]
    ]
    later.close()


MOVIE_ORDER = Order(None, '{"movie_max_s": 5}')


async def test_a_late_file_of_a_movie_is_not_of_a_shot_that_was_started_meanwhile(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("IMG_0001.JPG"))
    movie = await card.begin_shot(A, MOVIE_ORDER, False, 0.0)
    shot = await card.begin_shot(A, Order(), False, 0.0)
    found = await new_card().check(A, listing("IMG_0001.JPG", "IMG_0002.JPG", "MVI_0003.MP4"))
    by_number = {finding.shot.number: (finding.outcome, finding.files) for finding in found}
    assert by_number == {
        movie.number: ("done", (f"{FOLDER}/MVI_0003.MP4",)),
        shot.number: ("done", (f"{FOLDER}/IMG_0002.JPG",)),
    }


async def test_the_file_of_one_of_two_movies_is_inconclusive(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("IMG_0001.JPG"))
    for _ in range(2):
        await card.begin_shot(A, MOVIE_ORDER, False, 0.0)
    found = await new_card().check(A, listing("IMG_0001.JPG", "MVI_0003.MP4"))
    assert [finding.outcome for finding in found] == ["unknown", "unknown"]


async def test_a_movie_before_a_shot_has_not_failed_if_the_card_shows_no_new_file(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("IMG_0001.JPG"))
    await card.begin_shot(A, MOVIE_ORDER, False, 0.0)
    await card.begin_shot(A, Order(), False, 0.0)  # the file of the movie may have come before
    found = await new_card().check(A, listing("IMG_0001.JPG", "IMG_0002.JPG"))
    assert [finding.outcome for finding in found] == ["unknown", "done"]


async def test_the_end_of_a_movie_does_not_hide_the_picture_of_a_shot_in_progress(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("IMG_0001.JPG"))
    await card.begin_shot(A, Order(), False, 0.0)
    card.begin_release()
    card.add(f"{FOLDER}/IMG_0002.JPG")
    card.end_movie([f"{FOLDER}/MVI_0003.MP4"])
    (found,) = await card.check(A, listing("IMG_0001.JPG", "IMG_0002.JPG", "MVI_0003.MP4"))
    assert (found.outcome, found.files) == ("done", (f"{FOLDER}/IMG_0002.JPG",))


async def test_a_burst_of_which_only_the_saved_files_are_known_is_not_done(shots: ShotStore) -> None:
    journal = Journals(shots).journal()
    card = Card(journal)
    await card.read(A, listing("1.JPG"))
    burst = await card.begin_shot(A, Order(None, '{"frames": 3}'), False, 0.0)
    await journal.saved(burst, [RecordedFile(f"{FOLDER}/2.JPG")], sync=False)
    await card.begin_shot(A, Order(), False, 0.0)
    found, _ = await Card(Journals(shots).journal()).check(A, listing("1.JPG", "2.JPG", "3.JPG", "4.JPG"))
    assert (found.outcome, found.files) == ("unknown", (f"{FOLDER}/2.JPG",))
    assert "may have more" in found.message


async def test_a_card_that_a_check_has_read_is_read_again_only_after_the_next_opening(new_card: NewCard) -> None:
    card = new_card()
    await card.read(A, listing("1.JPG"))
    card.opened()
    await card.begin_shot(A, Order(), False, 0.0)
    (finding,) = await card.check(A, listing("1.JPG", "2.JPG"))
    await card.reported(finding)
    await card.read(A, list_disconnected)
    assert card.files == 2
    card.opened()
    await card.read(A, list_disconnected)
    assert card.files is None
