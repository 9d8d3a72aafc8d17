"""Figures and verdicts: ratios of paired measurements, their spread, and their table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal[
    "reached",
    "MISSED",
    "spread too wide",
    "spread too wide (each round reached it)",
    "spread too wide (each round missed it)",
    "for information",
]
# If the rounds differ by more than this, other load on the machine dominates the measurement.
_WIDEST = 0.25


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        row: the group of the line.
        what: what was measured.
        value: the figure, with the lowest and the highest of the rounds.
        compared_with: the value from the same run that it was compared with, as text.
        reach: the limit as text, empty without a limit.
        verdict: whether the limit was reached.
    """

    row: str
    what: str
    value: str
    compared_with: str
    reach: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit: at most (or at least) this value in this unit."""

    value: float
    unit: str
    at_least: bool = False

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.value:g} {self.unit}"


def judged(
    row: str, what: str, rounds: Sequence[float], compared_with: str, limit: Limit, *, digits: int = 2
) -> Figure:
    """A figure from its rounds: the median decides, unless the rounds differ by more than a quarter.

    The spread of a ratio ("x") is relative to its median. Other figures are differences, which may be near 0. Then
    every relative spread is wide, so their spread is relative to the larger of median and limit.
    """
    middle = statistics.median(rounds)
    scale = abs(middle) if limit.unit == "x" else max(abs(middle), limit.value)
    wide = max(rounds) - min(rounds) > _WIDEST * scale
    reached = [value >= limit.value if limit.at_least else value <= limit.value for value in rounds]
    good = middle >= limit.value if limit.at_least else middle <= limit.value
    verdict: Verdict
    if not wide:
        verdict = "reached" if good else "MISSED"
    elif all(reached):
        verdict = "spread too wide (each round reached it)"
    elif not any(reached):
        verdict = "spread too wide (each round missed it)"
    else:
        verdict = "spread too wide"
    return Figure(row, what, spelled(rounds, limit.unit, digits), compared_with, str(limit), verdict)


def for_information(
    row: str, what: str, rounds: Sequence[float], unit: str, compared_with: str = "", *, digits: int = 2
) -> Figure:
    """A figure without a limit."""
    return Figure(row, what, spelled(rounds, unit, digits), compared_with, "", "for information")


def spelled(rounds: Sequence[float], unit: str, digits: int = 2) -> str:
    """The median with its unit, and the range if there were several rounds."""
    words = f"{statistics.median(rounds):.{digits}f} {unit}"
    return words if len(rounds) == 1 else f"{words} ({min(rounds):.{digits}f} to {max(rounds):.{digits}f})"


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """Ratios of two values measured in the same round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def as_text(figures: Sequence[Figure]) -> str:
    """The table for a terminal, one line for each figure."""
    wide = max(len(figure.what) for figure in figures)
    value = max(len(figure.value) for figure in figures)
    reach = max(len(figure.reach) for figure in figures)
    lines, row = [], ""
    for figure in figures:
        if figure.row != row:
            row = figure.row
            lines.append(row)
        compared_with = f"  [{figure.compared_with}]" if figure.compared_with else ""
        lines.append(
            f"  {figure.what:<{wide}}  {figure.value:<{value}}  {figure.reach:<{reach}}  {figure.verdict}{compared_with}"
        )
    return "\n".join(lines)


def as_markdown(figures: Sequence[Figure]) -> str:
    """The table in Markdown."""
    lines = ["| | measured | compared with | to reach | |", "|---|---|---|---|---|"]
    row = ""
    for figure in figures:
        if figure.row != row:
            row = figure.row
            lines.append(f"| **{row}** | | | | |")
        lines.append(f"| {figure.what} | {figure.value} | {figure.compared_with} | {figure.reach} | {figure.verdict} |")
    return "\n".join(lines)
