"""The known files of a card: changes while it is read, cards that cannot be read, cards with very many files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.errors import CameraDisconnected
from camera.photos import card as module
from camera.photos.card import Card, ListFolder
from camera.photos.journal import Journal

FOLDER = "/store/DCIM/100CANON"


def listing(*names: str, meanwhile: Callable[[], None] = lambda: None) -> ListFolder:
    """A function that lists a card with one folder. It calls `meanwhile` while it lists that folder."""

    async def list_folder(folder: str) -> tuple[list[str], list[str]]:
        if folder == FOLDER:
            meanwhile()
            return [], list(names)
        rest = FOLDER.removeprefix(folder.rstrip("/") + "/") if FOLDER.startswith(folder) else ""
        return ([rest.partition("/")[0]] if rest else []), []

    return list_folder


async def list_disconnected(folder: str) -> tuple[list[str], list[str]]:
    """Fail because the camera disconnects while the card is read."""
    raise CameraDisconnected("The camera is gone.")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal in a folder of the test."""
    return Journal(tmp_path / "shots")


async def test_a_file_added_while_the_card_is_read_is_not_a_finding(journal: Journal) -> None:
    card = Card(journal)
    await card.read("A", listing("1.JPG", meanwhile=lambda: card.add(f"{FOLDER}/2.JPG")))
    assert card.files == 2
    await card.begin_shot("A")
    finding = await card.check("A", listing("1.JPG", "2.JPG"))
    assert finding is not None
    assert finding.files == ()


async def test_after_a_restart_a_file_that_was_unknown_before_is_found(journal: Journal) -> None:
    card = Card(journal)
    await card.read("A", listing("1.JPG"))
    card.add(f"{FOLDER}/2.JPG")
    await card.begin_shot("A")
    next_card = Card(journal)
    finding = await next_card.check("A", listing("1.JPG", "2.JPG", "3.JPG"))
    assert finding is not None
    assert finding.files == (f"{FOLDER}/3.JPG",)
    assert await Card(journal).check("A", listing()) is None


async def test_without_a_journal_the_same_server_finds_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    card = Card(Journal(tmp_path / "file"))
    await card.read("A", listing("1.JPG"))
    await card.begin_shot("A")
    card.add(f"{FOLDER}/2.JPG")  # reported by an event after the shot failed
    finding = await card.check("A", listing("1.JPG", "2.JPG"))
    assert finding is not None
    assert finding.files == (f"{FOLDER}/2.JPG",)


async def test_an_empty_list_of_a_card_that_had_files_is_inconclusive(journal: Journal) -> None:
    card = Card(journal)
    await card.read("A", listing("1.JPG"))
    await card.begin_shot("A")
    finding = await card.check("A", listing())
    assert finding is not None
    assert finding.files is None


async def test_after_repeated_disconnects_a_card_is_not_read_and_shots_are_possible(journal: Journal) -> None:
    card = Card(journal)
    await card.begin_shot("A")
    for _ in range(module._TRIES):
        with pytest.raises(CameraDisconnected):
            await card.check("A", list_disconnected)
    finding = await card.check("A", list_disconnected)
    assert finding is not None
    assert finding.files is None
    assert not card.needs_check
    folders_read: list[str] = []

    async def list_folder(folder: str) -> tuple[list[str], list[str]]:
        folders_read.append(folder)
        return [], []

    await card.read("A", list_folder)
    assert folders_read == []


@pytest.mark.parametrize("cameras", [("a-b", "a_b"), ("é", "ü")])
async def test_cameras_with_similar_names_have_separate_journal_entries(
    journal: Journal, cameras: tuple[str, str]
) -> None:
    first, second = cameras
    await Card(journal).begin_shot(first)
    assert await Card(journal).check(second, listing()) is None
    assert await Card(journal).check(first, listing()) is not None


async def test_a_card_with_fifty_thousand_files_does_not_block_the_event_loop(journal: Journal) -> None:
    async def list_many(folder: str) -> tuple[list[str], list[str]]:
        depth = folder.count("/") if folder != "/" else 0
        if depth == 0:
            return [f"{number}CANON" for number in range(100, 150)], []
        return [], [f"IMG_{number:04}.JPG" for number in range(1000)] if depth == 1 else []

    longest = 0.0

    async def measure() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    measuring = asyncio.create_task(measure())
    card = Card(journal)
    await card.read("A", list_many)
    assert card.files == 50_000
    await card.begin_shot("A")
    card.add("/100CANON/NEW.JPG")
    finding = await card.check("A", list_many)
    measuring.cancel()
    await asyncio.wait((measuring,))
    assert finding is not None
    assert finding.files == ()
    assert longest < 0.2, "processor time of the loop in one piece; generous, for a slow machine"


async def test_an_unknown_shot_is_searched_only_on_its_own_camera(journal: Journal) -> None:
    card = Card(journal)  # for an address that another camera can use too
    await card.read("A", listing("1.JPG"))
    await card.begin_shot("A")
    assert await card.check("B", listing("9.JPG")) is None
    finding = await card.check("A", listing("1.JPG", "2.JPG"))
    assert finding is not None
    assert finding.files == (f"{FOLDER}/2.JPG",)


async def test_the_file_of_a_shot_started_while_the_card_was_read_is_inconclusive(journal: Journal) -> None:
    card = Card(journal)
    started, resume = asyncio.Event(), asyncio.Event()

    async def slow(folder: str) -> tuple[list[str], list[str]]:
        started.set()
        await resume.wait()
        return [], ["1.JPG", "NEW.JPG"] if folder == "/" else []

    reading = asyncio.create_task(card.read("A", slow))
    await started.wait()
    await card.begin_shot("A")
    resume.set()
    await reading
    finding = await card.check("A", slow)
    assert finding is not None
    assert finding.files is None
