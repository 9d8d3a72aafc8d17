"""Driver calls without a server, in a separate process. For each line of input, it measures the time of one call.

`python -m benchmarks.direct PORT`. A line of input is "get_config", "capture" or "capture_and_get". The line of output
is the time of this call in seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from camera.processes.programs import environment

_ROOT = Path(__file__).resolve().parent.parent


class Direct:
    """A process that runs this module."""

    def __init__(self, port: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.direct", port],
            cwd=_ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer()

    def seconds(self, call: str) -> float:
        """The time of one call in seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(call + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """Release the camera and end the process."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the direct driver ended; see its traceback above")
        return line


def main(port: str) -> None:
    """Open the camera, and measure the time of calls until the input ends."""
    from camera.device.driver import Driver  # imported only here: the benchmark must not load libgphoto2

    driver = Driver(port, "PTP/IP Camera")
    driver.set_config("capturetarget", "Memory card")

    def capture_and_get() -> None:
        (file,) = driver.capture(lambda _: None)
        descriptor = os.memfd_create("direct")
        driver.fetch(file.path, descriptor, lambda: None)
        os.close(descriptor)

    calls: dict[str, Callable[[], object]] = {
        "get_config": lambda: driver.get_config("iso"),
        "capture": lambda: driver.capture(lambda _: None),
        "capture_and_get": capture_and_get,
    }
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        calls[line.strip()]()
        print(time.perf_counter() - started, flush=True)
    driver.close()


if __name__ == "__main__":
    main(sys.argv[1])
