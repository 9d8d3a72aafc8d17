"""Computes figures from the rounds of a measurement, judges them against their limits, and formats them as a table."""

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
# If the rounds differ by more than this fraction, other load on the machine dominates the measurement.
_WIDEST = 0.25


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        row: the group of lines to which this line belongs.
        what: what was measured.
        value: the median of the rounds as text, with the values of the lowest and the highest round.
        compared_with: the value from the same run with which this figure was compared, as text.
        reach: the limit as text; empty if there is none.
        verdict: whether the figure reached its limit.
    """

    row: str
    what: str
    value: str
    compared_with: str
    reach: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Limit:
    """The highest allowed value of a figure, or the lowest allowed value if `at_least` is true."""

    value: float
    unit: str
    at_least: bool = False

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.value:g} {self.unit}"


def judged(
    row: str, what: str, rounds: Sequence[float], compared_with: str, limit: Limit, *, digits: int = 2
) -> Figure:
    """A figure with its verdict. The median of the rounds decides, unless the rounds differ too much.

    For ratios (unit "x"), the rounds may differ by a quarter of their median. Other figures are differences, whose
    median may be near 0, so their rounds may differ by a quarter of the median or of the limit, whichever is larger.
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
    """For each round: the ratio of the two values that were measured in it."""
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
