"""A photo in one command, compared with the same driver calls without a server; and the cost of recording a shot."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.direct import Direct
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.served import Served
from simulator.process import SimulatorProcess

# Shots without a download are quick, so a measurement can have more of them.
_PLAIN_SHOTS = 6


def run(effort: Effort) -> list[Figure]:
    """All figures of captures."""
    return [*_beside_direct_calls(effort), *_recorded(effort)]


def _beside_direct_calls(effort: Effort) -> list[Figure]:
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


def _recorded(effort: Effort) -> list[Figure]:
    """A server that records its shots, compared with one that cannot, because its state folder cannot be created."""
    release: list[float] = []
    reply: list[float] = []
    keyed: list[float] = []
    with (
        SimulatorProcess("--cameras", "2", "--shutter", "0.02", "--still", "1296x864") as simulator,
        Served(simulator.cameras[0].address) as recording,
        Served(simulator.cameras[1].address, STATE_DIR="/dev/null/state") as other,
    ):
        clients = {"recorded": recording.client(), "not": other.client()}
        for client in clients.values():
            client.command("capture_image")
        for part in range(effort.parts):
            took: dict[str, list[float]] = {name: [] for name in (*clients, "keyed")}
            released: dict[str, list[float]] = {name: [] for name in (*clients, "keyed")}
            for shot in range(max(1, _PLAIN_SHOTS * effort.shots // effort.parts)):
                for name in random.sample(sorted(took), 3):
                    key = {"key": f"{part} {shot}"} if name == "keyed" else {}
                    began = time.perf_counter()
                    done = clients["not" if name == "not" else "recorded"].command("capture_image", **key)
                    took[name].append((time.perf_counter() - began) * 1000)
                    released[name].append(done["timing"]["shutter_ms"])
            middle = {name: statistics.median(values) for name, values in released.items()}
            release.append(middle["recorded"] - middle["not"])
            keyed.append(middle["keyed"] - middle["not"])
            reply.append(statistics.median(took["recorded"]) - statistics.median(took["not"]))
        for client in clients.values():
            client.close()
    row = "the record of a shot: later than a server that cannot record, medians"
    return [
        judged(row, "release of the shutter", release, "", Limit(1, "ms")),
        judged(row, "reply", reply, "", Limit(2, "ms")),
        for_information(row, "release of a shot with a key, which is synced to the disk first", keyed, "ms"),
    ]
