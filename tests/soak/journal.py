"""The log of a run: events, counts, times and broken promises."""

from __future__ import annotations

import time
from collections import Counter


class Journal:
    """Prints events during the run, and collects the data of the summary."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        # For each fault, the seconds from its end until the camera has replied (ready_after), and until all viewers of
        # the camera have received a frame (frames_after).
        self.ready_after: list[float] = []
        self.frames_after: list[float] = []
        self.longest: dict[str, float] = {}

    def note(self, words: str) -> None:
        """Print one line with the seconds since the start."""
        print(f"{time.monotonic() - self._began:7.1f}  {words}", flush=True)

    def violation(self, words: str) -> None:
        """Record and print a broken promise."""
        self.broken.append(words)
        self.note(f"BROKEN: {words}")

    def count(self, what: str, number: int = 1) -> None:
        """Increase a count of the summary."""
        self.counts[what] += number

    def took(self, what: str, seconds: float) -> None:
        """Record the time if it is the longest of its kind."""
        self.longest[what] = max(self.longest.get(what, 0.0), seconds)
