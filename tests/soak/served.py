"""The real server as a process that can be killed and started again on the same port; one log for all its lives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.soak.story import Story
from tests.support.ports import free_port
from tests.support.rig import ROOT, TOKEN

_START_S, _STOP_S, _ORPHANS_S = 30.0, 20.0, 10.0


class Served:
    """`python -m benchmarks.monitored`, which is the server with a stopwatch on its event loop.

    Args:
        folder: where it runs; its log and the photo folder are there.
        cameras: addresses of the cameras.

    Attributes:
        life: how often it was ended; whoever was connected in the life before has lost the connection.
        listening: it has started and was not told to end.
        stalls: the longest of its loop in each life that ended in order, in milliseconds; see benchmarks.monitored.
    """

    def __init__(self, folder: Path, cameras: list[str], story: Story) -> None:
        self.photos = folder / "photos"
        self.log_file = folder / "server.log"
        self.life = 0
        self.port = free_port()
        self._folder = folder
        self._story = story
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
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that all lives logged."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def process(self) -> psutil.Process:
        """The process of this life."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def notice_death(self) -> None:
        """A server that ended without being told to is a broken promise."""
        if self.listening and not self.running:
            self.listening = False
            assert self._process is not None
            self._story.violation(f"the server ended by itself with code {self._process.poll()}")

    async def start(self) -> None:
        """Start it; returns once it listens."""
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
        with self.log_file.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "benchmarks.monitored"],
                cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip

    async def kill(self) -> None:
        """SIGKILL; returns when nothing of it is left. Camera processes that stay are a broken promise."""
        children = self.process.children(recursive=True)
        self.life += 1
        self.listening = False
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.communicate)
        await self._gone(children, "after kill -9 of the server")

    async def stop(self) -> None:
        """SIGTERM. Leaving late or badly is a broken promise."""
        assert self._process is not None
        children = self.process.children(recursive=True)
        self.life += 1
        self.listening = False
        before = asyncio.get_running_loop().time()
        self._process.send_signal(signal.SIGTERM)
        try:
            output, _ = await asyncio.to_thread(self._process.communicate, timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._story.violation(f"the server was not gone {_STOP_S:.0f} s after SIGTERM")
            self._process.kill()
            await asyncio.to_thread(self._process.communicate)
            return
        self._story.took("server from SIGTERM to gone", asyncio.get_running_loop().time() - before)
        if self._process.returncode != 0:
            self._story.violation(f"the server ended with code {self._process.returncode} after SIGTERM")
        await self._gone(children, "after SIGTERM")
        self.stalls.append(float(output.split()[-1]))

    def abandon(self) -> None:
        """End it at once, whatever happened before."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.communicate()

    async def _gone(self, children: list[psutil.Process], when: str) -> None:
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, _ORPHANS_S)
        for process in alive:
            self._story.violation(f"camera process {process.pid} was still there {_ORPHANS_S:.0f} s {when}")
            process.kill()
