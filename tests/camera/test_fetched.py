"""Fetched files: found again, forgotten by age and size, shots that exist nowhere else kept under names of their own."""

from __future__ import annotations

import os

import psutil
import pytest

from camera.photos.downloads import FetchedFile, FileCache


def file(path: str, size: int = 10, mark: bytes = b"x") -> FetchedFile:
    """A file whose first byte is `mark`; it takes no memory beyond that."""
    fd = os.memfd_create("test")
    os.write(fd, mark)
    os.truncate(fd, size)
    return FetchedFile(fd, path, size, "image/jpeg")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr("camera.photos.downloads.time.monotonic", lambda: now[0])
    return now


def test_a_file_is_found_again_by_its_path() -> None:
    files, one = FileCache(), file("/card/one.jpg")
    files.add(one)
    assert files.get("/card/one.jpg") is one
    assert files.get("/card/two.jpg") is None


def test_the_newer_file_of_a_path_takes_the_place_of_the_older() -> None:
    files, newer = FileCache(), file("/card/one.jpg")
    files.add(file("/card/one.jpg"))
    files.add(newer)
    assert files.get("/card/one.jpg") is newer


def test_a_file_that_nobody_asks_for_is_forgotten_after_a_minute(clock: list[float]) -> None:
    files = FileCache()
    files.add(file("/card/one.jpg"))
    clock[0] += 59
    assert files.get("/card/one.jpg") is not None
    clock[0] += 59
    assert files.get("/card/one.jpg") is not None
    clock[0] += 61
    assert files.get("/card/one.jpg") is None


def test_the_oldest_goes_when_there_is_too_much_and_the_newest_stays_whatever_its_size() -> None:
    files = FileCache()
    for name in ("a", "b", "c"):
        files.add(file(f"/card/{name}", 30 * 2**20))
    assert [files.get(f"/card/{name}") is not None for name in ("a", "b", "c")] == [False, True, True]
    files.add(file("/card/huge", 500 * 2**20))
    assert [files.get(f"/card/{name}") is not None for name in ("b", "c", "huge")] == [False, False, True]


def test_only_copies_outlive_age_and_size_of_the_others(clock: list[float]) -> None:
    files = FileCache()
    path = files.add_only_copy(file("/capt0000.jpg", 60 * 2**20))
    files.add(file("/card/huge", 500 * 2**20))
    clock[0] += 10_000
    files.forget_old()
    assert files.get(path) is not None


def test_only_copies_of_one_name_get_names_of_their_own() -> None:
    files = FileCache()
    paths = [files.add_only_copy(file("/capt0000.jpg", mark=bytes([65 + number]))) for number in range(3)]
    assert paths == ["/capt0000.jpg", "/capt0000-2.jpg", "/capt0000-3.jpg"]
    for number, path in enumerate(paths):
        found = files.get(path)
        assert found is not None
        assert (found.path, found.filename, found.read(0, 1)) == (path, path[1:], bytes([65 + number]))


def test_the_oldest_only_copy_goes_when_there_are_too_many() -> None:
    files = FileCache()
    paths = [files.add_only_copy(file("/capt0000.jpg", 100 * 2**20)) for _ in range(4)]
    assert [files.get(path) is not None for path in paths] == [False, False, True, True]


def test_a_dropped_file_is_gone() -> None:
    files = FileCache()
    files.add(file("/card/one.jpg"))
    path = files.add_only_copy(file("/capt0000.jpg"))
    assert files.is_only_copy(path)
    assert not files.is_only_copy("/card/one.jpg")
    assert [files.drop(name) for name in (path, "/card/one.jpg", "/nobody")] == [True, True, False]
    assert files.get(path) is files.get("/card/one.jpg") is None


def test_a_file_lives_as_long_as_somebody_reads_it() -> None:
    process = psutil.Process()
    before = process.num_fds()
    files, held = FileCache(), file("/card/one.jpg", 3, b"abc")
    files.add(held)
    files.drop("/card/one.jpg")
    assert held.read(0, 3) == b"abc"
    assert process.num_fds() == before + 1
    del held
    assert process.num_fds() == before


def test_1500_small_files_hold_few_descriptors_and_one_that_is_read_stays() -> None:
    process = psutil.Process()
    before = process.num_fds()
    files, held = FileCache(), file("/card/held.jpg", 3, b"abc")
    files.add(held)
    for number in range(1500):
        files.add(file(f"/card/{number}.jpg"))
    assert process.num_fds() - before <= 64 + 1
    assert [files.get(f"/card/{number}.jpg") is not None for number in (1400, 1436, 1499)] == [False, True, True]
    assert held.read(0, 3) == b"abc"
    for _ in range(1500):
        files.add_only_copy(file("/capt0000.jpg"))
    assert process.num_fds() - before <= 64 + 256 + 1


@pytest.mark.parametrize(
    ("start", "end", "pieces"),
    [(0, None, [4, 4, 2]), (8, None, [2]), (10, None, []), (2, 6, [4]), (2, 100, [4, 4]), (3, 3, [])],
)
def test_pieces_cover_what_was_asked_for(start: int, end: int | None, pieces: list[int]) -> None:
    one = file("/card/one.jpg", 10)
    assert [len(piece) for piece in one.pieces(4, start, end)] == pieces
