"""Saving pictures on disks that are full, lack hard links, or have files of other servers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from camera.errors import CameraIO, DiskFull, FolderNotWritable
from camera.photos import folder as module
from camera.photos.downloads import FetchedFile
from camera.photos.folder import NameParts, PhotoFolder
from camera.photos.saver import PhotoSaver
from tests.support.refused_calls import without_hard_links
from tests.support.small_disk import small_disk

TEMPLATE = "{original}"
NewSaver = Callable[..., PhotoSaver]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The photo folder. It already exists."""
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def saver(photos: Path) -> PhotoSaver:
    """Saves pictures to the photo folder."""
    return PhotoSaver(PhotoFolder(photos, TEMPLATE))


def picture(content: bytes, size: int | None = None) -> FetchedFile:
    """A fetched picture. `size` is the size that the camera reported, if it differs from the size of `content`."""
    descriptor = os.memfd_create("picture")
    os.write(descriptor, content)
    return FetchedFile(descriptor, "/DCIM/1.JPG", len(content) if size is None else size, "image/jpeg")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def name_of_next(saver: PhotoSaver, wanted: str | None = None) -> str:
    return await saver.claim(NameParts("IMG_1.JPG", "Canon", "1"), wanted, [".jpg"])


async def test_a_picture_that_does_not_fit_on_the_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        with pytest.raises(DiskFull, match="still on the camera"):
            await PhotoSaver(PhotoFolder(disk, TEMPLATE)).save("guest", ".jpg", picture(bytes(2**20)))
        assert names(disk) == []


async def test_a_disk_too_full_for_the_photo_folder_itself_is_reported_as_full(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=64k,nr_inodes=1") as disk,
        pytest.raises(DiskFull, match="Free some space, then try again"),
    ):
        await PhotoSaver(PhotoFolder(disk / "photos", TEMPLATE)).check_room(0)


async def test_a_picture_larger_than_the_free_space_is_rejected_with_the_free_space(saver: PhotoSaver) -> None:
    with pytest.raises(DiskFull, match="MB free") as full:
        await saver.check_room(2**62)
    assert full.value.free is not None


async def test_a_folder_name_that_is_too_long_is_reported_at_the_start_and_before_a_shot(photos: Path) -> None:
    saver = PhotoSaver(PhotoFolder(photos / ("x" * 300), TEMPLATE))
    with pytest.raises(FolderNotWritable, match="File name too long"):
        await saver.prepare()
    with pytest.raises(FolderNotWritable, match="File name too long"):
        await saver.check_room(0)


async def test_a_shorter_file_than_the_camera_reported_is_not_saved(saver: PhotoSaver, photos: Path) -> None:
    with pytest.raises(CameraIO, match="Only 4 of 10 bytes"):
        await saver.save("guest", ".jpg", picture(b"half", size=10))
    assert names(photos) == []


async def test_two_shots_at_once_with_one_name_get_two_names(saver: PhotoSaver, photos: Path) -> None:
    first, second = await name_of_next(saver, "guest.jpg"), await name_of_next(saver, "guest.jpg")
    assert (first, second) == ("guest", "guest-2")
    saver.release(first)
    assert await name_of_next(saver, "guest.jpg") == "guest"  # no file was saved with this name


async def test_without_a_free_name_the_shot_is_reported_as_not_saved(
    saver: PhotoSaver, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_NAMES", 3)
    for name in ("guest.jpg", "guest-2.jpg"):
        (photos / name).write_text("somebody's")
    with pytest.raises(CameraIO, match="no free name like guest"):
        await name_of_next(saver, "guest.jpg")
    with pytest.raises(CameraIO, match=r"no free name like guest\.jpg"):
        await saver.save("guest", ".jpg", picture(b"picture"))
    assert names(photos) == ["guest-2.jpg", "guest.jpg"]


async def test_partial_files_of_ended_servers_are_deleted_and_those_of_running_ones_are_kept(
    saver: PhotoSaver, photos: Path
) -> None:
    running = photos / f".{os.getppid()}-1.partial"
    abandoned_long_ago = photos / f".{os.getppid()}-2.partial"
    ended = [photos / f".{process}-3.partial" for process in (os.getpid(), 2**22 + 1, 10**30, "unknown")]
    for path in (running, abandoned_long_ago, *ended, photos / "guest.jpg"):
        path.touch()
    os.utime(abandoned_long_ago, (time.time() - 2 * 3600,) * 2)
    assert await saver.prepare() == 5
    assert names(photos) == [running.name, "guest.jpg"]


@pytest.mark.parametrize(("existing", "following"), [((), "00001"), (("Canon_00041.jpg", "Canon_7.jpg"), "00042")])
async def test_the_counter_continues_after_the_highest_in_the_folder(
    photos: Path, existing: tuple[str, ...], following: str
) -> None:
    for name in existing:
        (photos / name).touch()
    saver = PhotoSaver(PhotoFolder(photos, "{camera}_{counter}"))
    assert await name_of_next(saver) == f"Canon_{following}"
    assert await name_of_next(saver) == f"Canon_{int(following) + 1:05d}"


async def test_on_a_disk_without_hard_links_a_picture_is_saved_and_no_file_is_overwritten(photos: Path) -> None:
    (photos / "guest.jpg").write_text("somebody's")
    saver = PhotoSaver(PhotoFolder(photos, TEMPLATE), without_hard_links())
    saved = await saver.save("guest", ".jpg", picture(b"picture"))
    assert (saved, Path(saved).read_bytes()) == (str(photos / "guest-2.jpg"), b"picture")
    assert (photos / "guest.jpg").read_text() == "somebody's"
    assert names(photos) == ["guest-2.jpg", "guest.jpg"]


async def test_a_save_that_fails_at_its_last_step_leaves_no_empty_file(photos: Path) -> None:
    saver = PhotoSaver(PhotoFolder(photos, TEMPLATE), without_hard_links(and_renaming=True))
    with pytest.raises(FolderNotWritable, match="still on the camera"):
        await saver.save("guest", ".jpg", picture(b"picture"))
    assert names(photos) == []


async def test_a_folder_that_was_replaced_by_a_file_is_reported_and_the_file_is_kept(
    saver: PhotoSaver, photos: Path
) -> None:
    photos.rmdir()
    photos.write_text("somebody's")
    with pytest.raises(FolderNotWritable, match=r"is not a folder\. The picture is still on the camera"):
        await saver.save("guest", ".jpg", picture(b"picture"))
    assert photos.read_text() == "somebody's"


async def test_a_folder_whose_path_leaves_no_room_for_a_name_is_reported_as_unreadable(photos: Path) -> None:
    folder, longest = photos, 4090  # of the 4095 bytes that a path may have
    while len(str(folder)) < longest - 200:
        folder /= "x" * 100
    folder /= "x" * (longest - len(str(folder)) - 1)
    folder.mkdir(parents=True)
    with pytest.raises(FolderNotWritable, match="cannot be read: File name too long"):
        await name_of_next(PhotoSaver(PhotoFolder(folder, TEMPLATE)))


async def test_the_counter_continues_after_the_highest_in_all_subfolders(photos: Path) -> None:
    for name in ("a/Canon_00041.jpg", "b/Canon_00007.jpg", "b/deeper/Canon_00099.jpg", "Canon_00098.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    saver = PhotoSaver(PhotoFolder(photos, "{job}/{camera}_{counter}"))
    assert await name_of_next(saver) == "no-job/Canon_00042"


async def test_names_in_subfolders_are_reserved_and_kept(photos: Path) -> None:
    saver = PhotoSaver(PhotoFolder(photos, "{job}/{original}"))
    first, second = await name_of_next(saver), await name_of_next(saver)
    assert (first, second) == ("no-job/IMG_1", "no-job/IMG_1-2")
    saved = [await saver.save(name, ".jpg", picture(b"picture")) for name in (first, first, second)]
    assert saved == [str(photos / f"no-job/IMG_1{number}.jpg") for number in ("", "-2", "-2-2")]
