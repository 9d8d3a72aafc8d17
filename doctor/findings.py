"""What was found, in words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]
_MARKS: dict[Level, str] = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        level: "problem" where the server or a camera will not work, "note" for what may surprise later.
        words: what is the case.
        fix: one command, or one thing to do.
    """

    level: Level
    words: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{_MARKS[self.level]}{self.words}" + (f"\n          -> {self.fix}" if self.fix else "")
