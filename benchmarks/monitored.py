"""The server with a measurement of stalls of its event loop: `python -m benchmarks.monitored [options of the server]`.

Runs the unchanged gphoto_ws_server in the same process. On SIGUSR1 it prints for how many milliseconds the loop was
blocked at most since the previous signal. The last line of output is the maximum of the whole run. Time in which the
machine ran other programs does not count.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import gphoto_ws_server
from server.app import App

_EVERY_S = 0.005
# Its numbers, for this thread: nanoseconds running, nanoseconds ready but waiting for a core, number of time slices.
_SCHEDULED = Path("/proc/thread-self/schedstat")


def _waited_for_a_core() -> float:
    return int(_SCHEDULED.read_text().split()[1]) / 1e9


class _MonitoredApp(App):
    longest = 0.0
    _longest_since_report = 0.0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Start the measurement, then the server."""
        self._monitor_task = asyncio.create_task(self._measure())
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._report)
        return await super().start(host, port, tls)

    async def _measure(self) -> None:
        while True:
            before, waited = time.perf_counter(), _waited_for_a_core()
            await asyncio.sleep(_EVERY_S)
            late = time.perf_counter() - before - _EVERY_S - (_waited_for_a_core() - waited)
            self._longest_since_report = max(self._longest_since_report, late)
            _MonitoredApp.longest = max(_MonitoredApp.longest, late)

    def _report(self) -> None:
        print(f"{self._longest_since_report * 1000:.2f}", flush=True)
        self._longest_since_report = 0.0


def _build(*parts: Any) -> App:
    app = gphoto_ws_server.build(*parts)
    return _MonitoredApp(app.service, app.admission)


if __name__ == "__main__":
    code = gphoto_ws_server.main(make=_build)
    print(f"{_MonitoredApp.longest * 1000:.1f}", flush=True)
    sys.exit(code)
