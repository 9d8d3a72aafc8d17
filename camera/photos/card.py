"""The known content of a camera's card, and the search for files of a shot with an unknown outcome."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from camera.errors import CameraDisconnected, CameraError, CameraIO, CameraTimeout
from camera.photos.finding import Finding, findings_of, jpeg_first, stem
from camera.photos.journal import Journal
from camera.photos.open_shot import Body, OpenShot, Order
from store.result import RecordedFile, ShotResult
from store.shots import CardChange

_log = logging.getLogger("camera.photos.card")

# A usual path is storage, DCIM, folder, file. The limits protect against a malicious camera with endless folders.
_DEEPEST, _MOST_FOLDERS, _MOST_FILES = 6, 2000, 100_000
# After this many failed attempts in a row to read the card, it is not read for this many seconds, because reading may
# be what makes the camera fail.
_TRIES, _REST_S = 2, 60.0

# The most changes that are remembered while the content of the card is unknown.
_MOST_CHANGES = 1000

# Returns the names of the folders and of the files in a folder of the camera.
ListFolder = Callable[[str], Awaitable[tuple[list[str], list[str]]]]
Files = dict[str, set[str]]


class Card:
    """The files on the card of one camera.

    Attributes:
        finding: the result of the check after the last shot with an unknown outcome.
        needs_check: whether there may be a shot with an unknown outcome, or settings to restore.
    """

    def __init__(self, journal: Journal) -> None:
        self.finding: Finding | None = None
        self.needs_check = True
        self._journal = journal
        self._files: Files | None = None
        self._was_read = False  # since the camera was opened
        self._count = 0
        self._checked: Files | None = None  # content of the card at the last check
        # Not yet in _files, because the card was not read yet: whether added, path.
        self._changes: deque[tuple[bool, str]] = deque(maxlen=_MOST_CHANGES)
        self._unwritten: list[CardChange] = []  # not yet in the journal
        self._body: Body | None = None
        self._newest: OpenShot | None = None  # the newest shot since the camera was identified
        self._added_since: set[str] = set()  # files that were added after the release started
        self._appeared_empty = False  # whether it did when it was last read, although it had files before
        self._tries = 0
        self._tried_at = float("-inf")

    @property
    def files(self) -> int | None:
        """The number of files; None until the card was read."""
        return None if self._files is None else self._count

    def opened(self) -> None:
        """Called when the camera was opened: its card may have changed meanwhile."""
        self.needs_check, self._was_read = True, False

    async def begin_shot(self, body: Body, order: Order, prepared: bool, settles_s: float) -> OpenShot:
        """Record that a shot starts now; see `Journal.begin`. Raises NotRecorded."""
        await self._identify(body)
        self._hand_over()
        shot = await self._journal.begin(order, self._files is not None, prepared, settles_s)
        self._newest = shot
        return shot

    def begin_release(self) -> None:
        """Called when the shutter is being released. Files that were added before are not of this shot."""
        self._hand_over()

    def hand_over_when_idle(self) -> None:
        """Give the added files to the journal, if they cannot belong to a shot whose outcome is not known yet."""
        if all(shot.outcome is not None for shot in self._journal.open_shots()):
            self._hand_over()

    def end_shot(self, files: Iterable[str]) -> None:
        """Called with the paths of the shot's files on the card, before its outcome is recorded."""
        for path in files:
            self.add(path)
        self._hand_over()

    def end_movie(self, files: Iterable[str]) -> None:
        """Called with the paths of a movie's files, before its outcome is recorded.

        They are not of a shot in progress, whose own files must not be taken for older ones.
        """
        own = set(files)
        for path in own:
            self.add(path)
        self._added_since -= own
        self._journal.change_card(change for change in self._unwritten if change.path in own)
        self._unwritten = [change for change in self._unwritten if change.path not in own]

    def add(self, path: str) -> None:
        """Add a new file."""
        self._change(True, path)

    def remove(self, path: str) -> None:
        """Remove a deleted file."""
        self._change(False, path)

    async def read(self, body: Body, list_folder: ListFolder) -> bool:
        """Read the card of a newly opened camera, unless a check has done that. If it fails, its content stays unknown.

        Returns:
            False if the camera must be opened again and the card read again, because it appeared to be empty although
            it had files before.
        """
        await self._identify(body)
        if self._was_read:
            return True
        before, self._files = self._files, None
        if not self._may_try():
            return True
        try:
            files = await _read_all(list_folder)
        except CameraError as error:
            # After a timeout there is no second attempt, because a timeout kills the camera process.
            self._tries = _TRIES if isinstance(error, CameraTimeout) else self._tries
            _log.info("Card was not read: %s: %s", body.port, error)
            return True
        self._tries = 0
        if files is not None:
            if self._is_doubtful(_appears_empty(await self._journal.card() if before is None else before, files)):
                return False
            await self._remember(files)
        return True

    async def check(self, body: Body, list_folder: ListFolder) -> list[Finding]:
        """Determine the outcomes of the shots with an unknown outcome, oldest first.

        The caller must emit each result, and then call `reported`.

        Raises:
            CameraDisconnected, CameraIO: the camera was lost during the check; try again later.
        """
        await self._identify(body)
        unknown = [shot for shot in self._journal.open_shots() if shot.outcome is None]
        if not unknown:
            # Without the records of earlier servers, there may be such a shot.
            self.needs_check = not self._journal.complete
            return []
        files: Files | None = None
        fired = [shot for shot in unknown if shot.may_have_fired]
        if fired and self._may_try():
            try:
                files = await _read_all(list_folder)
                self._tries = 0
            except (CameraDisconnected, CameraIO):
                raise
            except CameraError as error:
                self._tries = _TRIES if isinstance(error, CameraTimeout) else self._tries
                _log.warning("Card cannot be read: %s: %s", body.port, error)
        # A shot starts only after the earlier shots were checked. There are several only if the store could not be
        # used meanwhile, or if the file of a movie is late. Then only the card before the last one is known.
        new, doubtful = None, False
        if fired:
            newest = fired[-1]
            known: Mapping[str, AbstractSet[str]] | None = None
            if newest is self._newest:
                known = self._files if newest.card_known else None
            elif self._newest is None:
                self._added_since = set()
                known = await self._journal.card() if newest.card_known else None
            # A shot with an unknown outcome may have left a file, so an empty card is doubtful even if it was empty before.
            doubtful = files is not None and self._is_doubtful(not any(files.values()))
            new = await _new_files(known, files, self._added_since)
        findings = findings_of(unknown, new, files)
        if doubtful:
            findings = [replace(one, doubtful=one.shot is fired[-1]) for one in findings]
            files = None
        self.finding = findings[-1]
        self._checked = files
        return findings

    async def reported(self, finding: Finding) -> None:
        """Record that the result of a check was emitted, so that it is not determined again."""
        saved = {file.camera_filepath: file for file in finding.saved}
        recorded = tuple(saved.get(path, RecordedFile(path)) for path in finding.files or ())
        await self._journal.finish(
            finding.shot, finding.outcome, ShotResult(recorded, message=finding.message), finding.shot.put_back
        )
        # Not in `check`: if the result was not emitted, the check is repeated, and must find the new files again.
        if finding is self.finding:
            self.needs_check = not self._journal.complete
            if self._checked is not None:
                await self._remember(self._checked)
                self._checked = None

    async def _identify(self, body: Body) -> None:
        """If another camera was on this port earlier, forget its data. Its shot remains in the journal."""
        old, self._body = self._body, body
        if old is not None and not body.same_camera(old):
            self._files, self._newest, self.finding = None, None, None
            self._appeared_empty = False
            self._changes.clear()
            self._unwritten = []
        await self._journal.identify(body)

    def _hand_over(self) -> None:
        """Give the files that were added until now to the journal, because they are not of the next shot."""
        self._journal.change_card(self._unwritten)
        self._unwritten, self._added_since = [], set()

    def _is_doubtful(self, appears_empty: bool) -> bool:
        """Whether an empty list of the files is doubtful. True only once: a second empty list is believed.

        Some cameras list no files for a moment after they were switched on.
        """
        appeared_empty, self._appeared_empty = self._appeared_empty, appears_empty
        return appears_empty and not appeared_empty

    def _may_try(self) -> bool:
        """Whether the card may be read now; if so, this counts as an attempt.

        False for `_REST_S` after too many failed attempts, or after one timeout.
        """
        time = asyncio.get_running_loop().time()
        if time - self._tried_at > _REST_S:
            self._tries = 0
        if self._tries >= _TRIES:
            return False
        self._tries, self._tried_at = self._tries + 1, time
        return True

    async def _remember(self, files: Files) -> None:
        self._files, self._was_read = files, True
        self._count = sum(map(len, files.values()))
        self._apply()
        self._unwritten = []
        await self._journal.note_card([(folder, name) for folder, names in files.items() for name in names])

    def _change(self, added: bool, path: str) -> None:
        self._changes.append((added, path))
        if self._files is not None:
            self._apply()

    def _apply(self) -> None:
        files = self._files
        assert files is not None, "changes wait until the card was read"
        changes = list(self._changes)
        self._changes.clear()
        for added, path in changes:
            folder, _, name = path.rpartition("/")
            names = files.setdefault(folder, set())
            if added and name not in names and self._count < _MOST_FILES:
                names.add(name)
                self._added_since.add(path)
                self._unwritten.append(CardChange(True, folder, name))
                self._count += 1
            elif not added and name in names:
                names.remove(name)
                self._added_since.discard(path)
                self._unwritten.append(CardChange(False, folder, name))
                self._count -= 1


async def _new_files(
    known: Mapping[str, AbstractSet[str]] | None, files: Files | None, added_since: set[str]
) -> tuple[str, ...] | None:
    """The paths of new files.

    None if they cannot be determined, for example because a card that had files now appears empty.
    """
    if known is None or files is None or _appears_empty(known, files):
        return None
    new: list[str] = []
    for folder, names in files.items():
        before = {name for name in known.get(folder, ()) if f"{folder}/{name}" not in added_since}
        added = names - before
        if added and before:  # the RAW file of an earlier shot may follow its JPEG
            stems = {stem(name) for name in before}
            added = {name for name in added if stem(name) not in stems}
        new += (f"{folder}/{name}" for name in added)
        await asyncio.sleep(0)  # let other tasks run after each folder, because there may be 50,000 files
    return jpeg_first(new)


def _appears_empty(known: Mapping[str, AbstractSet[str]] | None, files: Files) -> bool:
    return known is not None and any(known.values()) and not any(files.values())


async def _read_all(list_folder: ListFolder) -> Files | None:
    """The names of all files by folder; None if there are more files or folders than allowed."""
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
