"""A camera that is unplugged and then plugged in at another port remains the same camera for its clients and viewers.

The detection of cameras on USB is simulated. The cameras are simulators; the camera processes are real.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from camera import detection, ports, reconnect, uevents
from camera import registry as registry_module
from camera.errors import CameraDisconnected
from camera.events import CameraConnected, CameraEvent, CameraGone, StateChanged
from camera.model import Capabilities, Detected, DetectedCamera, Frame
from camera.options import SessionOptions
from camera.orientation import AS_IS
from camera.registry import Registry
from camera.session import Session
from tests.support.cameras import QUICK, Simulator
from tests.support.waiting import until

CAPABILITIES = Capabilities(capture=True, live_view=True, config=True, delete=True)


class Bus:
    """A replacement for the detection on the bus. It finds the cameras in the list `cameras`."""

    def __init__(self) -> None:
        self.cameras: list[DetectedCamera] = []

    def plug(self, port: str, serial: str | None) -> None:
        self.cameras = [DetectedCamera("PTP/IP Camera", port, CAPABILITIES, serial)]

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
    """The ports of two simulators with the same serial number. For the server, they are one camera at two ports."""
    with Simulator(*QUICK) as old_port, Simulator(*QUICK) as new_port:
        yield old_port.cameras[0].address, new_port.cameras[0].address


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


async def reply_at_once() -> None:
    """Sends the reply to a viewer that reads it without delay."""


@pytest.mark.parametrize("serial", ["000SIM0000001", None])
async def test_the_same_camera_on_another_port_keeps_its_clients_and_streams(
    two_ports: tuple[str, str], bus: Bus, cameras: tuple[Registry, list[CameraEvent]], serial: str | None
) -> None:
    old_port, new_port = two_ports
    registry, events = cameras
    bus.plug(old_port, serial)
    registry.start()
    await until(lambda: bool(registry.known))
    camera = await registry.by_port(old_port)
    await camera.reconnect.process()
    viewer = Viewer()
    await camera.live.add(viewer, reply_at_once)
    await until(lambda: viewer.frames > 2)

    bus.cameras = []
    await until(lambda: camera.status.state == "absent")
    assert not registry.has(camera)
    with pytest.raises(CameraDisconnected, match="unplugged"):
        async with camera.exclusive() as remote:
            await remote.get_config("iso")

    bus.plug(new_port, serial)
    await until(lambda: camera.status.connected)
    assert registry.has(camera)
    assert await registry.by_port(new_port) is camera
    frames_before = viewer.frames
    await until(lambda: viewer.frames > frames_before + 2)
    assert viewer.reasons == []
    seen_events = [(type(event.what), event.port) for event in events]
    assert [entry for entry in seen_events if entry[0] in (CameraConnected, CameraGone)] == [
        (CameraConnected, old_port), (CameraGone, old_port), (CameraConnected, new_port),
    ]  # fmt: skip


async def test_a_camera_with_another_serial_is_another_camera(
    two_ports: tuple[str, str], bus: Bus, cameras: tuple[Registry, list[CameraEvent]]
) -> None:
    old_port, new_port = two_ports
    registry, _ = cameras
    bus.plug(old_port, "one")
    registry.start()
    await until(lambda: bool(registry.known))
    first = await registry.by_port(old_port)
    bus.cameras = []
    await until(lambda: first.status.state == "absent")
    bus.plug(new_port, "other")
    await until(lambda: bool(registry.known))
    assert await registry.by_port(new_port) is not first
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def two_cameras() -> Iterator[tuple[list[str], list[str]]]:
    """The ports of two cameras, and the ports where the same cameras (the same serial numbers) appear later."""
    with Simulator("--cameras", "2", *QUICK) as before, Simulator("--cameras", "2", *QUICK) as after:
        yield [camera.address for camera in before.cameras], [camera.address for camera in after.cameras]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_unplugged_cameras_of_a_model_are_recognized_by_their_serials(
    two_cameras: tuple[list[str], list[str]],
    bus: Bus,
    cameras: tuple[Registry, list[CameraEvent]],
    order: tuple[int, int],
) -> None:
    before, after = two_cameras
    registry, _ = cameras
    bus.cameras = [DetectedCamera("PTP/IP Camera", port, CAPABILITIES) for port in before]
    registry.start()
    await until(lambda: len(registry.known) == 2)
    unplugged = [await registry.by_port(port) for port in before]
    viewers = [Viewer(), Viewer()]
    for camera, viewer in zip(unplugged, viewers, strict=True):
        await camera.reconnect.process()
        await camera.live.add(viewer, reply_at_once)
    bus.cameras = []
    await until(lambda: all(camera.status.state == "absent" for camera in unplugged))

    def is_connected(number: int) -> bool:
        return registry.has(unplugged[number]) and unplugged[number].status.connected

    def has_frames(number: int, count: int) -> bool:
        return viewers[number].frames >= count

    for number in order:
        frames_before = viewers[number].frames
        bus.cameras = [*bus.cameras, DetectedCamera("PTP/IP Camera", after[number], CAPABILITIES)]
        await until(partial(is_connected, number), 20)
        assert await registry.by_port(after[number]) is unplugged[number]
        await until(partial(has_frames, number, frames_before + 3))
    assert [viewer.reasons for viewer in viewers] == [[], []]
    assert len(registry.known) == 2


async def test_another_camera_of_the_same_model_does_not_replace_an_unplugged_one(
    two_cameras: tuple[list[str], list[str]], bus: Bus, cameras: tuple[Registry, list[CameraEvent]]
) -> None:
    (first, _), (new_port, other_port) = two_cameras
    registry, _ = cameras
    bus.plug(first, None)
    registry.start()
    await until(lambda: bool(registry.known))
    camera = await registry.by_port(first)
    await camera.reconnect.process()
    bus.cameras = []
    await until(lambda: camera.status.state == "absent")

    bus.plug(other_port, None)
    await until(lambda: bool(registry.known) and registry.known[0].status.serial == "SIM0000002", 20)
    assert registry.known[0] is not camera
    assert camera.status.state == "absent"
    bus.cameras = [*bus.cameras, DetectedCamera("PTP/IP Camera", new_port, CAPABILITIES)]
    await until(lambda: registry.has(camera) and camera.status.connected, 20)
    assert await registry.by_port(new_port) is camera


async def test_another_camera_at_the_address_of_a_network_camera_is_another_camera() -> None:
    with Simulator(*QUICK, "--serial", "first") as first:
        port = first.cameras[0].address
        registry = Registry((port,), SessionOptions(restart_delay=0.3), lambda event: None)
        registry.start()
        session = await registry.by_port(port)
        await session.reconnect.process()
    number = port.rpartition(":")[2]
    try:
        with Simulator(*QUICK, "--serial", "second", "--port", number):
            await until(lambda: not registry.has(session) and registry.known[0].status.connected, 20)
            assert (session.status.state, session.status.serial) == ("absent", "first0000001")
            assert registry.known[0].status.serial == "second0000001"
            with pytest.raises(CameraDisconnected, match="unplugged"):
                async with session.exclusive() as remote:
                    await remote.get_config("iso")
        with Simulator(*QUICK, "--serial", "first", "--port", number):
            await until(lambda: registry.has(session) and session.status.connected, 30)
    finally:
        await registry.stop()


@pytest.mark.parametrize("moment", ["open", "opening"])
async def test_a_camera_that_is_plugged_in_again_within_one_detection_is_opened_at_once(
    two_ports: tuple[str, str],
    bus: Bus,
    cameras: tuple[Registry, list[CameraEvent]],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """It was plugged in at another port. The attempt at the old port does not count as a failure of the new one."""
    resets: list[str] = []

    async def reset(port: str) -> bool:
        resets.append(port)
        return True

    monkeypatch.setattr(reconnect, "reset_device", reset)
    registry, events = cameras
    first, second = two_ports
    bus.plug(first, None)
    registry.start()
    await until(lambda: bool(registry.known))
    camera = registry.known[0]
    await camera.reconnect.process()
    for number in range(6):
        bus.plug((second, first)[number % 2], None)
        await until(partial(is_on, camera, (second, first)[number % 2]))
        if moment == "open":
            await camera.reconnect.process()
    await camera.reconnect.process()
    assert (resets, camera.status.attempts) == ([], 0)
    assert not [event for event in events if isinstance(event.what, StateChanged) and event.what.attempts]


def is_on(camera: Session, port: str) -> bool:
    """Whether a camera has this port."""
    return camera.port == port


async def test_an_unplugged_camera_is_noticed_while_a_detection_takes_long(
    bus: Bus, cameras: tuple[Registry, list[CameraEvent]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "devices" / "1-1"
    device.mkdir(parents=True)
    for name, value in (("busnum", "1"), ("devnum", "4")):
        (device / name).write_text(value)
    monkeypatch.setattr(ports, "DEVICES", tmp_path / "devices")
    monkeypatch.setattr(ports, "_NODES", tmp_path / "nodes")
    kernel, sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(uevents, "listen", lambda: sock)
    monkeypatch.setattr(registry_module, "_WATCH_EVERY_S", 3600.0)
    registry, _ = cameras
    bus.plug("usb:001,004", "one")
    registry.start()
    await until(lambda: bool(registry.known))
    never = asyncio.Event()

    async def hang(drives: bool = False) -> Detected:
        await never.wait()
        return Detected("2.5.34", [])

    monkeypatch.setattr(detection, "detect", hang)
    shutil.rmtree(device)
    kernel.send(b"remove@/devices/1-1\0ACTION=remove\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0")
    await until(lambda: not registry.known)
    kernel.close()


def test_this_machine_has_uevents_or_listen_says_that_it_has_none() -> None:
    sock = uevents.listen()
    if sock is not None:
        assert sock.family == socket.AF_NETLINK
        sock.close()


async def test_a_drive_is_recognized_by_its_path_and_not_by_its_model(
    bus: Bus, cameras: tuple[Registry, list[CameraEvent]], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "DCIM").mkdir(parents=True)
    entry, two = (
        DetectedCamera("Mass Storage Camera", f"disk:{tmp_path}/{name}", CAPABILITIES) for name in ("one", "two")
    )
    registry, _ = cameras
    bus.cameras = [entry]
    registry.start()
    await until(lambda: bool(registry.known))
    first = await registry.by_port(entry.port)
    bus.cameras = []
    await until(lambda: first.status.state == "absent")
    bus.cameras = [two]
    await until(lambda: bool(registry.known))
    assert await registry.by_port(two.port) is not first
    bus.cameras = [entry, two]
    await until(lambda: registry.has(first) and first.status.connected)
