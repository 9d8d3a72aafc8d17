"""The cache of fetched files: lookup, eviction by age and size, unique names for files that are only in the cache."""

from __future__ import annotations

import os

import psutil
import pytest

from camera.photos.downloads import FetchedFile, FileCache


def file(path: str, size: int = 10, mark: bytes = b"x") -> FetchedFile:
    """A file that begins with the bytes `mark`. The rest of the file is a hole, which uses no memory."""
    fd = os.memfd_create("test")
    os.write(fd, mark)
    os.truncate(fd, size)
    return FetchedFile(fd, path, size, "image/jpeg")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only the test advances."""
    now = [1000.0]
    monkeypatch.setattr("camera.photos.downloads.time.monotonic", lambda: now[0])
    return now


def test_a_file_is_found_by_its_path() -> None:
    files, file_one = FileCache(), file("/card/one.jpg")
    files.add(file_one)
    assert files.get("/card/one.jpg") is file_one
    assert files.get("/card/two.jpg") is None


def test_a_newer_file_replaces_an_older_one_with_the_same_path() -> None:
    files, newer = FileCache(), file("/card/one.jpg")
    files.add(file("/card/one.jpg"))
    files.add(newer)
    assert files.get("/card/one.jpg") is newer


def test_a_file_that_is_not_used_is_evicted_after_a_minute(clock: list[float]) -> None:
    files = FileCache()
    files.add(file("/card/one.jpg"))
    clock[0] += 59
    assert files.get("/card/one.jpg") is not None
    clock[0] += 59
    assert files.get("/card/one.jpg") is not None
    clock[0] += 61
    assert files.get("/card/one.jpg") is None


def test_the_oldest_file_is_evicted_above_the_limit_and_the_newest_is_kept() -> None:
    files = FileCache()
    for name in ("a", "b", "c"):
        files.add(file(f"/card/{name}", 30 * 2**20))
    assert [files.get(f"/card/{name}") is not None for name in ("a", "b", "c")] == [False, True, True]
    files.add(file("/card/huge", 500 * 2**20))
    assert [files.get(f"/card/{name}") is not None for name in ("b", "c", "huge")] == [False, False, True]


def test_only_copies_are_not_evicted_by_age_or_by_the_size_of_others(clock: list[float]) -> None:
    files = FileCache()
    path = files.add_only_copy(file("/capt0000.jpg", 60 * 2**20))
    files.add(file("/card/huge", 500 * 2**20))
    clock[0] += 10_000
    files.forget_old()
    assert files.get(path) is not None


def test_only_copies_with_the_same_name_get_unique_names() -> None:
    files = FileCache()
    paths = [files.add_only_copy(file("/capt0000.jpg", mark=bytes([65 + number]))) for number in range(3)]
    assert paths == ["/capt0000.jpg", "/capt0000-2.jpg", "/capt0000-3.jpg"]
    for number, path in enumerate(paths):
        found = files.get(path)
        assert found is not None
        assert (found.path, found.filename, found.read(0, 1)) == (path, path[1:], bytes([65 + number]))


def test_the_oldest_only_copies_are_evicted_above_the_limit() -> None:
    files = FileCache()
    paths = [files.add_only_copy(file("/capt0000.jpg", 100 * 2**20)) for _ in range(4)]
    assert [files.get(path) is not None for path in paths] == [False, False, True, True]


def test_a_dropped_file_is_not_found() -> None:
    files = FileCache()
    files.add(file("/card/one.jpg"))
    path = files.add_only_copy(file("/capt0000.jpg"))
    assert files.is_only_copy(path)
    assert not files.is_only_copy("/card/one.jpg")
    assert [files.drop(name) for name in (path, "/card/one.jpg", "/nobody")] == [True, True, False]
    assert files.get(path) is files.get("/card/one.jpg") is None


def test_a_file_stays_open_as_long_as_it_is_used() -> None:
    process = psutil.Process()
    before = process.num_fds()
    files, used_file = FileCache(), file("/card/one.jpg", 3, b"abc")
    files.add(used_file)
    files.drop("/card/one.jpg")
    assert used_file.read(0, 3) == b"abc"
    assert process.num_fds() == before + 1
    del used_file
    assert process.num_fds() == before


def test_1500_small_files_use_few_descriptors_and_a_file_in_use_stays_open() -> None:
    process = psutil.Process()
    before = process.num_fds()
    files, used_file = FileCache(), file("/card/held.jpg", 3, b"abc")
    files.add(used_file)
    for number in range(1500):
        files.add(file(f"/card/{number}.jpg"))
    assert process.num_fds() - before <= 64 + 1
    assert [files.get(f"/card/{number}.jpg") is not None for number in (1400, 1436, 1499)] == [False, True, True]
    assert used_file.read(0, 3) == b"abc"
    for _ in range(1500):
        files.add_only_copy(file("/capt0000.jpg"))
    assert process.num_fds() - before <= 64 + 256 + 1


@pytest.mark.parametrize(
    ("start", "end", "pieces"),
    [(0, None, [4, 4, 2]), (8, None, [2]), (10, None, []), (2, 6, [4]), (2, 100, [4, 4]), (3, 3, [])],
)
def test_pieces_cover_the_requested_range(start: int, end: int | None, pieces: list[int]) -> None:
    file_one = file("/card/one.jpg", 10)
    assert [len(piece) for piece in file_one.pieces(4, start, end)] == pieces
