"""What happened, one line for each event of interest, and which promises were broken."""

from __future__ import annotations

import time
from collections import Counter


class Story:
    """Tells as it goes, and keeps what the end needs."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        # Seconds from the end of a fault to the next answer of the camera, and to the next frame of its last viewer.
        self.ready_after: list[float] = []
        self.frames_after: list[float] = []
        self.longest: dict[str, float] = {}

    def tell(self, words: str) -> None:
        """Print one line with the seconds since the start."""
        print(f"{time.monotonic() - self._began:7.1f}  {words}", flush=True)

    def violation(self, words: str) -> None:
        """A promise was broken."""
        self.broken.append(words)
        self.tell(f"BROKEN: {words}")

    def count(self, what: str, number: int = 1) -> None:
        """Add to a figure of the summary."""
        self.counts[what] += number

    def took(self, what: str, seconds: float) -> None:
        """Keep the longest time of its kind."""
        self.longest[what] = max(self.longest.get(what, 0.0), seconds)
