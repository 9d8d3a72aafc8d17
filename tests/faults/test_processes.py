"""Processes that are killed, that hang, and that must not stay behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest

from camera.remote import RemoteCamera, verb_of
from simulator.client import Control
from tests.faults.processes import camera_process, stopped
from tests.support.in_process import InProcess
from tests.support.marks import decoded, from_base64
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import WITHIN_S, until

SPARE = 2  # the camera that the shared server does not have


@pytest.fixture
async def bystander(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A viewer of the other camera, whose stream must not end."""
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["live_view_stopped"])
        await client.command("start_live_view", port=ports[1], max_in_flight=1)
        frame = await client.event("live_view_frame")
        yield client
        await client.socket.send(f'{{"ack": {{"stream": {frame["stream"]}, "seq": {frame["seq"]}}}}}')
        assert (await client.event("live_view_frame"))["seq"] > frame["seq"]
        assert client.events == []


async def test_a_camera_process_killed_when_idle_is_replaced_before_anybody_asks(
    client: Client, server: Server, ports: list[str], bystander: Client
) -> None:
    before = await camera_process(server.process.pid, ports[0])
    await client.command("subscribe", events=["camera_state"])
    before.kill()
    await client.event(lambda event: event["state"] == "ready")
    assert (await camera_process(server.process.pid, ports[0])).pid != before.pid
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_question_to_a_camera_process_that_was_just_killed_is_answered_by_the_next(
    client: Client, server: Server, ports: list[str]
) -> None:
    for _ in range(5):
        (await camera_process(server.process.pid, ports[0])).kill()
        assert (await client.command("get_config", name="iso"))["value"] == "100"


def _frame_after(seq: int) -> Callable[[Json], bool]:
    return lambda event: event.get("seq", 0) > seq


async def test_a_stream_goes_on_by_itself_after_its_process_was_killed(
    client: Client, server: Server, ports: list[str], bystander: Client
) -> None:
    await client.command("subscribe", events=["live_view_stopped"])
    await client.command("start_live_view")
    for _ in range(3):
        seen = await client.event("live_view_frame")
        (await camera_process(server.process.pid, ports[0])).kill()
        later = await client.event(_frame_after(seen["seq"] + 10))
        decoded(from_base64(later["image_b64"]))
    assert [event for event in client.events if event["event"] == "live_view_stopped"] == []
    assert (await client.command("stop_live_view"))["sent"] > 0


async def test_a_process_killed_during_a_shot_leaves_it_unknown_and_fires_only_once(
    client: Client, server: Server, ports: list[str], simulator: Control, bystander: Client
) -> None:
    before = await camera_process(server.process.pid, ports[0])
    simulator.fault("late", "0x9128", after=1, seconds=2)  # the full press: the shot is taken, its answer waits
    shooting = asyncio.create_task(client.command("capture_image"))
    await until(lambda: simulator.state()["shots"] == 1)
    before.kill()
    with pytest.raises(CommandError) as caught:
        await shooting
    assert (caught.value.code, caught.value.reply["retryable"]) == ("capture_unknown", False)
    assert (await client.command("capture_image"))["status"] == "ok"
    assert simulator.state()["shots"] == 2


async def test_a_camera_process_that_hangs_when_idle_is_replaced(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("camera.process._SILENCE_S", 1.5)
    monkeypatch.setattr(verb_of(RemoteCamera.list_names), "deadline_s", 1.5)
    running = await in_process(ports[SPARE])
    async with await running.connect() as patient:
        await patient.command("get_config", name="iso")
        await patient.command("subscribe", events=["camera_state"])
        hanging = await camera_process(os.getpid(), ports[SPARE])
        with stopped(hanging):
            await patient.event(lambda event: event["state"] == "recovering")
            await patient.event(lambda event: event["state"] == "ready")
            assert not hanging.is_running()
        assert (await patient.command("get_config", name="iso"))["value"] == "100"


async def test_a_command_to_a_camera_process_that_hangs_ends_at_its_deadline(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    running = await in_process(ports[SPARE])
    async with await running.connect() as patient:
        async with asyncio.timeout(WITHIN_S):
            while True:  # its card is being read
                if "file_count" in await patient.command("get_camera_info"):
                    break
                await asyncio.sleep(0.05)  # not more often than the limit of commands
        monkeypatch.setattr(verb_of(RemoteCamera.set_config), "deadline_s", 0.5)
        hanging = await camera_process(os.getpid(), ports[SPARE])
        with stopped(hanging):
            with pytest.raises(CommandError) as caught:
                await patient.command("set_config", name="iso", value="800")
            assert (caught.value.code, caught.value.reply["retryable"]) == ("camera_timeout", True)
        monkeypatch.setattr(verb_of(RemoteCamera.set_config), "deadline_s", WITHIN_S)
        assert (await patient.command("set_config", name="iso", value="800"))["value"] == "800"
        assert not hanging.is_running()


async def test_a_server_without_descriptors_opens_the_camera_once_there_are_some(
    client: Client, server: Server, ports: list[str]
) -> None:
    process = psutil.Process(server.process.pid)
    before = await camera_process(server.process.pid, ports[0])
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    await client.command("subscribe", events=["camera_state"])
    process.rlimit(psutil.RLIMIT_NOFILE, (8, hard))
    try:
        before.kill()
        with pytest.raises(CommandError, match="camera_disconnected"):
            await client.command("get_config", name="iso")
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    await client.event(lambda event: event["state"] == "ready")
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_thirty_lost_processes_leave_no_descriptor_and_no_zombie(
    client: Client, server: Server, ports: list[str]
) -> None:
    process = psutil.Process(server.process.pid)
    await client.command("get_config", name="iso", port=ports[1])
    child = await camera_process(server.process.pid, ports[0])
    await client.command("get_config", name="iso")
    before = process.num_fds()
    for _ in range(30):
        child.kill()
        await client.command("get_config", name="iso")
        child = await camera_process(server.process.pid, ports[0], other_than=child.pid)
    await client.command("get_config", name="iso")
    await until(lambda: process.num_fds() <= before)
    assert [one.pid for one in process.children() if one.status() == psutil.STATUS_ZOMBIE] == []
    assert len(process.children()) == 2


async def test_children_end_with_a_server_that_was_killed_and_a_new_one_just_works(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    first = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(first) as client:
        await client.command("start_live_view", port=ports[SPARE])
        await client.event("live_view_frame")
        children = first.children()
        assert children
        first.kill()
        assert psutil.wait_procs(children, 5)[1] == []
    second = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(second) as client:
        assert (await client.command("capture_image", port=ports[SPARE]))["status"] == "ok"
    assert second.stop() == 0


async def test_a_server_ends_within_ten_seconds_while_a_camera_process_hangs(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        with stopped(await camera_process(server.process.pid, ports[SPARE])):
            await client.socket.send(f'{{"command": "get_config", "payload": {{"port": "{ports[SPARE]}"}}}}')
            assert await asyncio.to_thread(server.stop, signal.SIGTERM, 10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_ends_within_ten_seconds_in_the_middle_of_a_shot_without_answer(
    new_server: Callable[..., Server], simulator: Control, ports: list[str], number: signal.Signals
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        simulator.fault("silent", "0x9128", times=None, camera=SPARE)
        await client.socket.send(f'{{"command": "capture_image", "payload": {{"port": "{ports[SPARE]}"}}}}')
        await until(lambda: simulator.state(SPARE)["operations"].get("0x9128", 0) > 0)
        assert await asyncio.to_thread(server.stop, number, 10) == 0


async def test_a_server_ends_while_a_camera_does_not_open(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    simulator.fault("init_silent", times=None, camera=SPARE)
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2):
        await camera_process(server.process.pid, ports[SPARE])
        assert await asyncio.to_thread(server.stop, signal.SIGTERM, 10) == 0


async def test_live_view_is_off_at_the_camera_after_the_server_ended(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("start_live_view", port=ports[SPARE])
        await client.event("live_view_frame")
        closed = simulator.state(SPARE)["operations"].get("0x1003", 0)
        assert await asyncio.to_thread(server.stop) == 0
    state = simulator.state(SPARE)
    assert (state["live_view"], state["operations"]["0x1003"]) == (False, closed + 1)
