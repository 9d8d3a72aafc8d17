"""The time from the start of the server process to its first reply."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

from benchmarks import wire
from benchmarks.effort import Effort
from benchmarks.figures import Figure, Limit, judged
from benchmarks.processes import Running
from simulator.process import SimulatorProcess

_DEADLINE_S = 20.0


def run(effort: Effort) -> list[Figure]:
    """All figures of the start."""
    with SimulatorProcess() as simulator, tempfile.TemporaryDirectory() as folder:
        took = [_seconds(simulator.cameras[0].address, Path(folder)) for _ in range(effort.starts)]
    return [judged("start", "process started to first list_cameras answered, one camera", took, "", Limit(1, "s"))]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _seconds(camera: str, folder: Path) -> float:
    port = _free_port()
    defaults = {"API_TOKEN": wire.TOKEN, "NETWORK_CAMERAS": camera, "PHOTO_DIR": str(folder)}
    started = time.perf_counter()
    with Running(
        "gphoto_ws_server", "--host", "127.0.0.1", "--port", str(port),
        environment=os.environ | defaults, log=folder / "log", hello=False,
    ):  # fmt: skip
        while True:
            try:
                client = wire.Client(port)
                break
            except ConnectionRefusedError:
                if time.perf_counter() - started > _DEADLINE_S:
                    raise
                time.sleep(0.002)
        client.command("list_cameras")
        took = time.perf_counter() - started
        client.close()
    return took
