"""The summary at the end."""

from __future__ import annotations

import re
import statistics
from collections import Counter

from tests.soak.ledger import Ledger
from tests.soak.story import Story

_ALARMS = re.compile(r"Traceback|\bbroke\b|CRITICAL|never awaited|internal_error")
_SHOWN = 5
_STALL_MS = 50.0


def check_log(story: Story, log: str) -> None:
    """The server's log may warn of cameras; it holds no mistake of the server."""
    alarms = [line for line in log.splitlines() if _ALARMS.search(line)]
    for line in alarms[:_SHOWN]:
        story.violation(f"in the log: {line}")
    if len(alarms) > _SHOWN:
        story.violation(f"in the log: {len(alarms) - _SHOWN} more such lines")
    story.count("warnings in the log", sum(" WARNING " in line for line in log.splitlines()))


def check_stalls(story: Story, stalls: list[float], patience: float) -> None:
    """The longest time in which the server's loop did one thing only; other programs of the machine do not count.

    Args:
        stalls: of each life of the server, in milliseconds.
    """
    longest = max(stalls, default=0.0)
    story.took("stall of the server's loop", longest / 1000)
    if longest > _STALL_MS * patience:
        story.violation(f"the server's loop stalled for {longest:.0f} ms")


def summary(story: Story, ledger: Ledger, seed: int) -> str:
    """The table: captures, faults, recoveries, everything counted, and what was broken."""
    outcomes = Counter[str](capture.outcome for capture in ledger.captures)
    codes = Counter(capture.code for capture in ledger.captures if capture.code)
    rows = [("seed", str(seed)), ("captures", _listed(outcomes)), ("errors of captures", _listed(codes))]
    rows.append((f"faults ({story.faults.total()})", _listed(story.faults)))
    rows.append(("ready after a fault", _spread(story.ready_after)))
    rows.append(("all viewers' frames after it", _spread(story.frames_after)))
    rows += [(what, str(number)) for what, number in sorted(story.counts.items())]
    rows += [(f"longest {what}", f"{seconds * 1000:.0f} ms") for what, seconds in sorted(story.longest.items())]
    width = max(len(what) for what, _ in rows)
    lines = ["", *(f"{what:<{width}}  {value}" for what, value in rows), ""]
    if story.broken:
        lines += [f"{len(story.broken)} promises broken:", *(f"  - {words}" for words in story.broken)]
    else:
        lines.append("Every promise was kept.")
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in counts.most_common()) or "none"


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    median = statistics.median(seconds)
    return f"{len(seconds)} times: min {min(seconds):.1f}, median {median:.1f}, max {max(seconds):.1f} s"
