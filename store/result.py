"""The recorded result of a shot, and how it is written to the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

T = TypeVar("T", "RecordedFile", "Timing", "ReleaseTimes")


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of a shot: its path on the camera, its size in bytes (if known), and the path where it was saved.

    `on_camera`: whether the file was still on the camera after the shot.
    """

    camera_filepath: str
    size: int | None = None
    saved_path: str | None = None
    on_camera: bool = True


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds from the request to the shutter, to the known file, and to the fetched file (if fetched)."""

    shutter_ms: float
    file_known_ms: float
    file_here_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ReleaseTimes:
    """Milliseconds from a common deadline until the release was commanded, and until the camera accepted it.

    `accepted_ms` is None if the driver does not report it.
    """

    commanded_ms: float
    accepted_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedError:
    """The error of a shot: its message for people, and the complete error as JSON values."""

    message: str
    encoded: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShotResult:
    """The result of a shot.

    Attributes:
        files: all files, the JPEG first.
        timing: None for a failed shot, and for a result that comes from the check of the card.
        warnings: problems after the release, one sentence each.
        message: the result of the check of the card, for people.
        error: the reason why there is no picture.
        times: when the shutter was released, if the request had a deadline for it.
        exposed_s: the length of a bulb exposure in seconds.
        frames: how many pictures a burst has.
    """

    files: tuple[RecordedFile, ...] = ()
    timing: Timing | None = None
    warnings: tuple[str, ...] = ()
    message: str | None = None
    error: RecordedError | None = None
    times: ReleaseTimes | None = None
    exposed_s: float | None = None
    frames: int | None = None

    def to_json(self) -> str:
        """The result as text for the database."""
        content: dict[str, Any] = {}
        if self.error is not None:
            content["error"] = self.error.encoded
        if self.files:
            content["files"] = [asdict(file) for file in self.files]
        if self.timing is not None:
            content["timing"] = asdict(self.timing)
        if self.warnings:
            content["warnings"] = self.warnings
        if self.message is not None:
            content["message"] = self.message
        if self.times is not None:
            content["times"] = asdict(self.times)
        content |= {name: value for name in ("exposed_s", "frames") if (value := getattr(self, name)) is not None}
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> ShotResult:
        """The result from its text, which an older version may have written. Empty if the text is damaged."""
        try:
            content = json.loads(text)
            error, timing, times = content.get("error"), content.get("timing"), content.get("times")
            return cls(
                files=tuple(_value(RecordedFile, file) for file in content.get("files", ())),
                timing=None if timing is None else _value(Timing, timing),
                warnings=tuple(content.get("warnings", ())),
                message=content.get("message"),
                error=None if error is None else RecordedError(error["message"], error),
                times=None if times is None else _value(ReleaseTimes, times),
                exposed_s=content.get("exposed_s"),
                frames=content.get("frames"),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()


def _value(kind: type[T], data: Mapping[str, Any]) -> T:
    """An instance of `kind` from the fields in `data`. Fields that only a newer version knows are ignored."""
    return kind(**{field.name: data[field.name] for field in fields(kind) if field.name in data})
