"""Downloads of a large file by one client.

A download as one JSON message is compared with json.dumps. A download as binary messages is compared with sendfile.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import wire
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, for_information, judged, ratios
from benchmarks.processes import Peak, Running, Window
from benchmarks.served import Served
from benchmarks.viewers import Viewers, Wanted
from simulator.process import SimulatorProcess

# The pixels of pictures whose RAW files have 1, 8 and 50 MB. A RAW file of the simulator has 1.12 bytes per pixel
# (simulator/pictures.py).
_PIXELS = {1: "1024x880", 8: "3264x2192", 50: "8192x5456"}
_SLACK = 64
_DEADLINE_S = 30.0
_STAY_S = 15.0


class Download:
    """A client that repeatedly downloads the same file. Measures the CPU time of the server for each download.

    Args:
        pid: the process id of the server.
        wanted: how the client connects.
        request: the message that requests the file.
        size: the size of the file in bytes.
    """

    def __init__(self, pid: int, wanted: Wanted, request: str, size: int) -> None:
        self._pid, self._wanted, self._request = pid, wanted, request
        self._viewers = Viewers()
        self._connected_at = float("-inf")
        self._connect()
        self._size = size
        self._size = self._wait_until_received()  # not measured: the server may have to read the file from the camera

    def cpu(self) -> float:
        """Download the file once; returns the CPU seconds that the server needed."""
        self._connect()
        before, window = self._received(), Window(self._pid)
        self._viewers.say(self._request)
        deadline = time.monotonic() + _DEADLINE_S
        while self._received() - before < self._size - _SLACK:
            if time.monotonic() > deadline:
                raise RuntimeError(f"a download did not end: {self._received() - before} of {self._size} bytes")
            time.sleep(0.002)
        time.sleep(0.005)
        return window.cpu()

    def close(self) -> None:
        """Disconnect the client."""
        self._viewers.stop()

    def _connect(self) -> None:
        """Connect, or connect again if the connection is older than 15 s.

        The client does not answer pings, so the server would disconnect it some time later.
        """
        if time.monotonic() - self._connected_at > _STAY_S:
            self._viewers.leave()
            self._viewers.connect(self._wanted)
            self._connected_at = time.monotonic()
            time.sleep(0.1)  # so that the login is not measured

    def _received(self) -> int:
        return self._viewers.count()[0]

    def _wait_until_received(self) -> int:
        before = self._received()
        self._viewers.say(self._request)
        last, since = before, time.monotonic()
        while time.monotonic() - since < 0.3 or last - before < self._size:
            if (now := self._received()) != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > _DEADLINE_S:
                raise RuntimeError("a download did not begin or stopped")
            time.sleep(0.02)
        return last - before


def shoot_raw(served: Served, port: str) -> None:
    """Take a RAW picture, which becomes the camera's last picture."""
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
            # Measured without the monitor of the event loop, because a binary download takes only two milliseconds, and
            # the CPU time of the monitor would falsify the result.
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
                    more.append(max(0.0, peak.increase()))
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
        for_information(row, "base64 JSON without pybase64 / with it", ratios(cpu["without"], cpu["text"]), "x",
             "why it is in requirements.txt"),
    ]  # fmt: skip


def run(effort: Effort) -> list[Figure]:
    """All figures of downloads."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pybase64.py").write_text("raise ImportError('hidden by the benchmark')\n")
        return [figure for size in effort.files for figure in _of_size(effort, size, folder)]
