"""A shot that is not completed yet, the camera that took it, and the order for it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from camera.model import BurstLength
from store.boot import uptime_s
from store.result import ShotResult
from store.shots import Outcome, ShotRecord, State, Value

# The key of the longest time of a movie, in seconds, in the request of its record.
MOVIE = "movie_max_s"
# Assumed for records of older versions: twice the longest usual exposure, and 10 s.
_LONGEST_WRITING_S = 70.0


@dataclass(frozen=True, slots=True)
class Body:
    """What identifies a camera: its model, the serial number that it reports (if any), and its current port."""

    model: str
    serial: str | None
    port: str

    @property
    def key(self) -> str:
        """The key of the camera in `Jobs`: its serial number, or else its port."""
        return self.serial or self.port

    def same_camera(self, other: Body) -> bool:
        """Whether the other body is of the same camera, perhaps on another port."""
        return (self.model, self.serial) == (other.model, other.serial)


@dataclass(frozen=True, slots=True)
class Order:
    """The request for a shot: the client's key (if any), and the request as text. Equal requests have equal texts."""

    key: str | None = None
    request: str = ""


@dataclass(eq=False)
class OpenShot:
    """A shot or a movie that is not completed yet; see `ShotRecord`.

    Attributes:
        body: its camera.
        number: the number of its record; None if it is not recorded yet.
        deadline: when the camera has certainly written the files, in monotonic seconds; None if that is not known.
        state_is_certain: whether `state` is the last state of the shot. After a power failure, the record may be older.
        unwritten: whether the record in the store is older than these values.
        synced: whether the record in the store survives a power failure.
        nothing_found: whether a search after the deadline did not determine the files of the shot.
        cut_short: whether it is a bulb exposure or a burst whose camera process or server was lost.
        seen: the number of its files at the last search; 0 before.
        seen_at: when this number was found first, in monotonic seconds.
        perhaps_recorded: whether there may be a record although the number is not known, because the disk was too slow.
        changes: the number of changes, to see whether one was made during a write.
    """

    body: Body
    order: Order
    asked_at: float
    card_known: bool
    settles_s: float
    number: int | None = None
    state: State = "asked"
    put_back: Mapping[str, Value] = field(default_factory=dict)
    outcome: Outcome | None = None
    result: ShotResult = field(default_factory=ShotResult)
    asked_uptime_s: float = field(default_factory=lambda: uptime_s())
    deadline: float | None = None
    state_is_certain: bool = True
    unwritten: bool = False
    synced: bool = False
    nothing_found: bool = False
    perhaps_recorded: bool = False
    cut_short: bool = False
    seen: int = 0
    seen_at: float = 0.0
    changes: int = 0

    @classmethod
    def of(cls, record: ShotRecord, body: Body, boot: str) -> OpenShot:
        """The shot of a record in the store; `boot` is the current boot of the operating system."""
        return cls(
            body, Order(record.key, record.request), record.asked_at, record.card_known, record.settles_s or _LONGEST_WRITING_S,
            record.shot, record.state, record.put_back, record.outcome, record.result,
            asked_uptime_s=record.asked_uptime_s or 0.0, state_is_certain=record.boot == boot,
        )  # fmt: skip

    def will_settle(self, settles_s: float) -> None:
        """Set the deadline, because the shutter is released now or soon; see `ShotRecord.settles_s`."""
        self.settles_s, self.deadline = settles_s, time.monotonic() + settles_s

    @property
    def bulb_s(self) -> float | None:
        """The planned length of a bulb exposure in seconds; None for other shots."""
        planned = self._requested.get("bulb_s")
        return float(planned) if isinstance(planned, int | float) else None

    @property
    def burst(self) -> BurstLength | None:
        """The planned length of a burst; None for other shots."""
        frames, hold_ms = self._requested.get("frames"), self._requested.get("hold_ms")
        if not isinstance(frames, int) and not isinstance(hold_ms, int):
            return None
        return BurstLength(frames if isinstance(frames, int) else None, hold_ms if isinstance(hold_ms, int) else None)

    @property
    def is_movie(self) -> bool:
        """Whether it is a movie."""
        return MOVIE in self._requested

    @property
    def _requested(self) -> Mapping[str, Any]:
        """The request as it was received; empty if it is not known."""
        with suppress(ValueError):
            requested = json.loads(self.order.request)
            if isinstance(requested, dict):
                return requested
        return {}

    @property
    def age_s(self) -> float:
        """Seconds since the request, as far as it is known; infinite for a shot before the last boot."""
        return uptime_s() - self.asked_uptime_s if self.state_is_certain else math.inf

    @property
    def may_have_fired(self) -> bool:
        """Whether the shutter may have been released."""
        return self.state not in ("asked", "changed") or not self.state_is_certain

    @property
    def settled(self) -> bool:
        """Whether nothing remains to do: the outcome is known, and all settings are restored."""
        return self.state == "closed"


def as_text(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def now() -> float:
    """The current time in seconds since 1970."""
    return time.time()
