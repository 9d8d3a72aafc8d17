"""The time that the server adds to a command, when the server is idle and when it is under load."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import wire
from benchmarks.direct import Direct
from benchmarks.downloads import shoot_raw
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.processes import waited_seconds
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

_VIEWERS, _AHEAD, _LARGE = 16, 4, "8192x5456"  # as RAW, a picture of this size has 50 MB
_ENCODED_BYTES = 8192 * 5456 * 1.12 * 4 / 3
_BURST = 150  # below the server's limit for one client: 200 commands at once, then 100 per second


def run(effort: Effort) -> list[Figure]:
    """All figures of commands."""
    return [*_alone(effort), *_under_load(effort)]


def _alone(effort: Effort) -> list[Figure]:
    row = "get_config through the server"
    with (
        SimulatorProcess("--cameras", "2", "--still", "1296x864") as simulator,
        Served(simulator.cameras[0].address) as served,
    ):
        direct = Direct(simulator.cameras[1].address)
        more, alone, pings = [], [], []
        per_round = min(_BURST, effort.calls)
        for _ in range(max(effort.rounds, effort.calls // per_round)):
            client = served.client()
            took: dict[str, list[float]] = {"through": [], "direct": [], "ping": []}
            for _ in range(per_round):
                for name in random.sample(("through", "direct"), 2):
                    if name == "direct":
                        took[name].append(direct.seconds("get_config"))
                    else:
                        took[name].append(client.seconds("get_config", name="iso"))
            took["ping"] = [client.seconds("ping") for _ in range(40)]
            client.close()
            middle = {name: statistics.median(values) * 1e6 for name, values in took.items()}
            more.append(middle["through"] - middle["direct"])
            alone.append(middle["direct"])
            pings.append(middle["ping"])
        direct.close()
    compared_with = f"direct {statistics.median(alone):.0f} us"
    return [
        judged(row, "more than the same call in a process, median", more, compared_with, Limit(250, "us"), digits=0),
        for_information(row, "of that, a command without a camera (ping)", pings, "us", digits=0),
    ]


@dataclass(frozen=True, slots=True)
class _SlowEnd:
    """The 99th percentile of the duration of some calls, in milliseconds.

    Attributes:
        clock: the percentile of the total duration.
        alone: the percentile of the duration without the time of waiting for a CPU core.
    """

    clock: float
    alone: float


def _slow_end(
    client: wire.Client, port: str, calls: int, chain: Sequence[int], between: Callable[[], None] = lambda: None
) -> _SlowEnd:
    """Measure calls.

    Args:
        client: sends the calls.
        port: the port of the camera.
        calls: number of calls.
        chain: the ids of all processes that take part in a call.
        between: called before every fifth call.
    """
    took, alone = [], []
    for call in range(calls):
        if call % 5 == 0:
            between()
        before = waited_seconds(chain)
        seconds = client.seconds("get_config", name="iso", port=port)
        took.append(seconds * 1000)
        alone.append(max(0.0, seconds - (waited_seconds(chain) - before)) * 1000)
    return _SlowEnd(_percentile(took), _percentile(alone))


def _percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


class _Load:
    """Load on the server: viewers of a camera, and a client that repeatedly downloads the camera's last picture."""

    def __init__(self, served: Served, camera: str) -> None:
        self._request = wire.request("download_last_image", port=camera)
        self._watching, self._loading = Viewers(), Viewers()
        self._watching.connect(Wanted(served.port, _VIEWERS, messages=live_view(camera, format="binary")))
        self._loading.connect(Wanted(served.port, 1, messages=(wire.login(), *[self._request] * _AHEAD)))
        self._done = 0

    def restart_downloads(self) -> None:
        """Start a new download for each download that has ended."""
        done = int(self._loading.count()[0] / _ENCODED_BYTES)
        for _ in range(done - self._done):
            self._loading.say(self._request)
        self._done = done

    def end(self) -> None:
        """Disconnect all clients."""
        self._loading.stop()
        self._watching.stop()


def _under_load(effort: Effort) -> list[Figure]:
    row = f"get_config with {_VIEWERS} viewers and a download of 50 MB beside it"
    calls = min(_BURST, effort.calls)
    idle: list[_SlowEnd] = []
    other: list[_SlowEnd] = []
    same: list[_SlowEnd] = []
    with (
        SimulatorProcess("--still", _LARGE, "--shutter", "0.02") as watched,
        SimulatorProcess("--still", "1296x864") as quiet,
        Served(watched.cameras[0].address, quiet.cameras[0].address) as served,
    ):
        busy, asked = watched.cameras[0].address, quiet.cameras[0].address
        client = served.client()
        client.command(
            "capture_image", port=busy
        )  # the simulator generates the large picture now, which keeps the machine busy
        client.close()
        shoot_raw(served, busy)
        chain = (os.getpid(), served.pid, *served.children(asked), quiet.pid)
        for _ in range(effort.parts + 1):
            client = served.client()
            idle.append(_slow_end(client, asked, calls, chain))
            client.close()
            load = _Load(served, busy)
            client = served.client()
            other.append(_slow_end(client, asked, calls, chain, load.restart_downloads))
            same.append(_slow_end(client, busy, min(20, calls), chain, load.restart_downloads))
            client.close()
            load.end()
    clock = [loaded.clock - free.clock for loaded, free in zip(other, idle, strict=True)]
    alone = [loaded.alone - free.alone for loaded, free in zip(other, idle, strict=True)]
    compared_with = f"idle {statistics.median(one.clock for one in idle):.2f} ms"
    return [
        judged(row, "99th percentile, another camera: more than idle", clock, compared_with, Limit(5, "ms")),
        judged(row, "the same without waits for a core (viewers and simulators share them here)", alone,
               f"idle {statistics.median(one.alone for one in idle):.2f} ms", Limit(5, "ms")),
        for_information(row, "slowest of 20, the camera that is watched", [one.clock for one in same], "ms",
             "waits for the frame under way: 33 ms at 30 frames/s"),
    ]  # fmt: skip
