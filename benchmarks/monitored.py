"""Runs the server and measures how long its event loop is blocked: `python -m benchmarks.monitored [server options]`.

Runs the unchanged gphoto_ws_server in the same process. On SIGUSR1, prints the longest time in milliseconds that the
loop was blocked since the previous signal. The last line of output is the longest time of the whole run. Time in which
this process waited for a CPU core does not count. If the loop is blocked for 0.2 s, the stacks of all threads are
written to `stalls.txt` in the current folder.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import gphoto_ws_server
from server.app import App

_EVERY_S = 0.005
# The timer for the stacks is a thread, so it is started again only once in this number of measurements.
_STACKS_AFTER_S, _TIMER_EVERY = 0.2, 10
# This file contains three numbers about the current thread: the nanoseconds that it ran, the nanoseconds that it waited
# for a core, and the number of its time slices.
_SCHEDULED = Path("/proc/thread-self/schedstat")


def _waited_for_a_core() -> float:
    return int(_SCHEDULED.read_text().split()[1]) / 1e9


class _MonitoredApp(App):
    longest = 0.0
    _longest_since_report = 0.0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Start the measurement, then the server."""
        self._stalls = open("stalls.txt", "a")  # noqa: SIM115, ASYNC230 it stays open for faulthandler
        self._monitor_task = asyncio.create_task(self._measure())
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._report)
        return await super().start(host, port, tls)

    async def _measure(self) -> None:
        number = 0
        while True:
            if number % _TIMER_EVERY == 0:
                faulthandler.dump_traceback_later(_STACKS_AFTER_S, file=self._stalls)
            number += 1
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
