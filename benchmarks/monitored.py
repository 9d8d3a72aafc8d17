"""The server with a stopwatch on its event loop: `python -m benchmarks.monitored [options of the server]`.

Runs gphoto_ws_server as it is, in the same process. On SIGUSR1 it prints the longest time in milliseconds, since the
last such signal, in which the loop did nothing else than one thing; as its last line the longest of its whole life.
Time in which the machine ran somebody else does not count.
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
# Of this thread: nanoseconds on a core, nanoseconds ready and waiting for one, turns.
_SCHEDULED = Path("/proc/thread-self/schedstat")


def _waited_for_a_core() -> float:
    return int(_SCHEDULED.read_text().split()[1]) / 1e9


class _Watched(App):
    longest = 0.0
    _lately = 0.0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Start the stopwatch, then the server."""
        self._watch = asyncio.create_task(self._measure())
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._report)
        return await super().start(host, port, tls)

    async def _measure(self) -> None:
        while True:
            before, waited = time.perf_counter(), _waited_for_a_core()
            await asyncio.sleep(_EVERY_S)
            late = time.perf_counter() - before - _EVERY_S - (_waited_for_a_core() - waited)
            self._lately = max(self._lately, late)
            _Watched.longest = max(_Watched.longest, late)

    def _report(self) -> None:
        print(f"{self._lately * 1000:.2f}", flush=True)
        self._lately = 0.0


def _build(*parts: Any) -> App:
    app = gphoto_ws_server.build(*parts)
    return _Watched(app.service, app.admission)


if __name__ == "__main__":
    code = gphoto_ws_server.main(make=_build)
    print(f"{_Watched.longest * 1000:.1f}", flush=True)
    sys.exit(code)
