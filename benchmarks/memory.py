"""The memory of the idle server, the additional memory for each viewer, and the memory of a camera process."""

from __future__ import annotations

import time

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, judged
from benchmarks.processes import memory
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

_ROW = "memory (PSS)"
_VIEWERS = 48


def run(effort: Effort) -> list[Figure]:
    """All figures of memory."""
    idle, viewer, camera = [], [], []
    for _ in range(min(3, effort.parts)):
        with SimulatorProcess() as simulator, Served(simulator.cameras[0].address) as served:
            time.sleep(0.5)
            idle.append(memory(served.pid))
            camera.append(max(memory(child) for child in served.children()))
            few = Viewers()
            few.connect(Wanted(served.port, 1, messages=live_view(format="binary")))
            time.sleep(effort.watch_s)
            before = memory(served.pid)
            many = Viewers()
            many.connect(Wanted(served.port, _VIEWERS, messages=live_view(format="binary")))
            time.sleep(effort.watch_s)
            viewer.append((memory(served.pid) - before) / _VIEWERS * 1000)
            camera.append(max(memory(child) for child in served.children()))
            few.stop()
            many.stop()
    return [
        judged(_ROW, "the server with one camera, idle", idle, "", Limit(50, "MB"), digits=1),
        judged(_ROW, f"each viewer (of {_VIEWERS}, watching)", viewer, "", Limit(100, "KB"), digits=0),
        judged(_ROW, "each camera's process, idle and watched", camera, "", Limit(40, "MB"), digits=1),
    ]
