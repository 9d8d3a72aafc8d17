"""How much room there is for pictures, and how large the pictures of a camera are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from camera.errors import CameraError
from camera.photos.downloads import in_ram
from camera.photos.saver import PhotoSaver
from camera.remote import RemoteCamera

# The size of a shot if the card has no picture to compare with: a JPEG and a RAW file of 24 megapixels.
_GUESS_BYTES = 40 * 2**20
_DEEPEST = 6
_PICTURES_FOLDER = "DCIM"  # the name in the standard for cameras, DCF


@dataclass(frozen=True, slots=True)
class Room:
    """The room for pictures.

    Attributes:
        disk_free, card_free: free bytes; None if pictures are not stored there, or if that is unknown.
        shot_bytes: the size of all files of a shot.
        guessed: whether `shot_bytes` is a guess, because there is no earlier picture.
    """

    disk_free: int | None
    card_free: int | None
    shot_bytes: int
    guessed: bool

    def lacks(self, shots: int) -> list[str]:
        """Where so many shots do not fit, one sentence each."""
        size = f"about {self.shot_bytes / 2**20:.1f} MB each" + (" (a guess)" if self.guessed else "")
        return [
            f"{where} has room for about {max(0, free) // self.shot_bytes} of {shots} pictures ({size})."
            for where, free in (("The disk of the photo folder", self.disk_free), ("The card", self.card_free))
            if free is not None and free < shots * self.shot_bytes
        ]


async def measure(camera: RemoteCamera, saver: PhotoSaver | None, newest: str | None) -> Room:
    """Measure the room.

    Args:
        camera: the camera.
        saver: saves the pictures; None if they stay on the camera.
        newest: the path of the newest picture, if it is known.
    """
    disk = None
    if saver is not None:
        with suppress(CameraError):
            disk = await saver.free()
    size = card = None
    with suppress(CameraError):
        if not await _uses_ram(camera):
            if newest is None or in_ram(newest):
                newest = await _find_newest(camera)
            size = await _shot_bytes(camera, newest)
            card = await _card_free(camera, newest)
    return Room(disk, card, size or _GUESS_BYTES, guessed=size is None)


async def _uses_ram(camera: RemoteCamera) -> bool:
    with suppress(CameraError):
        return "ram" in str((await camera.get_config("capturetarget")).value).lower()
    return False


async def _find_newest(camera: RemoteCamera) -> str | None:
    """The path of the last file, by name, in the last folder of the camera."""
    folder = "/"
    for _ in range(_DEEPEST):
        names = await camera.list_names(folder)
        if names.files:
            return f"{folder.rstrip('/')}/{max(names.files)}"
        if not names.folders:
            return None
        following = _PICTURES_FOLDER if _PICTURES_FOLDER in names.folders else max(names.folders)
        folder = f"{folder.rstrip('/')}/{following}"
    return None


async def _shot_bytes(camera: RemoteCamera, newest: str | None) -> int | None:
    """The size of all files with the name of the newest picture, such as its JPEG and its RAW file."""
    if newest is None:
        return None
    folder, _, name = newest.rpartition("/")
    stem = name.rpartition(".")[0]
    same = [other for other in (await camera.list_names(folder)).files if other.rpartition(".")[0] == stem]
    return sum([(await camera.file_info(f"{folder}/{other}")).size or 0 for other in same]) or None


async def _card_free(camera: RemoteCamera, newest: str | None) -> int | None:
    cards = [card for card in await camera.storage() if card.free is not None and not card.read_only]
    used = [card for card in cards if newest is not None and newest.startswith(f"{card.path.rstrip('/')}/")]
    return max((card.free for card in used or cards if card.free is not None), default=None)
