"""Findings: what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]
_MARKS: dict[Level, str] = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the report.

    Attributes:
        level: "problem" if the server or a camera does not work, "note" for a possible later problem, otherwise "ok".
        words: what was found.
        fix: the command or the action that solves the problem; may be empty.
    """

    level: Level
    words: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{_MARKS[self.level]}{self.words}" + (f"\n          -> {self.fix}" if self.fix else "")
