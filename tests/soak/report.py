"""Checks of the log and the event loop, and the summary at the end."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from pathlib import Path

from tests.soak.journal import Journal
from tests.soak.ledger import Ledger

_ALARMS = re.compile(r"Traceback|\bbroke\b|CRITICAL|never awaited|internal_error")
_SHOWN = 5
_STALL_MS = 50.0


def check_log(journal: Journal, log: str) -> None:
    """Check that the log has no internal error of the server. Warnings about cameras are allowed."""
    alarms = [line for line in log.splitlines() if _ALARMS.search(line)]
    for line in alarms[:_SHOWN]:
        journal.violation(f"in the log: {line}")
    if len(alarms) > _SHOWN:
        journal.violation(f"in the log: {len(alarms) - _SHOWN} more such lines")
    journal.count("warnings in the log", sum(" WARNING " in line for line in log.splitlines()))


def check_stalls(journal: Journal, stalls: list[float], time_factor: float, stacks: Path) -> None:
    """Check the longest stall of the server's event loop. The CPU time of other programs does not count.

    Args:
        stalls: the longest stall of the loop for each start of the server, in milliseconds.
        stacks: the file with the stacks of the threads at long stalls.
    """
    longest = max(stalls, default=0.0)
    journal.took("stall of the server's loop", longest / 1000)
    if longest > _STALL_MS * time_factor:
        journal.violation(f"the server's loop stalled for {longest:.0f} ms (stacks: {stacks})")


def summary(journal: Journal, ledger: Ledger, seed: int) -> str:
    """The summary as a table: captures, faults, recoveries, all counts, and broken promises."""
    outcomes = Counter[str](capture.outcome for capture in ledger.captures)
    codes = Counter(capture.code for capture in ledger.captures if capture.code)
    rows = [("seed", str(seed)), ("captures", _listed(outcomes)), ("errors of captures", _listed(codes))]
    rows.append((f"faults ({journal.faults.total()})", _listed(journal.faults)))
    rows.append(("ready after a fault", _spread(journal.ready_after)))
    rows.append(("all viewers' frames after it", _spread(journal.frames_after)))
    rows += [(what, str(number)) for what, number in sorted(journal.counts.items())]
    rows += [(f"longest {what}", f"{seconds * 1000:.0f} ms") for what, seconds in sorted(journal.longest.items())]
    width = max(len(what) for what, _ in rows)
    lines = ["", *(f"{what:<{width}}  {value}" for what, value in rows), ""]
    if journal.broken:
        lines += [f"{len(journal.broken)} promises broken:", *(f"  - {words}" for words in journal.broken)]
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
