"""A detection that fails is repeated with growing pauses, and logged once with the reason."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from camera import detection, ports, uevents
from camera.detection import DetectionFailed, detect
from camera.model import Detected
from camera.options import SessionOptions
from camera.registry import Registry
from tests.simulation.clock import VirtualLoop

FAILURE = "its process ended with code 3 (no drivers)"
# The bus is checked every 0.5 s, so a detection starts at most this long after the end of its pause.
CHECK_S = 0.5


class Machine:
    """A machine with a USB bus and a detection, under virtual time.

    Attributes:
        devices: the devices on the bus.
        works: whether the detection succeeds.
        starts: when detections started, in seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices: frozenset[str] | None = frozenset(("1-1:4",))
        self.works = False
        self.starts: list[float] = []
        self.registry: Registry
        monkeypatch.setattr(detection, "detect", self._detect)
        monkeypatch.setattr(ports, "signature", lambda: self.devices)
        monkeypatch.setattr(uevents, "listen", lambda: None)

    async def _detect(self, drives: bool) -> Detected:
        self.starts.append(asyncio.get_running_loop().time())
        if not self.works:
            raise DetectionFailed(FAILURE)
        return Detected("2.5.34", [])

    def live(self, events: Callable[[], Awaitable[None]]) -> None:
        """Run a registry during `events`."""

        async def whole() -> None:
            self.registry = Registry((), SessionOptions(), lambda event: None)
            self.registry.start()
            try:
                await events()
            finally:
                await self.registry.stop()

        loop = VirtualLoop()
        try:
            loop.run_until_complete(whole())
        finally:
            loop.close()

    @property
    def pauses(self) -> list[float]:
        """The pauses between detections, in seconds."""
        return [later - earlier for earlier, later in zip(self.starts, self.starts[1:], strict=False)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def assert_doubling(pauses: list[float]) -> None:
    expected = [min(0.5 * 2**number, 30.0) for number in range(len(pauses))]
    assert all(least <= pause <= least + CHECK_S for least, pause in zip(expected, pauses, strict=True)), pauses


@pytest.mark.parametrize("devices", [frozenset(("1-1:4",)), None], ids=["bus", "no bus"])
def test_the_pauses_double_up_to_30_s_and_one_line_is_logged(
    machine: Machine, caplog: pytest.LogCaptureFixture, devices: frozenset[str] | None
) -> None:
    machine.devices = devices

    async def events() -> None:
        await asyncio.sleep(200)

    machine.live(events)
    assert len(machine.starts) > 8
    assert_doubling(machine.pauses)
    assert machine.pauses[-1] >= 30
    (line,) = [record.getMessage() for record in caplog.records if "etection" in record.getMessage()]
    assert FAILURE in line


def test_requests_of_clients_do_not_shorten_the_pauses(machine: Machine) -> None:
    async def events() -> None:
        for _ in range(400):
            await machine.registry.cameras()
            await asyncio.sleep(0.25)

    machine.live(events)
    assert_doubling(machine.pauses)


def test_a_change_of_the_bus_starts_a_detection_at_once_and_the_pauses_from_the_beginning(machine: Machine) -> None:
    async def events() -> None:
        await asyncio.sleep(50)
        machine.devices = frozenset(("1-1:5",))
        await asyncio.sleep(50)

    machine.live(events)
    after = next(number for number, start in enumerate(machine.starts) if start >= 50)
    assert machine.starts[after] <= 50 + CHECK_S
    assert_doubling(machine.pauses[: after - 1])
    assert_doubling(machine.pauses[after:])


def test_a_success_ends_the_failures_and_the_next_ones_start_from_the_beginning(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def events() -> None:
        await asyncio.sleep(20)
        machine.works = True
        await asyncio.sleep(60)
        successes = len(machine.starts)
        await asyncio.sleep(60)
        assert len(machine.starts) == successes  # nothing changed, so nothing is detected again
        machine.works, machine.devices = False, frozenset()
        machine.starts.clear()
        await asyncio.sleep(60)

    machine.live(events)
    assert_doubling(machine.pauses)
    lines = [record.getMessage() for record in caplog.records if "etection" in record.getMessage()]
    assert [line.split(":")[0] for line in lines] == [
        "Camera detection failed", "Camera detection works again", "Camera detection failed",
    ]  # fmt: skip


async def test_the_failure_names_the_exit_code_and_the_last_line_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'Traceback (most recent call last):' >&2\necho 'no drivers' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DetectionFailed) as error:
        await detect(drives=False)
    assert str(error.value) == FAILURE
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(DetectionFailed, match="could not be started"):
        await detect(drives=False)
