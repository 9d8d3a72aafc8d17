"""What the card shows of a shot whose outcome was not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from camera.model import is_movie, mimetype_of
from camera.photos.open_shot import OpenShot, as_text
from store.result import RecordedFile
from store.shots import Outcome

_CUT_SHORT = "Its exposure was interrupted, so its length differs from the requested one."
_BURST_CUT_SHORT = "It was interrupted, so it may have more or fewer pictures than requested."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of the check after a shot with an unknown outcome.

    Attributes:
        shot: the shot.
        files: the files that were saved before the interruption, and the new files on the card; None if they could not
            be determined.
        saved: the files that were saved before the interruption.
        doubtful: whether the card should be read again, because it appeared to be empty.
        partial: whether it is a burst of which only the saved files are known.
    """

    shot: OpenShot
    files: tuple[str, ...] | None
    saved: tuple[RecordedFile, ...] = ()
    doubtful: bool = False
    partial: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome as far as the files prove it."""
        if self.files is None or self._several or self.partial:
            return "unknown"
        return "done" if self.files else "failed"

    @property
    def _several(self) -> bool:
        """Whether the files are of several shots, for example because the camera's own button was used as well."""
        # A long movie has several files with different names.
        may_be_one = self.shot.burst is not None or self.shot.is_movie or self.saved
        return not may_be_one and len({stem(path) for path in self.files or ()}) > 1

    @property
    def on_camera(self) -> tuple[str, ...]:
        """The paths of the files that are still on the camera."""
        gone = {file.camera_filepath for file in self.saved if not file.on_camera}
        return tuple(path for path in self.files or () if path not in gone)

    @property
    def at(self) -> str:
        """Time of the request, ISO 8601 in UTC."""
        return as_text(self.shot.asked_at)

    @property
    def message(self) -> str:
        """The result in words."""
        if not self.shot.cut_short:
            return self._result
        return f"{self._result} {_CUT_SHORT if self.shot.burst is None else _BURST_CUT_SHORT}"

    @property
    def _result(self) -> str:
        if self.shot.is_movie:
            return self._result_of_movie
        if not self.shot.may_have_fired:
            return f"The shot of {self.at} was interrupted before the shutter was released."
        shot = f"shot of {self.at} with an unknown outcome"
        if self.files is None:
            return (
                f"The result of the {shot} cannot be determined: the card could not be compared with its earlier content."
                " Look at the newest files."
            )
        if not self.files:
            return (
                f"The {shot} left no new file on the card: the shutter did not fire, or the camera kept the picture in its"
                " memory."
            )
        if self.saved:
            names = ", ".join(file.saved_path or file.camera_filepath for file in self.saved)
            known = f"The {shot} has these files: {', '.join(self.files)}. Saved before the interruption: {names}."
            return f"{known} It may have more, which cannot be determined." if self.partial else known
        found = f"New files on the card since the {shot}: {', '.join(self.files)}."
        return f"{found} They are of several shots, so its picture cannot be determined." if self._several else found

    @property
    def _result_of_movie(self) -> str:
        movie = f"movie of {self.at} that was interrupted"
        if self.files is None:
            return f"The files of the {movie} cannot be determined. Look at the newest files on the card."
        if not self.files:
            return f"The {movie} left no new file on the card."
        return f"The {movie} has these files: {', '.join(self.files)}."


def findings_of(
    shots: Sequence[OpenShot], new: tuple[str, ...] | None, card: Mapping[str, AbstractSet[str]] | None
) -> list[Finding]:
    """The results of a check, with the files that were saved before the interruption.

    Args:
        shots: the shots whose outcomes are unknown, oldest first. Only the last one that may have been released, and
            movies, can be told apart from the others by their files.
        new: the new files on the card since the last one that may have been released; None if they are not known.
        card: the content of the card; None if the card was not read.
    """
    fired = [shot for shot in shots if shot.may_have_fired]
    return [_finding(shot, _own(shot, fired, new) if shot in fired else (), card) for shot in shots]


def _own(shot: OpenShot, fired: Sequence[OpenShot], new: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Which of the new files are of one of the shots; None if that cannot be determined."""
    if new is None or not (shot is fired[-1] or shot.is_movie):
        return None
    files = tuple(path for path in new if is_movie(path) is shot.is_movie)
    if not shot.is_movie:
        return files
    if files and sum(other.is_movie for other in fired) > 1:
        return None
    # The file of an earlier movie, which is written late, may have come before the last shot.
    return files if files or shot is fired[-1] else None


def _finding(shot: OpenShot, new: tuple[str, ...] | None, card: Mapping[str, AbstractSet[str]] | None) -> Finding:
    """The result for one shot with these new files; None if they could not be determined."""

    def on_card(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return card is None or name in card.get(folder, ())

    saved = shot.result.files
    partial = bool(saved) and new is None and shot.burst is not None
    if saved:  # files of another shot have another name
        stems = {stem(file.camera_filepath) for file in saved}
        own = (path for path in new or () if shot.burst is not None or stem(path) in stems)
        new = jpeg_first({*own, *(file.camera_filepath for file in saved)})
    return Finding(
        shot, new, tuple(replace(file, on_camera=on_card(file.camera_filepath)) for file in saved), partial=partial
    )


def jpeg_first(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths, key=lambda path: (mimetype_of(path) != "image/jpeg", path)))


def stem(path: str) -> str:
    """The name without folder and extension, which all files of a shot share."""
    return path.rpartition("/")[2].rpartition(".")[0]
