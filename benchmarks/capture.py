"""A photo in one command, compared with the same driver calls in a process without a server."""

from __future__ import annotations

import statistics

from benchmarks.direct import Direct
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, judged
from benchmarks.served import Served
from simulator.process import SimulatorProcess


def run(effort: Effort) -> list[Figure]:
    """All figures of captures."""
    whole: list[float] = []
    alone: list[float] = []
    bare: list[float] = []
    with (
        SimulatorProcess("--cameras", "2", "--shutter", "0.1") as simulator,
        Served(simulator.cameras[0].address) as served,
    ):
        direct, client = Direct(simulator.cameras[1].address), served.client()
        client.command("capture_image", download="full", save=True)  # the simulator generates its picture now
        for _ in range(effort.parts):
            through, theirs, short, shorter = [], [], [], []
            for _ in range(max(1, effort.shots // effort.parts)):
                through.append(client.seconds("capture_image", download="full", save=True) * 1000)
                theirs.append(direct.seconds("capture_and_get") * 1000)
                short.append(client.seconds("capture_image") * 1000)
                shorter.append(direct.seconds("capture") * 1000)
            whole.append(statistics.median(through) - statistics.median(theirs))
            alone.append(statistics.median(theirs))
            bare.append(statistics.median(short) - statistics.median(shorter))
        client.close()
        direct.close()
    middle = statistics.median(alone)
    row = "a photo, seconds on the clock"
    return [
        judged(row, "capture, download and save of 12 MB: more than capture and file_get", whole,
               f"direct {middle:.0f} ms; 5 % + 20 ms", Limit(round(0.05 * middle + 20, 1), "ms"), digits=1),
        judged(row, "capture alone: more than the call", bare, "", Limit(10, "ms"), digits=1),
    ]  # fmt: skip
