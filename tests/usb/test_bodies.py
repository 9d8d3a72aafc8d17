"""Two bodies of one model that are the same on USB. Which one is on a port is known only after it was opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cameras import QUICK, Simulator
from tests.support.marks import from_base64, serial_of
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.usb import UsbCamera, UsbMachine, connected_by_port, selected, usb_machine
from tests.support.waiting import BUSY_MACHINE, until_answers

FIRST, SECOND = "ONE0000001", "TWO0000001"
# A camera that is plugged in again is ready within this time.
READY_S = 5.0 * BUSY_MACHINE
# After a broken transfer, frames continue within this time. It was 6.5 s with libgphoto2's own time limit.
FRAMES_S = 3.0 * BUSY_MACHINE
FRAME = "0x9153"


@pytest.fixture(scope="module")
def twins(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsbMachine]:
    """A machine with two Canons of one model without USB serial numbers."""
    with ExitStack() as opened:
        simulators = [
            opened.enter_context(Simulator("--serial", prefix, "--usbip", "0", "--usb-serial", "none", *QUICK))
            for prefix in ("ONE", "TWO")
        ]
        yield opened.enter_context(usb_machine(tmp_path_factory.mktemp("twins"), standin, *simulators))


@pytest.fixture(scope="module")
def twin_server(twins: UsbMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on this machine."""
    server = Server(cwd=tmp_path_factory.mktemp("twins"), **twins.settings)
    yield server
    assert server.stop() == 0


@pytest.fixture
def bodies(twins: UsbMachine) -> tuple[UsbCamera, UsbCamera]:
    """The two bodies. Both are plugged, in factory state and without faults."""
    first, second = twins.cameras
    for camera in (first, second):
        camera.control.power(True)
        camera.control.reset()
    return first, second


async def absent(client: Client, *ports: str) -> None:
    """Wait until there is no camera on these ports."""

    async def gone() -> bool:
        return not [port for port in ports if await connected_by_port(client, port) is not None]

    await until_answers(gone)


async def test_another_body_of_the_model_does_not_take_the_place_of_the_selected_one(
    twin_server: Server, bodies: tuple[UsbCamera, UsbCamera]
) -> None:
    first, second = bodies
    async with await Client.connect(twin_server) as client:
        await selected(client, second)
        await selected(client, first)
        port, other_port = first.port, second.port
        second.control.unplug()
        await absent(client, other_port)
        first.control.unplug()
        await absent(client, port)
        second.control.plug()
        with pytest.raises(CommandError, match=r"camera_disconnected: The selected camera .* is disconnected"):
            await client.command("capture_image")

        async def is_open() -> bool:
            return await connected_by_port(client, second.port) is True

        await until_answers(is_open)
        with pytest.raises(CommandError, match=r"camera_disconnected: The selected camera .* is disconnected"):
            await client.command("capture_image")
        assert [camera.control.state()["shots"] for camera in bodies] == [0, 0]
        first.control.plug()

        async def selection_is_back() -> bool:
            try:
                return bool((await client.command("get_camera_info"))["serial"] == FIRST)
            except CommandError:
                return False

        await until_answers(selection_is_back)
        await client.command("capture_image")
        assert [camera.control.state()["shots"] for camera in bodies] == [1, 0]


async def test_streams_follow_two_bodies_that_come_back_in_the_other_order(
    twin_server: Server, bodies: tuple[UsbCamera, UsbCamera]
) -> None:
    async with await Client.connect(twin_server) as client:
        streams = {}
        for camera, serial in zip(bodies, (FIRST, SECOND), strict=True):
            await selected(client, camera)
            streams[(await client.command("start_live_view"))["stream"]] = serial
        ports = [camera.port for camera in bodies]
        for camera in bodies:
            camera.control.unplug()
        await absent(client, *ports)
        for camera in reversed(bodies):
            camera.control.plug()
        for camera in bodies:
            await selected(client, camera)
        client.events.clear()
        seen: dict[int, str] = {}
        while len(seen) < 2:
            frame = await client.event("live_view_frame")
            seen[frame["stream"]] = serial_of(from_base64(frame["image_b64"]))
        assert seen == streams
        for stream in streams:
            await client.command("stop_live_view", stream=stream)


async def test_a_camera_is_ready_soon_however_quickly_it_is_plugged_in_again(
    twin_server: Server, bodies: tuple[UsbCamera, UsbCamera]
) -> None:
    camera = bodies[0]
    resets = twin_server.log.count("USB device reset")
    took = []
    async with await Client.connect(twin_server) as client:
        for _ in range(8):
            await selected(client, camera)
            camera.control.unplug()
            camera.control.plug()
            started = time.monotonic()
            await selected(client, camera)
            took.append(time.monotonic() - started)
    assert max(took) < READY_S
    assert twin_server.log.count("USB device reset") == resets


async def test_an_unplugged_idle_camera_is_reported_within_a_second(
    twin_server: Server, bodies: tuple[UsbCamera, UsbCamera]
) -> None:
    camera = bodies[0]
    async with await Client.connect(twin_server) as client:
        await selected(client, camera)
        await client.command("subscribe", events=["camera_disconnected"])
        camera.control.unplug()
        started = time.monotonic()
        await client.event("camera_disconnected")
        assert time.monotonic() - started < 1.0 * BUSY_MACHINE


@pytest.mark.parametrize("fault", ["halt", "halt_mid_data", "stall_mid_data"])
async def test_frames_continue_soon_after_a_broken_transfer(
    twin_server: Server, bodies: tuple[UsbCamera, UsbCamera], fault: str
) -> None:
    camera = bodies[0]
    async with await Client.connect(twin_server) as client:
        await selected(client, camera)
        stream = (await client.command("start_live_view"))["stream"]
        await client.event("live_view_frame")
        process = await camera_process(twin_server.process.pid, camera.port)
        if fault == "halt":
            camera.control.fault(fault, FRAME, endpoint="bulk_in")
        else:
            camera.control.fault(fault, FRAME)
        started = time.monotonic()
        await camera_process(twin_server.process.pid, camera.port, other_than=process.pid)
        await selected(client, camera)
        client.events.clear()
        await client.event("live_view_frame")
        assert time.monotonic() - started < FRAMES_S
        await client.command("stop_live_view", stream=stream)
