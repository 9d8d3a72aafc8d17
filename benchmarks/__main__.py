"""Runs the benchmarks and prints their figures: `python -m benchmarks --quick | --full [--only ROW] [--write]`.

`make bench` and `make bench-full` run this program.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks import (
    bulb,
    cameras,
    capture,
    commands,
    downloads,
    end_to_end,
    live_view,
    memory,
    rotation,
    slow_viewer,
    start,
    timelapse,
    volley,
)
from benchmarks.effort import FULL, QUICK, TINY, Effort
from benchmarks.figures import Figure, as_text
from benchmarks.live_view import Samples

ROWS: dict[str, Callable[[Effort], list[Figure]]] = {
    "live_view": live_view.run,
    "end_to_end": end_to_end.run,
    "slow_viewer": slow_viewer.run,
    "downloads": downloads.run,
    "commands": commands.run,
    "capture": capture.run,
    "volley": volley.run,
    "bulb": bulb.run,
    "timelapse": timelapse.run,
    "rotation": rotation.run,
    "cameras": cameras.run,
    "memory": memory.run,
    "start": start.run,
}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast the server is, beside others.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", dest="effort", action="store_const", const=QUICK, help="within two minutes (default)")
    how.add_argument("--full", dest="effort", action="store_const", const=FULL, help="many rounds, for the document")
    how.add_argument("--tiny", dest="effort", action="store_const", const=TINY, help="to see that it runs")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and docs/performance.svg")
    parser.set_defaults(effort=QUICK)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks and print the table. The exit code is 0 even if a figure misses its limit."""
    arguments = _arguments(argv)
    effort: Effort = arguments.effort
    figures: list[Figure] = []
    plotted: dict[int, Samples] = {}
    for name in arguments.only or ROWS:
        started = time.monotonic()
        print(f"{name} …", file=sys.stderr, end="", flush=True)
        some = live_view.run(effort, plotted) if name == "live_view" else ROWS[name](effort)
        print(f" {time.monotonic() - started:.0f} s", file=sys.stderr)
        print(as_text(some), flush=True)
        figures += some
    missed = [figure for figure in figures if figure.verdict == "MISSED"]
    wide = [figure for figure in figures if figure.verdict.startswith("spread too wide")]
    judged = [figure for figure in figures if figure.reach]
    print(f"{len(judged)} figures with a limit: {len(judged) - len(missed) - len(wide)} reached, {len(missed)} missed, "
          f"{len(wide)} without a verdict because the rounds differ too much")  # fmt: skip
    if arguments.write:
        from benchmarks import report  # imported only here, because it loads matplotlib

        report.write(figures, plotted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
