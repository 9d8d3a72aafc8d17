"""The simulated cameras with their control ports, the server, and the times at which faults affect each camera."""

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
from tests.soak.journal import Journal
from tests.soak.pairing import Account, Dials, Release, given_up
from tests.soak.server_process import ServerProcess
from tests.support.waiting import until

T = TypeVar("T")

# Small pictures and few frames, because throughput is not tested.
_PICTURES = ("--still", "1296x864", "--frame", "480x320", "--shutter", "0.05", "--fps", "15")
_MAKERS = ("canon", "nikon")
# Shutter speeds that differ from the factory value, with the names that the driver of each maker uses.
_SPEEDS = {"canon": ("1/60", "1/250"), "nikon": ("0.0166s", "0.0040s")}
# The effects of a fault may last for this time after the camera works again.
_AFTER_EFFECTS_S = 1.0


@dataclass
class Camera:
    """One simulated camera in its own simulator process."""

    name: str
    port: str
    control: str
    # Whether a photo by the camera's own button is saved on the card during live view. A Nikon saves it only in RAM.
    keeps_own_shots: bool = True
    speeds: tuple[str, ...] = ()
    # `factory`: the settings before the server was started. `dials`: the changes by the client that changes settings.
    factory: dict[str, Any] = field(default_factory=dict)
    dials: Dials = field(default_factory=Dials)
    # The events capture_checked of this camera.
    findings: list[dict[str, Any]] = field(default_factory=list)
    disturbed: bool = False
    quiet_since: float = 0.0
    # For each viewer, the time of its last frame. The time is 0 until the first frame.
    last_frame: dict[str, float] = field(default_factory=dict)

    async def ask(self, do: Callable[[Control], T]) -> T:
        """Use the control port in a thread, because its functions block."""

        def run() -> T:
            with Control(self.control, 30.0) as control:
                return do(control)

        return await asyncio.to_thread(run)

    async def state(self) -> dict[str, Any]:
        """The complete state of the camera, with the digests of its files."""
        return await self.ask(lambda control: control.state(sha256=True))

    async def shots(self) -> int:
        """The number of times that the shutter has opened."""
        return int((await self.ask(lambda control: control.state()))["shots"])

    async def account(self, log: str) -> Account:
        """The account of the camera at the end of the run. `log`: the server's log."""
        now = (await self.state())["properties"]
        releases = await self.ask(lambda control: control.releases())
        return Account(
            self.name, [Release.of(one) for one in releases], self.factory, now, time.monotonic(), self.dials,
            given_up(log, self.port),
        )  # fmt: skip

    def disturb(self) -> None:
        """Mark the beginning of a fault. From now on, errors of this camera are expected."""
        self.disturbed = True

    def mark_busy(self, seconds: float) -> None:
        """Mark the camera as busy with its own button for `seconds`. During this time, requests may fail as busy."""
        self.quiet_since = max(self.quiet_since, time.monotonic() + seconds)

    def end_disturbance(self) -> None:
        """Mark the camera as working. From now on, errors are violations."""
        self.disturbed = False
        self.quiet_since = max(self.quiet_since, time.monotonic())

    def undisturbed_since(self, began: float) -> bool:
        """Whether no fault has affected the camera since the time `began` (monotonic seconds)."""
        return not self.disturbed and self.quiet_since + _AFTER_EFFECTS_S < began


class World:
    """The cameras and the server. A World is a context manager that ends all processes.

    Args:
        folder: the folder for the server's log and photos.
        cameras: the number of cameras. Canon and Nikon alternate.
    """

    def __init__(self, folder: Path, cameras: int, journal: Journal) -> None:
        self.journal = journal
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
                with Control(simulator.control) as control:
                    factory = control.state()["properties"]
                self.cameras.append(Camera(name, port, simulator.control, to_card, _SPEEDS[maker], factory))
        except BaseException:
            self._stack.close()
            raise
        self.server = ServerProcess(folder, [camera.port for camera in self.cameras], journal)
        self._stack.callback(self.server.abandon)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def process_of(self, camera: Camera) -> psutil.Process | None:
        """The running camera process of the server for a camera, or None."""
        try:
            children = self.server.process.children(recursive=True)  # the template starts them
        except psutil.NoSuchProcess:
            return None
        for child in children:
            try:
                if camera.port in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    async def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until the run stops."""
        with suppress(TimeoutError):
            await until(lambda: self.stopping, seconds)
