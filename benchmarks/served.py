"""Runs the measured server as a process on a free port, and writes its log into a file."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks import wire
from benchmarks.processes import Running

_START_S = 30.0


class Served:
    """A running server.

    Args:
        module: the module to run: the server, or a module of the benchmarks that runs it.
        *cameras: addresses of its cameras.
        **settings: additional environment variables.
    """

    def __init__(self, *cameras: str, module: str = "gphoto_ws_server", **settings: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        self._log = Path(self.folder.name) / "log"
        defaults = {"API_TOKEN": wire.TOKEN, "NETWORK_CAMERAS": ",".join(cameras), "PHOTO_DIR": self.folder.name}
        defaults["STATE_DIR"] = self.folder.name + "/state"
        self.process = Running(
            module, "--host", "127.0.0.1", "--port", "0", "--debuggable",  # so that its memory can be measured
            environment=os.environ | defaults | settings, log=self._log, hello=False,
        )  # fmt: skip
        self.pid = self.process.pid
        self.port = self._listening()
        if cameras:
            self._wait_until_ready(cameras)

    def client(self) -> wire.Client:
        """Connect a client and log in."""
        return wire.Client(self.port)

    def children(self, *ports: str) -> list[int]:
        """The process ids of the camera processes for these ports; of all camera processes if no port is given."""
        workers = [
            child
            for child in psutil.Process(self.pid).children(recursive=True)
            if "camera.device.worker" in child.cmdline()
        ]
        return [worker.pid for worker in workers if not ports or any(port in worker.cmdline() for port in ports)]

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log.read_text()

    def longest_stall(self) -> float:
        """The longest time in milliseconds that the event loop was blocked since the previous call.

        Works only with the module benchmarks.monitored.
        """
        self.process.signal(signal.SIGUSR1)
        return float(self.process.read())

    def stop(self) -> None:
        """Stop the server."""
        self.process.stop()
        self.folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listening(self) -> int:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            found = re.search(r"gphoto_ws_server: Listening on ws://\S+:(\d+)", self._log.read_text())
            if found:
                return int(found[1])
            time.sleep(0.01)
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()}")

    def _wait_until_ready(self, cameras: tuple[str, ...]) -> None:
        client = self.client()
        for camera in cameras:
            client.command("select_camera", port=camera)
        client.close()


def live_view(port: str | None = None, **payload: object) -> tuple[str, ...]:
    """The first messages of a viewer: the login and start_live_view."""
    wanted = payload if port is None else {"port": port, **payload}
    return wire.login(), wire.request("start_live_view", **wanted)
