"""What is on a camera's card, as far as it is known, and what a shot of unknown outcome left there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from camera.errors import CameraDisconnected, CameraError, CameraIO, CameraTimeout
from camera.photos.journal import Journal, OpenShot, now

_log = logging.getLogger("camera.photos.card")

# A card has stores, DCIM and folders in it; a hostile camera could have no end of them.
_DEEPEST, _MOST_FOLDERS, _MOST_FILES = 6, 2000, 100_000
# A card whose reading loses the camera: so many times, and then no more for a while.
_TRIES, _REST_S = 2, 60.0

# The names of the folders and of the files in a folder of the camera.
ListFolder = Callable[[str], Awaitable[tuple[list[str], list[str]]]]
Files = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a shot whose outcome was not known.

    Attributes:
        at: when it was asked for, ISO 8601 in UTC.
        files: what the card has more than before it; None where that cannot be told.
    """

    at: str
    files: tuple[str, ...] | None

    @property
    def message(self) -> str:
        """In words."""
        shot = f"The outcome of the shot of {self.at}"
        if self.files is None:
            return f"{shot} cannot be determined: the card could not be compared with its earlier content. Look at the newest files."
        if not self.files:
            return f"{shot}: no new file is on the card. The shutter did not fire, or the picture was only in the camera's memory."
        return f"{shot}: new files on the card since then: {', '.join(self.files)}."


class Card:
    """The files of one camera.

    Attributes:
        finding: about the last shot of unknown outcome.
        unsettled: there may be a shot of unknown outcome; so it is until `settle` has looked.
    """

    def __init__(self, journal: Journal) -> None:
        self.finding: Finding | None = None
        self.needs_check = True
        self._journal = journal
        self._files: Files | None = None
        self._count = 0
        self._reading = False
        self._changes: list[tuple[bool, str]] = []  # while it is being read: came or gone, path
        self._unwritten: list[tuple[str, str]] = []
        self._camera = ""
        self._shot: OpenShot | None = None  # the journal's is a copy, which a full disk has not
        self._known = False  # whether the card was read before it
        self._added_since: set[str] = set()  # what came after it began
        self._tries = 0
        self._tried_at = float("-inf")

    @property
    def files(self) -> int | None:
        """How many files it has; None until it was read."""
        return None if self._files is None else self._count

    async def begin_shot(self, camera: str) -> None:
        """Note that a shot is about to be taken."""
        self._switch_camera(camera)
        known = self._known = self._files is not None
        at, added, self._unwritten = now(), self._unwritten, []
        self._shot, self._added_since = OpenShot(at, None), set()
        await asyncio.to_thread(self._journal.begin, camera, at, known, added)

    async def end_shot(self, camera: str) -> None:
        """Note that its outcome is known."""
        self._shot = None
        await asyncio.to_thread(self._journal.end, camera)

    def add(self, path: str) -> None:
        """A file came."""
        self._change(True, path)

    def remove(self, path: str) -> None:
        """A file is gone."""
        self._change(False, path)

    async def read(self, camera: str, list_folder: ListFolder) -> None:
        """Read the card of a camera that was just opened; what cannot be read stays unknown."""
        self._switch_camera(camera)
        self._files = None
        self._changes.clear()
        if not self._may_try():
            return
        self._reading = True
        try:
            files = await _read_all(list_folder)
        except CameraError as error:
            # Once is enough for a deadline, which costs the camera its process.
            self._tries = _TRIES if isinstance(error, CameraTimeout) else self._tries
            _log.info("Card was not read: %s: %s", camera, error)
            return
        finally:
            self._reading = False
        self._tries = 0
        if files is not None:
            await self._remember(camera, files)

    async def check(self, camera: str, list_folder: ListFolder) -> Finding | None:
        """Find out what became of a shot whose outcome is not known, if there is one.

        Raises:
            CameraDisconnected, CameraIO: the camera was lost meanwhile; to be tried again.
        """
        self._switch_camera(camera)
        shot = self._shot
        known: Mapping[str, AbstractSet[str]] | None = self._files if self._known else None
        if shot is None:
            shot = await asyncio.to_thread(self._journal.open_shot, camera)
            known = shot.known if shot is not None else None
            self._added_since = set()
        if shot is not None:
            files: Files | None = None
            if self._may_try():
                try:
                    files = await _read_all(list_folder)
                    self._tries = 0
                except (CameraDisconnected, CameraIO):
                    raise
                except CameraError as error:
                    _log.warning("Card cannot be read: %s: %s", camera, error)
            self.finding = Finding(shot.at, await _new_files(known, files, self._added_since))
            await self.end_shot(camera)
            if files is not None:
                await self._remember(camera, files)
        self.needs_check = False
        return self.finding if shot is not None else None

    def _switch_camera(self, camera: str) -> None:
        """Forget what is known of another camera, which has the address of the one before; the journal has its shot."""
        if camera != self._camera:
            self._camera, self._files, self._shot, self.finding = camera, None, None, None
            self._changes, self._unwritten = [], []

    def _may_try(self) -> bool:
        """Whether the card may be read: not where doing so has just lost the camera again and again."""
        time = asyncio.get_running_loop().time()
        if time - self._tried_at > _REST_S:
            self._tries = 0
        if self._tries >= _TRIES:
            return False
        self._tries, self._tried_at = self._tries + 1, time
        return True

    async def _remember(self, camera: str, files: Files) -> None:
        self._files = files
        self._count = sum(map(len, files.values()))
        self._unwritten = []
        self._apply()
        self._unwritten = []
        await asyncio.to_thread(
            self._journal.note_card, camera, {folder: tuple(names) for folder, names in files.items()}
        )

    def _change(self, added: bool, path: str) -> None:
        if self._files is not None or self._reading:
            self._changes.append((added, path))
        if self._files is not None:
            self._apply()

    def _apply(self) -> None:
        files = self._files
        assert files is not None, "changes wait until the card was read"
        changes, self._changes = self._changes, []
        for added, path in changes:
            folder, _, name = path.rpartition("/")
            names = files.setdefault(folder, set())
            if added and name not in names and self._count < _MOST_FILES:
                names.add(name)
                self._added_since.add(path)
                self._unwritten.append((folder, name))
                self._count += 1
            elif not added and name in names:
                names.remove(name)
                self._count -= 1


async def _new_files(
    known: Mapping[str, AbstractSet[str]] | None, files: Files | None, added_since: set[str]
) -> tuple[str, ...] | None:
    """The paths that are new; None where that cannot be told (an empty list of a card that had files is no list)."""
    if known is None or files is None or (any(known.values()) and not any(files.values())):
        return None
    new: list[str] = []
    for folder, names in files.items():
        new += (f"{folder}/{name}" for name in names - known.get(folder, frozenset()))
        await asyncio.sleep(0)  # a folder at a time: there may be 50,000 files
    here = {path for path in added_since if path.rpartition("/")[2] in files.get(path.rpartition("/")[0], ())}
    return tuple(sorted({*new, *here}))


async def _read_all(list_folder: ListFolder) -> Files | None:
    """The names of all files by folder; None where there are more than will be remembered."""
    found: Files = {}
    count = 0
    todo = [""]
    while todo:
        folder = todo.pop(0)
        folders, files = await list_folder(folder or "/")
        found[folder] = set(files)
        count += len(files)
        if folder.count("/") < _DEEPEST:
            todo += [f"{folder}/{name}" for name in folders]
        if count > _MOST_FILES or len(found) + len(todo) > _MOST_FOLDERS:
            return None
    return found
