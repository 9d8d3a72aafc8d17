"""When the server, its disk or a camera could not be used, so that a verdict excuses only what happened then."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

# A camera was off or not opened; no server ran; the database did not respond; no file could be written.
What = Literal["camera", "server", "database hangs", "photos hang", "disk full"]


@dataclass
class Span:
    """One time in which something could not be used.

    Attributes:
        what: what it was.
        port: of the camera; None for all.
        since, until: in virtual seconds.
    """

    what: What
    port: str | None
    since: float
    until: float = float("inf")


class Spans:
    """All these times."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def begin(self, what: What, now: float, port: str | None = None) -> Span:
        """Begin a time, which lasts until its end is set."""
        span = Span(what, port, now)
        self._spans.append(span)
        return span

    def seconds(self, what: Collection[What], port: str, since: float, until: float) -> float:
        """How long any of these lasted between two times. Overlapping times count once."""
        total, reached = 0.0, since
        for span in sorted(self._spans, key=lambda span: span.since):
            if span.what in what and span.port in (None, port):
                end = min(span.until, until)
                total += max(0.0, end - max(span.since, reached))
                reached = max(reached, end)
        return total
