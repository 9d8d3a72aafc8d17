"""Downloads of the client: in chunks, with progress. An incomplete file is never saved."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gphoto_ws_client import Client, DataError

from simulator.client import Control


async def test_a_download_is_complete_and_reports_progress_and_digest(
    api: Client, simulator: Control, tmp_path: Path
) -> None:
    shot = await api.capture_image()
    steps: list[tuple[int, int]] = []
    saved = await api.download(
        tmp_path / "picture.jpg", shot.camera_filepath, piece_bytes=50_000,
        progress=lambda received, size: steps.append((received, size)),
    )  # fmt: skip
    (on_camera,) = simulator.state(sha256=True)["files"]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == saved.sha256 == on_camera["sha256"]
    assert saved.size == on_camera["size"] == shot.files[0].size
    assert steps == sorted(steps)
    assert len(steps) > saved.size // 50_000
    assert steps[-1] == (saved.size, saved.size)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.jpg"]


async def test_without_a_path_the_last_image_is_downloaded(api: Client, tmp_path: Path) -> None:
    shot = await api.capture_image()
    assert (await api.download(tmp_path / "last.jpg")).camera_filepath == shot.camera_filepath


async def test_an_existing_file_is_kept_unless_overwrite_is_set(api: Client, tmp_path: Path) -> None:
    await api.capture_image()
    target = tmp_path / "picture.jpg"
    target.write_text("precious")
    with pytest.raises(FileExistsError):
        await api.download(target)
    assert target.read_text() == "precious"
    await api.download(target, overwrite=True)
    assert target.read_bytes()[:2] == b"\xff\xd8"


async def test_a_file_created_during_the_download_is_kept(api: Client, tmp_path: Path) -> None:
    await api.capture_image()
    target = tmp_path / "picture.jpg"

    def create_target(received: int, size: int) -> None:
        target.write_text("precious")

    with pytest.raises(FileExistsError):
        await api.download(target, progress=create_target)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"picture.jpg": "precious"}


async def test_a_failed_download_leaves_no_file(api: Client, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        await api.download(tmp_path / "none.jpg", "/store_00020001/DCIM/100CANON/IMG_0999.JPG")
    assert caught.value.code == "file_not_found"
    assert list(tmp_path.iterdir()) == []


async def test_a_progress_function_that_raises_ends_only_the_download(api: Client, tmp_path: Path) -> None:
    await api.capture_image()

    def raise_error(received: int, size: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await api.download(tmp_path / "picture.jpg", progress=raise_error)
    assert list(tmp_path.iterdir()) == []
    assert (await api.ping()).message == "pong"
    await api.download(tmp_path / "picture.jpg")
