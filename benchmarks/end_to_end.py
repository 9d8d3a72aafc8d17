"""Live view from the simulator to clients, at the camera's frame rate: the share of delivered frames, and their age."""

from __future__ import annotations

import statistics
import time

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

_RATES, _VIEWERS = (30, 60), (1, 8, 32)


def run(effort: Effort) -> list[Figure]:
    """All end-to-end figures."""
    return [figure for fps in _RATES for figure in _at(fps, effort)]


def _at(fps: int, effort: Effort) -> list[Figure]:
    row = f"live view end to end, {fps} frames/s from the simulator"
    figures = []
    with SimulatorProcess("--fps", str(fps)) as simulator, Served(simulator.cameras[0].address) as served:
        for count in _VIEWERS:
            viewers = Viewers()
            viewers.connect(Wanted(served.port, count, messages=live_view(format="binary", fps=fps), how="numbers"))
            time.sleep(0.5)
            viewers.seen()
            shares, ages, waits, offered = [], [], [], []
            for _ in range(effort.parts):
                started = time.monotonic()
                time.sleep(effort.watch_s)
                seen = viewers.seen()
                shares.append(min(one.share for one in seen) * 100)
                offered.append((seen[0].last - seen[0].first + 1) / (time.monotonic() - started))
                ages.append(statistics.median(age for one in seen for age in one.ages))
                waits.append(statistics.median(wait for one in seen for wait in one.waits))
            viewers.stop()
            words = f"{statistics.median(offered):.1f} frames/s offered"
            who = "1 viewer" if count == 1 else f"{count} viewers"
            figures.append(
                judged(row, f"{who}, the worst one: delivered", shares, words, Limit(99, "%", at_least=True))
            )
            if count == 1:
                figures.append(
                    judged(row, "1 viewer: median age on receipt, from the sensor on", ages, "", Limit(5, "ms"))
                )
                figures.append(for_information(row, "1 viewer: of that, from the camera's process on", waits, "ms"))
    return figures
