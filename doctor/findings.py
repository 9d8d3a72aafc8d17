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
        level: "problem" if the server or a camera does not work, "note" for possible later problems.
        words: what was found.
        fix: one command, or one action.
    """

    level: Level
    words: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{_MARKS[self.level]}{self.words}" + (f"\n          -> {self.fix}" if self.fix else "")
