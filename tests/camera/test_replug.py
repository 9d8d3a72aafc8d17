"""A camera that is unplugged and comes back on another port: the same one for its clients and viewers.

What USB tells is played by the test, there is no bus here; the cameras and their processes are the simulator's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from camera import detection, ports
from camera.errors import CameraDisconnected
from camera.events import CameraConnected, CameraEvent, CameraGone
from camera.model import Capabilities, Detected, DetectedCamera, Frame
from camera.options import SessionOptions
from camera.orientation import AS_IS
from camera.registry import Registry
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.waiting import until

ABLE = Capabilities(capture=True, live_view=True, config=True, delete=True)


class Bus:
    """What detection finds, and what it looks like from outside."""

    def __init__(self) -> None:
        self.cameras: list[DetectedCamera] = []

    def plug(self, port: str, serial: str | None) -> None:
        self.cameras = [DetectedCamera("PTP/IP Camera", port, ABLE, serial)]

    async def detect(self, drives: bool = False) -> Detected:
        return Detected("2.5.34", list(self.cameras))

    def signature(self) -> frozenset[str]:
        return frozenset(camera.port for camera in self.cameras)


class Viewer:
    fps = 30.0
    orientation = AS_IS

    def __init__(self) -> None:
        self.frames = 0
        self.reasons: list[str] = []

    def offer(self, frame: Frame) -> None:
        self.frames += 1

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture(scope="module")
def two_ports() -> Iterator[tuple[str, str]]:
    """Two simulators with the same serial: one camera, here and there."""
    with SimulatorProcess(*QUICK) as here, SimulatorProcess(*QUICK) as there:
        yield here.cameras[0].address, there.cameras[0].address


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    monkeypatch.setattr(detection, "detect", bus.detect)
    monkeypatch.setattr(ports, "signature", bus.signature)
    return bus


@pytest.fixture
async def cameras(bus: Bus) -> AsyncIterator[tuple[Registry, list[CameraEvent]]]:
    events: list[CameraEvent] = []
    cameras = Registry((), SessionOptions(), events.append)
    yield cameras, events
    await cameras.stop()


async def started() -> None:
    """The viewer knows."""


@pytest.mark.parametrize("serial", ["000SIM0000001", None])
async def test_the_same_camera_on_another_port_keeps_its_clients_and_streams(
    two_ports: tuple[str, str], bus: Bus, cameras: tuple[Registry, list[CameraEvent]], serial: str | None
) -> None:
    here, there = two_ports
    known, events = cameras
    bus.plug(here, serial)
    known.start()
    await until(lambda: bool(known.known))
    camera = await known.by_port(here)
    await camera.reconnect.process()
    viewer = Viewer()
    await camera.live.add(viewer, started)
    await until(lambda: viewer.frames > 2)

    bus.cameras = []
    await until(lambda: camera.status.state == "absent")
    assert not known.has(camera)
    with pytest.raises(CameraDisconnected, match="unplugged"):
        async with camera.exclusive() as remote:
            await remote.get_config("iso")

    bus.plug(there, serial)
    await until(lambda: camera.status.connected)
    assert known.has(camera)
    assert await known.by_port(there) is camera
    seen = viewer.frames
    await until(lambda: viewer.frames > seen + 2)
    assert viewer.reasons == []
    seen_events = [(type(event.what), event.port) for event in events]
    assert [one for one in seen_events if one[0] in (CameraConnected, CameraGone)] == [
        (CameraConnected, here), (CameraGone, here), (CameraConnected, there),
    ]  # fmt: skip


async def test_another_serial_is_another_camera(
    two_ports: tuple[str, str], bus: Bus, cameras: tuple[Registry, list[CameraEvent]]
) -> None:
    here, there = two_ports
    known, _ = cameras
    bus.plug(here, "one")
    known.start()
    await until(lambda: bool(known.known))
    first = await known.by_port(here)
    bus.cameras = []
    await until(lambda: first.status.state == "absent")
    bus.plug(there, "other")
    await until(lambda: bool(known.known))
    assert await known.by_port(there) is not first
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def two_cameras() -> Iterator[tuple[list[str], list[str]]]:
    """The ports of two cameras, and of the same two (by their serial numbers) after they were plugged in again."""
    with SimulatorProcess("--cameras", "2", *QUICK) as before, SimulatorProcess("--cameras", "2", *QUICK) as after:
        yield [camera.address for camera in before.cameras], [camera.address for camera in after.cameras]


@pytest.mark.parametrize("back", [(0, 1), (1, 0)])
async def test_of_two_alike_that_were_unplugged_each_is_known_by_the_serial_it_tells(
    two_cameras: tuple[list[str], list[str]],
    bus: Bus,
    cameras: tuple[Registry, list[CameraEvent]],
    back: tuple[int, int],
) -> None:
    before, after = two_cameras
    known, _ = cameras
    bus.cameras = [DetectedCamera("PTP/IP Camera", port, ABLE) for port in before]
    known.start()
    await until(lambda: len(known.known) == 2)
    alike = [await known.by_port(port) for port in before]
    viewers = [Viewer(), Viewer()]
    for camera, viewer in zip(alike, viewers, strict=True):
        await camera.reconnect.process()
        await camera.live.add(viewer, started)
    bus.cameras = []
    await until(lambda: all(camera.status.state == "absent" for camera in alike))

    def is_back(number: int) -> bool:
        return known.has(alike[number]) and alike[number].status.connected

    def has_frames(number: int, count: int) -> bool:
        return viewers[number].frames >= count

    for number in back:
        seen = viewers[number].frames
        bus.cameras = [*bus.cameras, DetectedCamera("PTP/IP Camera", after[number], ABLE)]
        await until(partial(is_back, number), 20)
        assert await known.by_port(after[number]) is alike[number]
        await until(partial(has_frames, number, seen + 3))
    assert [viewer.reasons for viewer in viewers] == [[], []]
    assert len(known.known) == 2


async def test_a_stranger_of_the_same_model_does_not_take_the_place_of_the_one_that_was_unplugged(
    two_cameras: tuple[list[str], list[str]], bus: Bus, cameras: tuple[Registry, list[CameraEvent]]
) -> None:
    (first, _), (there, other) = two_cameras
    known, _ = cameras
    bus.plug(first, None)
    known.start()
    await until(lambda: bool(known.known))
    camera = await known.by_port(first)
    await camera.reconnect.process()
    bus.cameras = []
    await until(lambda: camera.status.state == "absent")

    bus.plug(other, None)
    await until(lambda: bool(known.known) and known.known[0].status.serial == "SIM0000002", 20)
    assert known.known[0] is not camera
    assert camera.status.state == "absent"
    bus.cameras = [*bus.cameras, DetectedCamera("PTP/IP Camera", there, ABLE)]
    await until(lambda: known.has(camera) and camera.status.connected, 20)
    assert await known.by_port(there) is camera


async def test_a_drive_is_known_by_its_place_and_not_by_its_model(
    bus: Bus, cameras: tuple[Registry, list[CameraEvent]], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "DCIM").mkdir(parents=True)
    one, two = (DetectedCamera("Mass Storage Camera", f"disk:{tmp_path}/{name}", ABLE) for name in ("one", "two"))
    known, _ = cameras
    bus.cameras = [one]
    known.start()
    await until(lambda: bool(known.known))
    first = await known.by_port(one.port)
    bus.cameras = []
    await until(lambda: first.status.state == "absent")
    bus.cameras = [two]
    await until(lambda: bool(known.known))
    assert await known.by_port(two.port) is not first
    bus.cameras = [one, two]
    await until(lambda: known.has(first) and first.status.connected)
