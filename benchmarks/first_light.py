"""The main job in figures: rates, latencies, stalls and memory, each beside its limit. `make first-light`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.direct import Direct
from simulator.client import Control
from simulator.process import SimulatorProcess

_ROOT = Path(__file__).resolve().parent.parent
_TOKEN = "benchmark"
_VIEWERS, _WATCH_S = 8, 10.0
_CONFIG_CALLS, _BURST, _CAPTURES = 600, 150, 25


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and its limit; `good` says whether it is on the right side."""

    what: str
    figure: str
    limit: str
    good: bool


@contextmanager
def server(log_file: Path, addresses: str, **settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A monitored server on some cameras: its address, its process. Its log goes to a file."""
    own = {"API_TOKEN": _TOKEN, "NETWORK_CAMERAS": addresses, "LOG_LEVEL": "INFO"}
    environment = os.environ | own | settings
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.monitored", "--host", "127.0.0.1", "--port", "0"],
            cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        yield _uri(log_file), process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _uri(log: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if "listening on ws" in line and "gphoto_ws_server" in line:
                return line.rpartition(" ")[2]
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


async def client(uri: str) -> ClientConnection:
    """A logged-in client."""
    socket = await connect(uri, max_size=None, compression=None)
    await socket.send(json.dumps({"token": _TOKEN}))
    return socket


async def command(socket: ClientConnection, name: str, /, **payload: object) -> float:
    """Send a command and wait for its reply; the seconds it took."""
    started = time.perf_counter()
    await socket.send(json.dumps({"command": name, "payload": payload}))
    text = await socket.recv()
    took = time.perf_counter() - started
    reply = json.loads(text)
    if reply["status"] != "ok":
        raise RuntimeError(f"{name}: {reply}")
    return took


async def _viewer(uri: str, port: str) -> tuple[float, int]:
    """Frames a second that one viewer received, and the mean size of a message in bytes."""
    async with await client(uri) as socket:
        await command(socket, "start_live_view", port=port, format="base64")
        await socket.recv()
        started, frames, size = time.perf_counter(), 0, 0
        while (now := time.perf_counter()) < started + _WATCH_S:
            size += len(await socket.recv())
            frames += 1
        return frames / (now - started), size // max(frames, 1)


async def _measure(uri: str, served_by: subprocess.Popen[str], ports: tuple[str, str], control: Control) -> list[Row]:
    served, unserved = ports
    control.power(True, camera=1)
    direct = Direct(unserved)
    rows: list[Row] = []
    async with await client(uri) as socket:
        await command(socket, "select_camera", port=served)

        through, alone = [], []
        for call in range(_CONFIG_CALLS):
            if call % _BURST == 0:
                await asyncio.sleep(_BURST / 100)  # the server takes 100 commands a second of one client
            through.append(await command(socket, "get_config", name="iso"))
            alone.append(direct.seconds("get_config"))
        more = (statistics.median(through) - statistics.median(alone)) * 1000
        rows.append(Row("get_config more than direct, median", f"{more:.2f} ms", "1 ms", more <= 1))

        through, alone = [], []
        for _ in range(_CAPTURES):
            through.append(await command(socket, "capture_image"))
            alone.append(direct.seconds("capture"))
        more = (statistics.median(through) - statistics.median(alone)) * 1000
        rows.append(Row("capture_image more than direct, median", f"{more:.1f} ms", "10 ms", more <= 10))
        direct.close()

        frames_before = control.state()["frames"]
        rates = await asyncio.gather(*(_viewer(uri, served) for _ in range(_VIEWERS)))
        offered = (control.state()["frames"] - frames_before) / _WATCH_S
        slowest, size = min(rate for rate, _ in rates), rates[0][1]
        words = f"{slowest:.1f} frames/s of {size / 1000:.0f} KB (about {offered:.1f} offered)"
        rows.append(Row(f"slowest of {_VIEWERS} base64 viewers", words, "29 frames/s", slowest >= 29))

        await command(socket, "download_last_image")
        await command(socket, "restart_camera")
        await command(socket, "list_cameras")
    process = psutil.Process(served_by.pid)
    own = process.memory_full_info().pss / 1e6
    child = max(
        child.memory_full_info().pss / 1e6 for child in process.children() if "camera.worker" in child.cmdline()
    )
    rows.append(Row("memory of the server process (PSS)", f"{own:.0f} MB", "60 MB", own < 60))
    rows.append(Row("memory of a camera process (PSS)", f"{child:.0f} MB", "60 MB", child < 60))
    return rows


def main() -> int:
    """Print the table; the exit code is 0 even where a figure misses its limit: it is a report."""
    log = Path(os.environ.get("TMPDIR", "/tmp")) / f"first-light-{os.getpid()}.log"
    with SimulatorProcess("--cameras", "2", "--shutter", "0.1") as simulator, Control(simulator.control) as control:
        first, second = (camera.address for camera in simulator.cameras)
        with server(log, first) as (uri, process):
            rows = asyncio.run(_measure(uri, process, (first, second), control))
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=15)
    stall = float(output.split()[-1])
    rows.append(Row("longest stall of the server's loop", f"{stall:.0f} ms", "50 ms", stall <= 50))
    log.unlink()
    print_rows(rows)
    return 0


def print_rows(rows: list[Row]) -> None:
    """The table, a line for each figure with its limit and whether it was reached."""
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:<{width}}  {row.figure:<44} limit {row.limit:<12} {'reached' if row.good else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
