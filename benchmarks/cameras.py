"""Live view of several cameras at once: the CPU time per frame, compared with a single camera."""

from __future__ import annotations

import statistics
import time

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.processes import Window
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

_COUNTS = (1, 2, 4)


def run(effort: Effort) -> list[Figure]:
    """All figures of several cameras."""
    row = "several cameras with live view at 30 frames/s, a viewer each: CPU of server and camera processes"
    cost: dict[int, list[float]] = {count: [] for count in _COUNTS}
    with SimulatorProcess("--cameras", str(max(_COUNTS))) as simulator:
        addresses = [camera.address for camera in simulator.cameras]
        with Served(*addresses) as served:
            for _ in range(effort.parts):
                for count in _COUNTS:
                    cost[count].append(_cost(served, addresses[:count], effort.watch_s))
    alone = statistics.median(cost[1])
    figures = [for_information(row, "1 camera, CPU of one frame", [one * 1000 for one in cost[1]], "ms")]
    for count in _COUNTS[1:]:
        shares = [several / single for several, single in zip(cost[count], cost[1], strict=True)]
        compared_with = f"CPU of one frame, {alone * 1000:.2f} ms alone"
        figures.append(
            judged(row, f"{count} cameras: a frame / with one camera", shares, compared_with, Limit(1.0, "x"))
        )
    return figures


def _cost(served: Served, ports: list[str], seconds: float) -> float:
    """The CPU seconds of server and camera processes per delivered frame, with one viewer for each of `ports`."""
    crowds = []
    for port in ports:
        viewers = Viewers()
        viewers.connect(Wanted(served.port, 1, messages=live_view(port, format="binary"), how="numbers"))
        crowds.append(viewers)
    time.sleep(0.5)
    for viewers in crowds:
        viewers.seen()
    window = Window(served.pid, *served.children(*ports))
    time.sleep(seconds)
    frames = sum(one.frames for viewers in crowds for one in viewers.seen())
    cpu = window.cpu()
    for viewers in crowds:
        viewers.stop()
    time.sleep(1.2)  # live view ends a second after the last viewer has disconnected
    return cpu / max(frames, 1)
