"""Records of shots in progress on disk, so that a server that was killed during a shot can check its outcome later."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_log = logging.getLogger("camera.photos.journal")

Files = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class OpenShot:
    """A shot with an unknown outcome.

    Attributes:
        at: time of the request, ISO 8601 in UTC.
        known: the names of the files before the shot, by folder; None if the card had not been read.
    """

    at: str
    known: dict[str, frozenset[str]] | None


class Journal:
    """For each camera, the content of its card and the shot in progress. Blocks. Write errors are logged.

    Files are written without fsync: they must survive a killed process, but not a power failure. The content of the
        card is written once, and new files are appended, so that a shot takes the same time on a full card.

    Args:
        folder: created if it does not exist; None disables the journal.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def note_card(self, camera: str, files: Files) -> None:
        """Record the content of a card that was just read, and replace the earlier record.

        Args:
            camera: identifies the camera across restarts.
            files: file names by folder.
        """
        if self._folder is None:
            return
        path = self._path(camera, ".card")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".new").open("w") as file:
                for folder, names in files.items():
                    # One folder at a time, because one long call would block the server's other threads.
                    file.write("".join(json.dumps([folder, name]) + "\n" for name in names))
            path.with_suffix(".new").replace(path)
        except OSError as error:
            _log.warning("Card content could not be recorded: %s: %s", path, error.strerror)

    def begin(self, camera: str, at: str, known: bool, added: Iterable[tuple[str, str]]) -> None:
        """Record that a shot starts now.

        Args:
            at: the time, from `now`.
            known: whether the card was read.
            added: folder and name of files that were added since the last shot or reading.
        """
        if self._folder is None:
            return
        path = self._path(camera, ".json")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if known:
                with self._path(camera, ".card").open("a") as file:
                    file.writelines(json.dumps(list(pair)) + "\n" for pair in added)
            path.with_suffix(".new").write_text(json.dumps({"at": at, "known": known}))
            path.with_suffix(".new").replace(path)
        except OSError as error:
            _log.warning("Shots in progress could not be recorded: %s: %s", path, error.strerror)

    def end(self, camera: str) -> None:
        """Record that the outcome of the camera's shot is known."""
        if self._folder is None:
            return
        try:
            self._path(camera, ".json").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("Record of a finished shot could not be deleted: %s", error)

    def open_shot(self, camera: str) -> OpenShot | None:
        """The shot of this camera that was started but not finished."""
        if self._folder is None:
            return None
        try:
            entry = json.loads(self._path(camera, ".json").read_text())
            return OpenShot(str(entry["at"]), self._card(camera) if entry["known"] else None)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("Record of a shot in progress cannot be read: %s", error)
            return None

    def _card(self, camera: str) -> dict[str, frozenset[str]]:
        files: dict[str, set[str]] = {}
        with self._path(camera, ".card").open() as lines:
            for line in lines:
                folder, name = json.loads(line)
                files.setdefault(folder, set()).add(name)
        return {folder: frozenset(names) for folder, names in files.items()}

    def _path(self, camera: str, ending: str) -> Path:
        assert self._folder is not None, "called only if there is a folder"
        # The readable part is for people. The digest distinguishes names that differ only in other characters.
        shown = re.sub(r"[^A-Za-z0-9]+", "_", camera)[:60]
        return self._folder / f"{shown}-{hashlib.sha256(camera.encode(errors='replace')).hexdigest()[:10]}{ending}"


def now() -> str:
    """The current time in the format of the journal."""
    return datetime.now(UTC).isoformat(timespec="seconds")
