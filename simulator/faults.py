"""Faults that a test can arm in a camera, and when each of them occurs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from .mutation import Mutator
from .ptp import ResponseCode


class Kind(StrEnum):
    """The kinds of faults; the README describes each of them."""

    SILENT = "silent"
    LATE = "late"
    DROP = "drop"
    DROP_MID_DATA = "drop_mid_data"
    STALL_MID_DATA = "stall_mid_data"
    CODE = "code"
    BUSY = "busy"
    GARBAGE = "garbage"
    NO_FILE = "no_file"
    LATE_FILE = "late_file"
    ONE_FILE = "one_file"
    LATE_PICTURE = "late_picture"
    MALFORMED_LIVE_VIEW = "malformed_live_view"
    FOCUS_FAILED = "focus_failed"
    LATE_MOVIE = "late_movie"
    INIT_FAIL = "init_fail"
    INIT_SILENT = "init_silent"
    MUTATE = "mutate"
    NO_ANSWER = "no_answer"
    HALT = "halt"
    HALT_MID_DATA = "halt_mid_data"


BEFORE_OPERATION = frozenset({Kind.SILENT, Kind.LATE, Kind.DROP, Kind.CODE, Kind.BUSY, Kind.GARBAGE})
"""The faults that occur when an operation arrives."""

IN_DATA = frozenset({Kind.DROP_MID_DATA, Kind.STALL_MID_DATA, Kind.HALT_MID_DATA})
"""The faults that occur while an operation sends data to the host; operations without data do not count."""

ON_REPLY = frozenset({Kind.MUTATE})
"""The faults that occur when the reply to an operation is sent; see ``mutation``."""

AT_INIT = frozenset({Kind.INIT_FAIL, Kind.INIT_SILENT})
"""The faults that occur when the driver opens a connection."""

AT_ENDPOINT = frozenset({Kind.NO_ANSWER, Kind.HALT})
"""The faults that occur when a USB host submits a transfer to an endpoint."""

ON_USB = AT_ENDPOINT | {Kind.HALT_MID_DATA}
"""The faults that only a camera on USB can have."""

ENDPOINTS = ("bulk_in", "bulk_out", "interrupt", "control")
"""The endpoints of a camera on USB; the first is the default."""

VARIETIES = ("zero_length", "too_long", "truncated", "short", "no_picture")
"""How a live-view reply can be malformed; the first is the default. See ``canon.live_view`` and
``nikon.live_view``."""


@dataclass
class Fault:
    """One fault. After ``after`` matching events, the fault occurs ``times`` times. ``times`` None means no limit."""

    kind: Kind
    operation: int | None = None
    after: int = 0
    times: int | None = 1
    seconds: float = 0.0
    code: int = ResponseCode.DEVICE_BUSY
    variety: str = VARIETIES[0]
    execute: bool = False
    mutator: Mutator | None = None
    endpoint: str | None = None

    def describe(self) -> dict[str, object]:
        """The fault as the control port shows it."""
        operation = None if self.operation is None else f"0x{self.operation:04x}"
        shown: dict[str, object] = {
            "kind": str(self.kind),
            "operation": operation,
            "after": self.after,
            "times": self.times,
        }
        return shown if self.endpoint is None else shown | {"endpoint": self.endpoint}


class Faults:
    """The armed faults of one camera."""

    def __init__(self) -> None:
        """Start without faults."""
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Arm ``fault``. Faults occur in the order in which they were added."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Disarm all faults."""
        self._faults.clear()

    def describe(self) -> list[dict[str, object]]:
        """The armed faults as the control port shows them."""
        return [fault.describe() for fault in self._faults]

    def armed(self, kind: Kind) -> bool:
        """Whether a fault of that kind occurs at the next event. This call does not count as an event."""
        return any(fault.kind == kind and fault.after <= 0 for fault in self._faults)

    def take(self, kinds: Collection[Kind], operation: int | None = None, endpoint: str | None = None) -> Fault | None:
        """Count an event; returns the fault that occurs at this event, or None."""
        for fault in self._faults:
            if fault.kind not in kinds or fault.operation not in (None, operation) or fault.endpoint != endpoint:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
            return fault
        return None
