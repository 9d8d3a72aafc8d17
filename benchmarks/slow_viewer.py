"""One slow viewer, which reads 1 MB/s, together with fifteen fast viewers."""

from __future__ import annotations

import statistics
import time

from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged
from benchmarks.processes import Peak
from benchmarks.served import Served, live_view
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

_OTHERS, _BYTES_A_SECOND, _FPS = 15, 1_000_000, 30
# The number of slow viewers while memory is measured: the memory for one viewer is below the counter's resolution.
_MANY = 24
_ROW = "one viewer at 1 MB/s among 15 (100 KB frames, 30 a second)"


def run(effort: Effort) -> list[Figure]:
    """All figures of the slow viewer."""
    with SimulatorProcess("--fps", str(_FPS)) as simulator, Served(simulator.cameras[0].address) as served:
        watch = live_view(format="binary", fps=_FPS)

        def viewers(count: int, speed: int = 0) -> Viewers:
            some = Viewers()
            some.connect(Wanted(served.port, count, messages=watch, how="numbers", bytes_a_second=speed))
            return some

        others, slow = viewers(_OTHERS), viewers(1, _BYTES_A_SECOND)
        time.sleep(1)
        others.seen(), slow.seen()
        ages, shares, frames = [], [], []
        for _ in range(effort.parts):
            time.sleep(effort.watch_s)
            (one,), rest = slow.seen(), others.seen()
            ages.append(statistics.median(one.ages))
            frames.append(one.frames / effort.watch_s)
            shares.append(min(quick.share for quick in rest) * 100)
        slow.stop()

        def peak(speed: int) -> float:
            some = viewers(_MANY, speed)
            time.sleep(1)
            high = Peak(served.pid)
            time.sleep(effort.watch_s)
            top = high.before + high.increase()
            some.stop()
            time.sleep(0.3)
            return top

        more = []
        for _ in range(effort.parts):
            quick = peak(0)
            more.append(max(0.0, peak(_BYTES_A_SECOND) - quick) / _MANY * 1000)
        others.stop()
    on_the_link = 1000 * 0.1  # milliseconds for a frame of 100 KB
    return [
        judged(_ROW, "median age of its frames on receipt", ages,
               f"a frame takes 100 ms on that link; {statistics.median(frames):.1f} frames/s of 30 got there",
               Limit(2 * on_the_link + 100, "ms"), digits=0),
        for_information(_ROW, "the same beside 2 frame times of the camera + 100 ms (167 ms)",
             [age / (2000 / _FPS + 100) for age in ages], "x"),
        judged(_ROW, "the others, the worst of them: delivered", shares, "", Limit(99, "%", at_least=True)),
        judged(_ROW, "memory of the server more at the peak than for a quick one", more, "", Limit(200, "KB"), digits=0),
    ]  # fmt: skip
