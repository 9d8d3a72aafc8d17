"""The real server as a process that can be killed and restarted on the same port. All processes write to one log."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.soak.journal import Journal
from tests.support.ports import free_port
from tests.support.rig import ROOT, TOKEN

_START_S, _STOP_S, _ORPHANS_S = 30.0, 20.0, 10.0


class ServerProcess:
    """`python -m benchmarks.monitored`: the server, with a measurement of the stalls of its event loop.

    Args:
        folder: the working directory, with the log and the photo folder.
        cameras: the addresses of the cameras.

    Attributes:
        restarts: how often the server was ended. Connections that were made at a lower number have been closed.
        listening: whether the server has started and was not stopped or killed.
        stacks: the file with the stacks of the threads when the loop was blocked.
        stalls: for each server process that ended cleanly, the longest stall of its event loop in milliseconds.
    """

    def __init__(self, folder: Path, cameras: list[str], journal: Journal) -> None:
        self.photos = folder / "photos"
        self.log_file = folder / "server.log"
        self.stacks = folder / "stalls.txt"
        self.restarts = 0
        self.port = free_port()
        self._folder = folder
        self._journal = journal
        self._environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONASYNCIODEBUG") if name in os.environ} | {
            "API_TOKEN": TOKEN, "WS_HOST": "127.0.0.1", "NETWORK_CAMERAS": ",".join(cameras),
            "PHOTO_DIR": str(self.photos), "PHOTO_NAME": "{serial}_{counter}_{original}", "PYTHONPATH": str(ROOT),
            "STATE_DIR": str(folder / "state"),
        }  # fmt: skip
        self.listening = False
        self.stalls: list[float] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def uri(self) -> str:
        """The address for clients."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """The text of the log, to which all server processes have written."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def process(self) -> psutil.Process:
        """The current server process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def check_alive(self) -> None:
        """Record a broken promise if the server has ended by itself."""
        if self.listening and not self.running:
            self.listening = False
            assert self._process is not None
            self._journal.violation(f"the server ended by itself with code {self._process.poll()}")

    async def start(self) -> None:
        """Start the server, and wait until it listens."""
        begin = len(self.log)
        self._process = self._spawn()
        async with asyncio.timeout(_START_S):
            while "Listening on ws://" not in self.log[begin:]:
                if not self.running:
                    raise RuntimeError(f"the server did not start:\n{self.log[begin:]}")
                await asyncio.sleep(0.05)
        self.listening = True

    def _spawn(self) -> subprocess.Popen[str]:
        environment = self._environment | {"WS_PORT": str(self.port)}
        # If the server is protected from other processes, only root can count its descriptors.
        closed = () if os.geteuid() == 0 else ("--debuggable",)
        with self.log_file.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "benchmarks.monitored", *closed],
                cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip

    async def kill(self) -> None:
        """Send SIGKILL, and wait until all processes have ended. Remaining camera processes are a broken promise."""
        children = self.process.children(recursive=True)
        await self.kill_only()
        await self.check_all_ended(children, "after kill -9 of the server")

    async def kill_only(self) -> None:
        """Send SIGKILL, and wait for the end of the server, but not of its camera processes."""
        self.restarts += 1
        self.listening = False
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self._process.stdout.close()

    async def stop(self) -> None:
        """Send SIGTERM, and wait for the end. A late end or an exit code other than 0 is a broken promise."""
        assert self._process is not None
        children = self.process.children(recursive=True)
        self.restarts += 1
        self.listening = False
        before = asyncio.get_running_loop().time()
        self._process.send_signal(signal.SIGTERM)
        try:
            output, _ = await asyncio.to_thread(self._process.communicate, timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._journal.violation(f"the server was not gone {_STOP_S:.0f} s after SIGTERM")
            self._process.kill()
            await asyncio.to_thread(self._process.communicate)
            return
        self._journal.took("server from SIGTERM to gone", asyncio.get_running_loop().time() - before)
        if self._process.returncode != 0:
            self._journal.violation(f"the server ended with code {self._process.returncode} after SIGTERM")
        await self.check_all_ended(children, "after SIGTERM")
        self.stalls.append(float(output.split()[-1]))

    def abandon(self) -> None:
        """Kill the server at once if it is running."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.communicate()

    async def check_all_ended(self, children: list[psutil.Process], when: str) -> None:
        """Wait for the end of camera processes. Remaining camera processes are a broken promise."""
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, _ORPHANS_S)
        for process in alive:
            self._journal.violation(f"camera process {process.pid} was still there {_ORPHANS_S:.0f} s {when}")
            process.kill()
