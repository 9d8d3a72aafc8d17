"""Shots under way, on disk: so that a server that was killed in the middle of one knows what to look for."""

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
    """A shot whose outcome is not known.

    Attributes:
        at: when it was asked for, ISO 8601 in UTC.
        known: the names of the files that the camera had before it, by folder; None where its card had not been read.
    """

    at: str
    known: dict[str, frozenset[str]] | None


class Journal:
    """For each camera what is on its card, and the shot under way. Blocks; a folder that cannot be written is logged.

    Written without syncing: it has to outlive a killed process, not a machine without power. The card's files are
    written once; what comes later is added line by line, so that a shot costs the same on a full card.

    Args:
        folder: made where it is not there; None: nothing is remembered.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def note_card(self, camera: str, files: Files) -> None:
        """What is on a card that was just read, in place of what was noted before.

        Args:
            camera: what tells it from others, across restarts.
            files: names by folder.
        """
        if self._folder is None:
            return
        path = self._path(camera, ".card")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".new").open("w") as file:
                for folder, names in files.items():
                    # A folder at a time: one long call would hold up the server's other threads.
                    file.write("".join(json.dumps([folder, name]) + "\n" for name in names))
            path.with_suffix(".new").replace(path)
        except OSError as error:
            _log.warning("Card content could not be recorded: %s: %s", path, error.strerror)

    def begin(self, camera: str, at: str, known: bool, added: Iterable[tuple[str, str]]) -> None:
        """A shot is about to be taken.

        Args:
            at: the time, see `now`.
            known: whether the card was read.
            added: folder and name of the files that came since the last shot or reading.
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
        """The outcome of its shot is known."""
        if self._folder is None:
            return
        try:
            self._path(camera, ".json").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("Record of a finished shot could not be deleted: %s", error)

    def open_shot(self, camera: str) -> OpenShot | None:
        """The shot of this camera that has begun and not ended."""
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
        assert self._folder is not None, "asked for only where there is a folder"
        # Part of it for people; the digest tells apart what differs in other characters only.
        shown = re.sub(r"[^A-Za-z0-9]+", "_", camera)[:60]
        return self._folder / f"{shown}-{hashlib.sha256(camera.encode(errors='replace')).hexdigest()[:10]}{ending}"


def now() -> str:
    """The time as it is noted."""
    return datetime.now(UTC).isoformat(timespec="seconds")
