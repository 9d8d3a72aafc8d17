"""Downloads of the client: in pieces, with progress, whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gphoto_ws_client import Client, DataError

from simulator.client import Control


async def test_a_file_comes_whole_with_progress_and_its_digest(api: Client, simulator: Control, tmp_path: Path) -> None:
    shot = await api.capture_image()
    steps: list[tuple[int, int]] = []
    saved = await api.download(
        tmp_path / "picture.jpg", shot.camera_filepath, piece_bytes=50_000,
        progress=lambda here, size: steps.append((here, size)),
    )  # fmt: skip
    (held,) = simulator.state(sha256=True)["files"]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == saved.sha256 == held["sha256"]
    assert saved.size == held["size"] == shot.files[0].size
    assert steps == sorted(steps)
    assert len(steps) > saved.size // 50_000
    assert steps[-1] == (saved.size, saved.size)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.jpg"]


async def test_without_a_path_the_last_image_comes(api: Client, tmp_path: Path) -> None:
    shot = await api.capture_image()
    assert (await api.download(tmp_path / "last.jpg")).camera_filepath == shot.camera_filepath


async def test_a_file_that_exists_is_kept_unless_told_otherwise(api: Client, tmp_path: Path) -> None:
    await api.capture_image()
    target = tmp_path / "picture.jpg"
    target.write_text("precious")
    with pytest.raises(FileExistsError):
        await api.download(target)
    assert target.read_text() == "precious"
    await api.download(target, overwrite=True)
    assert target.read_bytes()[:2] == b"\xff\xd8"


async def test_a_file_that_appears_meanwhile_is_kept(api: Client, tmp_path: Path) -> None:
    await api.capture_image()
    target = tmp_path / "picture.jpg"

    def somebody_else(here: int, size: int) -> None:
        target.write_text("precious")

    with pytest.raises(FileExistsError):
        await api.download(target, progress=somebody_else)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"picture.jpg": "precious"}


async def test_nothing_is_left_of_a_download_that_fails(api: Client, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        await api.download(tmp_path / "none.jpg", "/store_00020001/DCIM/100CANON/IMG_0999.JPG")
    assert caught.value.code == "file_not_found"
    assert list(tmp_path.iterdir()) == []


async def test_a_progress_function_that_raises_ends_the_download_and_nothing_else(api: Client, tmp_path: Path) -> None:
    await api.capture_image()

    def enough(here: int, size: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await api.download(tmp_path / "picture.jpg", progress=enough)
    assert list(tmp_path.iterdir()) == []
    assert (await api.ping()).message == "pong"
    await api.download(tmp_path / "picture.jpg")
