"""The server with a stopwatch on its event loop: `python -m benchmarks.monitored [options of the server]`.

Runs gphoto_ws_server as it is, in the same process, and prints as its last line the longest time in milliseconds
in which the loop did nothing else than one thing.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Sequence

import gphoto_ws_server
from server.app import App

_EVERY_S = 0.005


class _Watched(App):
    longest = 0.0

    async def start(self, host: str, port: int, origins: Sequence[str] = (), tls: ssl.SSLContext | None = None) -> int:
        """Start the stopwatch, then the server."""
        self._watch = asyncio.create_task(self._measure())
        return await super().start(host, port, origins, tls)

    async def _measure(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_EVERY_S)
            _Watched.longest = max(_Watched.longest, time.perf_counter() - before - _EVERY_S)


if __name__ == "__main__":
    code = gphoto_ws_server.main(make=_Watched)
    print(f"{_Watched.longest * 1000:.1f}", flush=True)
    sys.exit(code)
