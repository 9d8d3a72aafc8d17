"""The stage: simulated cameras with their control ports, the server on them, and who is disturbed when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.soak.served import Served
from tests.soak.story import Story
from tests.support.waiting import until

T = TypeVar("T")

# Small pictures and few frames: what is tested is not how much goes through.
_PICTURES = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.05", "--fps", "15")
_MAKERS = ("canon", "nikon")
# What a fault did may show a moment after the camera answered again.
_AFTERMATH_S = 1.0


@dataclass
class Camera:
    """One simulated camera, in a simulator of its own."""

    name: str
    port: str
    control: str
    # Whether a photo of its own button goes to the card while live view is on; a Nikon has it in RAM only.
    keeps_own_shots: bool = True
    disturbed: bool = False
    calm_since: float = 0.0
    # Of each of its viewers: when the last frame came, 0 before the first.
    last_frame: dict[str, float] = field(default_factory=dict)

    async def ask(self, do: Callable[[Control], T]) -> T:
        """Use the control port, which blocks."""

        def run() -> T:
            with Control(self.control, 30.0) as control:
                return do(control)

        return await asyncio.to_thread(run)

    async def state(self) -> dict[str, Any]:
        """Everything about it, with the digests of its files."""
        return await self.ask(lambda control: control.state(sha256=True))

    async def shots(self) -> int:
        """How often its shutter has opened."""
        return int((await self.ask(lambda control: control.state()))["shots"])

    def disturb(self) -> None:
        """A fault begins; errors of this camera are nobody's fault from now on."""
        self.disturbed = True

    def touch(self, seconds: float) -> None:
        """Somebody uses its buttons for that long at most; what is asked of it meanwhile may find it busy."""
        self.calm_since = max(self.calm_since, time.monotonic() + seconds)

    def calm(self) -> None:
        """It works again; from now on it has to."""
        self.disturbed = False
        self.calm_since = max(self.calm_since, time.monotonic())

    def undisturbed_since(self, began: float) -> bool:
        """Whether no fault touched it since then."""
        return not self.disturbed and self.calm_since + _AFTERMATH_S < began


class World:
    """Cameras and server. Use it as a context manager: whatever happens, no process stays.

    Args:
        folder: for the server's log and photos.
        cameras: how many; makers alternate.
    """

    def __init__(self, folder: Path, cameras: int, story: Story) -> None:
        self.story = story
        self.stopping = False
        self._stack = ExitStack()
        self.cameras: list[Camera] = []
        try:
            for index in range(cameras):
                maker = _MAKERS[index % len(_MAKERS)]
                options = ("--maker", maker, "--serial", f"S{index}X", *_PICTURES)
                simulator = self._stack.enter_context(SimulatorProcess(*options))
                port = simulator.cameras[0].address
                name, to_card = f"{maker} {index + 1}", maker == "canon"
                self.cameras.append(Camera(name, port, simulator.control, keeps_own_shots=to_card))
        except BaseException:
            self._stack.close()
            raise
        self.served = Served(folder, [camera.port for camera in self.cameras], story)
        self._stack.callback(self.served.abandon)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def process_of(self, camera: Camera) -> psutil.Process | None:
        """The living process that the server has for a camera."""
        try:
            children = self.served.process.children()
        except psutil.NoSuchProcess:
            return None
        for child in children:
            try:
                if f'"{camera.port}"' in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    async def pause(self, seconds: float) -> None:
        """Wait that long, or until the run stops."""
        with suppress(TimeoutError):
            await until(lambda: self.stopping, seconds)
