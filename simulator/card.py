"""The memory card: folders and files by handle, free space, write protection."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from functools import cached_property

from .pieces import Pieces

ROOT = 0xFFFFFFFF
FORMAT_FOLDER, FORMAT_JPEG, FORMAT_CR2, FORMAT_NEF, FORMAT_MOVIE = 0x3001, 0x3801, 0xB103, 0x3000, 0x300D
"""PTP object formats. Nikon uses "undefined" (0x3000) for its raw files."""

CAPACITY = 16 * 10**9
"""The size of a card in bytes."""

FILES_PER_FOLDER = 9999
"""The limit of DCF: names go from IMG_0001 to IMG_9999, then a new folder begins."""

_FIRST_FOLDER, _FIRST_FILE = 0x20000000, 0x20001000


@dataclass(frozen=True)
class Layout:
    """How the bodies of one maker use a card.

    Attributes:
        storage: the id of the storage.
        folder: the part of a folder's name after the number.
        file: the part of a file's name before the number.
        movie: the same for movies.
    """

    storage: int
    folder: str
    file: str
    movie: str


@dataclass(frozen=True, eq=False)
class StoredFile:
    """A file or folder. ``taken``: seconds since 1970. ``parent`` 0 is the root or the camera's RAM."""

    handle: int
    parent: int
    name: str
    format: int
    taken: float
    content: Pieces = field(default_factory=lambda: Pieces(()))
    thumbnail: bytes = b""
    pixels: tuple[int, int] = (0, 0)
    shot: int = 0

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal digest of the content."""
        digest = hashlib.sha256()
        for part in self.content.parts():
            digest.update(part)
        return digest.hexdigest()


@dataclass(frozen=True)
class DeletedFile:
    """A deleted file. Tests use the digest to check that a program saved the file before deleting it."""

    path: str
    size: int
    shot: int
    sha256: str


class Card:
    """The memory card. A handle is never used twice."""

    def __init__(self, layout: Layout, first_file: int = _FIRST_FILE) -> None:
        """Create an empty card. Handles of files begin at ``first_file``."""
        self.layout = layout
        self.write_protected = False
        self.free_shots_limit: int | None = None
        """The number of free shots to report; None: the number of shots that fit."""
        self.deleted: list[DeletedFile] = []
        """The deleted files, in the order in which they were deleted."""
        self._handles = iter(range(first_file, 2**31))
        self._folders = iter(range(_FIRST_FOLDER, _FIRST_FILE))
        self._objects: dict[int, StoredFile] = {}
        self._dcim = self._add_folder(0, "DCIM")
        self._folder: StoredFile | None = None
        self.new_folder(100)

    def _add_folder(self, parent: int, name: str) -> StoredFile:
        folder = StoredFile(next(self._folders), parent, name, FORMAT_FOLDER, time.time())
        self._objects[folder.handle] = folder
        return folder

    def new_folder(self, number: int) -> StoredFile:
        """Create folder ``number``, where later files are stored."""
        self._folder = self._add_folder(self._dcim.handle, f"{number}{self.layout.folder}")
        return self._folder

    @property
    def current_folder(self) -> int:
        """The handle of the folder where new files are stored."""
        return self._folder.handle if self._folder else 0

    def next_handle(self) -> int:
        """A handle for a new file, on the card or in RAM."""
        return next(self._handles)

    def add(self, stored: StoredFile) -> None:
        """Put a file on the card."""
        self._objects[stored.handle] = stored

    def get(self, handle: int) -> StoredFile | None:
        """The file or folder with that handle."""
        return self._objects.get(handle)

    def remove(self, handle: int) -> None:
        """Delete a file.

        Raises:
            KeyError: There is no file with that handle.
        """
        stored = self._objects[handle]
        if stored.format != FORMAT_FOLDER:
            self.deleted.append(DeletedFile(self.path(stored), len(stored.content), stored.shot, stored.sha256))
        del self._objects[handle]

    def children(self, parent: int) -> list[StoredFile]:
        """The files and folders directly in a folder; ``parent`` 0 or ROOT is the root."""
        wanted = 0 if parent == ROOT else parent
        return [stored for stored in self._objects.values() if stored.parent == wanted]

    def files(self) -> list[StoredFile]:
        """All files in the order in which they were added."""
        return [stored for stored in self._objects.values() if stored.format != FORMAT_FOLDER]

    def objects(self) -> list[StoredFile]:
        """All files and folders."""
        return list(self._objects.values())

    def path(self, stored: StoredFile) -> str:
        """The path as libgphoto2 shows it."""
        names = [stored.name]
        parent = self._objects.get(stored.parent)
        while parent:
            names.append(parent.name)
            parent = self._objects.get(parent.parent)
        return "/".join(["", f"store_{self.layout.storage:08x}", *reversed(names)])

    def find(self, path: str) -> StoredFile | None:
        """The file with that path."""
        return next((stored for stored in self.files() if self.path(stored) == path), None)

    def free_bytes(self, shot_size: int) -> int:
        """The free bytes on the card; ``shot_size``: the size of the next shot in bytes."""
        if self.free_shots_limit is not None:
            return self.free_shots_limit * shot_size
        return max(0, CAPACITY - sum(len(stored.content) for stored in self._objects.values()))

    def free_shots(self, shot_size: int) -> int:
        """The number of shots of ``shot_size`` bytes that still fit."""
        return self.free_bytes(shot_size) // max(1, shot_size)
