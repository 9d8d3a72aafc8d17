"""A large file to one client: as one JSON message beside json.dumps, as binary messages beside the kernel alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import wire
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, judged, ratios, told
from benchmarks.processes import Peak, Running, Window
from benchmarks.served import Served
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

# A RAW file of the simulator has 1.12 bytes a pixel (simulator/pictures.py).
_PIXELS = {1: "1024x880", 8: "3264x2192", 50: "8192x5456"}
_SLACK = 64
_DEADLINE_S = 30.0
_STAY_S = 15.0


class Download:
    """One client that asks for the same file again and again; what each time costs the server.

    Args:
        pid: the server.
        wanted: how the client comes.
        request: what it sends for a file.
    """

    def __init__(self, pid: int, wanted: Wanted, request: str, size: int) -> None:
        self._pid, self._wanted, self._request = pid, wanted, request
        self._viewers = Viewers()
        self._came_at = float("-inf")
        self._come()
        self._size = size
        self._size = self._until_quiet()  # the first one may come from the camera

    def cpu(self) -> float:
        """CPU seconds of one more."""
        self._come()
        before, window = self._got(), Window(self._pid)
        self._viewers.say(self._request)
        deadline = time.monotonic() + _DEADLINE_S
        while self._got() - before < self._size - _SLACK:
            if time.monotonic() > deadline:
                raise RuntimeError(f"a download did not end: {self._got() - before} of {self._size} bytes")
            time.sleep(0.002)
        time.sleep(0.005)
        return window.cpu()

    def close(self) -> None:
        """Leave."""
        self._viewers.stop()

    def _come(self) -> None:
        """Connect, or connect anew before the server misses the answers to its pings."""
        if time.monotonic() - self._came_at > _STAY_S:
            self._viewers.leave()
            self._viewers.connect(self._wanted)
            self._came_at = time.monotonic()
            time.sleep(0.1)  # for the login, which is no part of a download

    def _got(self) -> int:
        return self._viewers.count()[0]

    def _until_quiet(self) -> int:
        before = self._got()
        self._viewers.say(self._request)
        last, since = before, time.monotonic()
        while time.monotonic() - since < 0.3 or last - before < self._size:
            if (now := self._got()) != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > _DEADLINE_S:
                raise RuntimeError("a download did not begin or stopped")
            time.sleep(0.02)
        return last - before


def shoot_raw(served: Served, port: str) -> None:
    """Take a RAW picture, which is then the camera's last."""
    client = served.client()
    client.command("capture_image", port=port, settings={"imageformat": "RAW"})
    client.close()


def _of_size(effort: Effort, megabytes: int, plain_python: str) -> list[Figure]:
    with (
        SimulatorProcess("--cameras", "2", "--still", _PIXELS[megabytes], "--shutter", "0.02") as simulator,
        Served(simulator.cameras[0].address, module="benchmarks.monitored") as ours,
        Served(simulator.cameras[1].address, PYTHONPATH=plain_python) as without,
        Running("benchmarks.peers.whole_file", str(megabytes), "json") as whole,
        Running("benchmarks.peers.whole_file", str(megabytes), "sendfile") as kernel,
    ):
        size = megabytes * 1_000_000
        for served, camera in ((ours, simulator.cameras[0]), (without, simulator.cameras[1])):
            shoot_raw(served, camera.address)
        login = (wire.login(),)
        text, binary = wire.request("download_last_image"), wire.request("download_last_image", transfer="binary")
        contenders = {
            "text": Download(ours.pid, Wanted(ours.port, 1, messages=login), text, size),
            # Of the server without the stopwatch, which is no small part of two milliseconds.
            "binary": Download(without.pid, Wanted(without.port, 1, messages=login), binary, size),
            "without": Download(without.pid, Wanted(without.port, 1, messages=login), text, size),
            "json": Download(whole.pid, Wanted(int(whole.hello), 1), "picture", size),
            "kernel": Download(kernel.pid, Wanted(int(kernel.hello), 1, hello=""), "picture", size),
        }
        cpu: dict[str, list[float]] = {name: [] for name in contenders}
        more: list[float] = []
        stalls: list[float] = []
        peak = Peak(ours.pid)
        for _ in range(effort.rounds):
            for name, contender in contenders.items():
                if name == "text":
                    ours.longest_stall()
                    peak.reset()
                cpu[name].append(contender.cpu())
                if name == "text":
                    more.append(max(0.0, peak.more()))
                    stalls.append(ours.longest_stall())
        for contender in contenders.values():
            contender.close()
    row = f"download of {megabytes} MB: CPU of the server"

    def milliseconds(name: str) -> str:
        return f"{statistics.median(cpu[name]) * 1000:.1f} ms"

    return [
        judged(row, "base64 JSON, one message / json.dumps of the whole", ratios(cpu["text"], cpu["json"]),
               f"{milliseconds('text')} / {milliseconds('json')}", Limit(0.2, "x")),
        judged(row, "base64 JSON, memory more at the peak", more, "", Limit(3, "MB")),
        judged(row, "base64 JSON, longest stall of the loop", stalls, "", Limit(5, "ms")),
        judged(row, "binary messages / sendfile", ratios(cpu["binary"], cpu["kernel"]),
               f"{milliseconds('binary')} / {milliseconds('kernel')}", Limit(2, "x")),
        told(row, "base64 JSON without pybase64 / with it", ratios(cpu["without"], cpu["text"]), "x",
             "why it is in requirements.txt"),
    ]  # fmt: skip


def run(effort: Effort) -> list[Figure]:
    """All lines of downloads."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pybase64.py").write_text("raise ImportError('hidden by the benchmark')\n")
        return [figure for size in effort.files for figure in _of_size(effort, size, folder)]
