"""What the checks found: a line for each one while they run, and the tables for docs/reliability.md at the end."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """The result of one check: what was promised and measured, in words, and whether the promise was kept."""

    check: str
    measured: str
    kept: bool


class Report:
    """The figures in the order of the checks."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.figures: list[Figure] = []

    def add(self, check: str, measured: str, kept: bool = True) -> None:
        """Print and keep a figure."""
        self.figures.append(Figure(check, measured, kept))
        self.note(f"{'ok    ' if kept else 'BROKEN'} {check}: {measured}")

    def note(self, words: str) -> None:
        """Print a line with the seconds since the start."""
        print(f"{time.monotonic() - self._began:7.1f}  {words}", flush=True)

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(figure.kept for figure in self.figures)

    def write(self, folder: Path) -> None:
        """Write figures.json and figures.md."""
        day = datetime.now(UTC).date().isoformat()
        content = {"date": day, "kept": self.kept, "figures": [asdict(figure) for figure in self.figures]}
        (folder / "figures.json").write_text(json.dumps(content, indent=2) + "\n")
        rows = [
            f"| {figure.check} | {figure.measured} | {'yes' if figure.kept else '**no**'} |" for figure in self.figures
        ]
        (folder / "figures.md").write_text(
            "\n".join([f"Measured on {day}.", "", "| check | measured | kept |", "|---|---|---|", *rows, ""])
        )


def spread(seconds: list[float]) -> str:
    """The number of times, their median and the longest."""
    ordered = sorted(seconds)
    return f"{len(ordered)} times, median {ordered[len(ordered) // 2]:.1f} s, longest {ordered[-1]:.1f} s"
