"""How late the pictures of a time-lapse are taken, by the clock of the simulated camera and by the server's own measurement."""

from __future__ import annotations

import json
import time
from datetime import datetime

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.served import Served
from simulator.client import Control
from simulator.process import SimulatorProcess

_MAKERS: dict[str, tuple[str, ...]] = {"a Canon": (), "a Nikon": ("--maker", "nikon")}
_INTERVAL_S = 1.0
# How many slots there are for each photo that another benchmark would take.
_SLOTS = 4


def run(effort: Effort) -> list[Figure]:
    """All figures of time-lapses."""
    return [figure for maker, options in _MAKERS.items() for figure in _late(maker, options, _SLOTS * effort.shots)]


def _late(maker: str, options: tuple[str, ...], slots: int) -> list[Figure]:
    commanded: list[float] = []
    with (
        SimulatorProcess(*options, "--still", "1296x864", "--shutter", "0.02") as simulator,
        Control(simulator.control) as control,
        Served(simulator.cameras[0].address) as served,
    ):
        client = served.client()
        client.command("capture_image")  # the simulator generates its picture now
        client.command("subscribe", events=["job_shot"])
        started = client.command("start_job", kind="timelapse", interval_s=_INTERVAL_S, count=slots)
        at = datetime.fromisoformat(started["job"]["started_at"]).timestamp() + time.monotonic() - time.time()
        while len(commanded) < slots:
            event = json.loads(client.receive())
            if event["status"] != "ok":
                raise RuntimeError(f"a slot has no picture: {event}")
            commanded.append(float(event["late_ms"]))
        releases = control.releases()[1:]
        client.close()
    opened = [(float(one["at"]) - at - number * _INTERVAL_S) * 1000 for number, one in enumerate(releases)]
    row = f"a time-lapse of {maker}, {slots} slots"
    return [
        judged(row, "largest lateness of a command", [max(commanded)], "", Limit(20, "ms")),
        for_information(row, "lateness of the commands", commanded, "ms"),
        for_information(row, "lateness of the shutter of the simulator", opened, "ms"),
    ]
