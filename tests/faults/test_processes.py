"""Camera processes that are killed or hang. No process remains after the server has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

import psutil
import pytest

from camera.processes import programs, spawn
from camera.remote import RemoteCamera, verb_of
from simulator.client import Control
from tests.support.in_process import InProcess
from tests.support.marks import decoded, from_base64
from tests.support.processes import camera_process, stopped
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import WITHIN_S, until

SPARE = 2  # the index of a camera that the shared server does not use


@pytest.fixture
async def other_viewer(server: Server, ports: list[str]) -> AsyncIterator[Client]:
    """A viewer of the other camera. Fails if its stream does not continue during the test."""
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["live_view_stopped"])
        await client.command("start_live_view", port=ports[1], max_in_flight=1)
        frame = await client.event("live_view_frame")
        yield client
        await client.socket.send(f'{{"ack": {{"stream": {frame["stream"]}, "seq": {frame["seq"]}}}}}')
        assert (await client.event("live_view_frame"))["seq"] > frame["seq"]
        assert client.events == []


async def test_a_killed_idle_camera_process_is_replaced_without_a_command(
    client: Client, server: Server, ports: list[str], other_viewer: Client
) -> None:
    before = await camera_process(server.process.pid, ports[0])
    await client.command("subscribe", events=["camera_state"])
    before.kill()
    await client.event(lambda event: event["state"] == "ready")
    assert (await camera_process(server.process.pid, ports[0])).pid != before.pid
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_command_right_after_a_kill_is_answered_by_the_next_process(
    client: Client, server: Server, ports: list[str]
) -> None:
    for _ in range(5):
        (await camera_process(server.process.pid, ports[0])).kill()
        assert (await client.command("get_config", name="iso"))["value"] == "100"


def _frame_after(seq: int) -> Callable[[Json], bool]:
    return lambda event: event.get("seq", 0) > seq


async def test_a_stream_continues_after_its_process_was_killed(
    client: Client, server: Server, ports: list[str], other_viewer: Client
) -> None:
    await client.command("subscribe", events=["live_view_stopped"])
    await client.command("start_live_view")
    for _ in range(3):
        frame = await client.event("live_view_frame")
        (await camera_process(server.process.pid, ports[0])).kill()
        later_frame = await client.event(_frame_after(frame["seq"] + 10))
        decoded(from_base64(later_frame["image_b64"]))
    assert [event for event in client.events if event["event"] == "live_view_stopped"] == []
    assert (await client.command("stop_live_view"))["sent"] > 0


async def test_a_process_killed_during_a_shot_leaves_an_unknown_outcome_and_fires_once(
    client: Client, server: Server, ports: list[str], simulator: Control, other_viewer: Client
) -> None:
    before = await camera_process(server.process.pid, ports[0])
    # For the full press, the simulator takes the shot and delays the response.
    simulator.fault("late", "0x9128", after=1, seconds=2)
    capture = asyncio.create_task(client.command("capture_image"))
    await until(lambda: simulator.state()["shots"] == 1)
    before.kill()
    with pytest.raises(CommandError) as error:
        await capture
    assert (error.value.code, error.value.reply["retryable"]) == ("capture_unknown", False)
    assert (await client.command("capture_image"))["status"] == "ok"
    assert simulator.state()["shots"] == 2


async def test_an_idle_camera_process_that_hangs_is_replaced(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("camera.processes.process._SILENCE_S", 1.5)
    monkeypatch.setattr(verb_of(RemoteCamera.list_names), "deadline_s", 1.5)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
        await client.command("subscribe", events=["camera_state"])
        hung = await camera_process(os.getpid(), ports[SPARE])
        with stopped(hung):
            await client.event(lambda event: event["state"] == "recovering")
            await client.event(lambda event: event["state"] == "ready")
            assert not hung.is_running()
        assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_a_command_to_a_hung_camera_process_fails_at_its_timeout(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        async with asyncio.timeout(WITHIN_S):
            # Wait until the server has read the card.
            while True:
                if "file_count" in await client.command("get_camera_info"):
                    break
                await asyncio.sleep(0.05)  # to stay below the limit of commands per second
        monkeypatch.setattr(verb_of(RemoteCamera.set_config), "deadline_s", 0.5)
        hung = await camera_process(os.getpid(), ports[SPARE])
        with stopped(hung):
            with pytest.raises(CommandError) as error:
                await client.command("set_config", name="iso", value="800")
            assert (error.value.code, error.value.reply["retryable"]) == ("camera_timeout", True)
        monkeypatch.setattr(verb_of(RemoteCamera.set_config), "deadline_s", WITHIN_S)
        assert (await client.command("set_config", name="iso", value="800"))["value"] == "800"
        assert not hung.is_running()


async def test_a_camera_is_opened_again_once_descriptors_are_free(
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


async def test_ten_killed_processes_leave_no_descriptor_and_no_zombie(
    client: Client, server: Server, ports: list[str]
) -> None:
    process = psutil.Process(server.process.pid)
    await client.command("get_config", name="iso", port=ports[1])
    child = await camera_process(server.process.pid, ports[0])
    await client.command("get_config", name="iso")
    before = process.num_fds()
    for _ in range(10):
        with suppress(psutil.NoSuchProcess):  # on a busy machine, the server may have replaced it already
            child.kill()
        await client.command("get_config", name="iso")
        child = await camera_process(server.process.pid, ports[0], other_than=child.pid)
    await client.command("get_config", name="iso")
    await until(lambda: process.num_fds() <= before)
    assert [child.pid for child in server.children() if child.status() == psutil.STATUS_ZOMBIE] == []
    assert len(server.children()) == 3  # the template process and two camera processes


async def test_all_cameras_are_ready_again_after_the_template_process_was_killed(
    client: Client, server: Server, ports: list[str]
) -> None:
    before = [await camera_process(server.process.pid, port) for port in ports[:SPARE]]
    template = psutil.Process(server.process.pid).children()[0]
    assert {process.ppid() for process in before} == {template.pid}
    template.kill()
    await client.command("get_config", name="iso", port=ports[1])
    after = [
        await camera_process(server.process.pid, port, other_than=old.pid)
        for port, old in zip(ports[:SPARE], before, strict=True)
    ]
    assert len({process.ppid() for process in after} - {template.pid, server.process.pid}) == 1
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_without_a_usable_template_process_programs_are_executed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, in_process: Callable[..., Awaitable[InProcess]],
    simulator: Control, ports: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(programs, "template", programs.Template(lambda requests: subprocess.Popen(["false"])))
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        assert (await client.command("get_config", name="iso", port=ports[SPARE]))["value"] == "100"
        worker = await camera_process(os.getpid(), ports[SPARE])
        assert worker.ppid() == os.getpid()
        assert "camera.device.program" in worker.cmdline()
        worker.kill()
        assert (await client.command("get_config", name="iso", port=ports[SPARE]))["value"] == "100"
    programs.template.stop()
    assert caplog.text.count("started without the template process: it has ended") == 1


async def test_camera_processes_end_with_a_killed_server_and_a_new_server_works(
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


async def test_a_server_stops_within_10_s_while_a_camera_process_hangs(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        with stopped(await camera_process(server.process.pid, ports[SPARE])):
            await client.socket.send(f'{{"command": "get_config", "payload": {{"port": "{ports[SPARE]}"}}}}')
            assert await asyncio.to_thread(server.stop, signal.SIGTERM, 10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_stops_within_10_s_during_a_shot_without_response(
    new_server: Callable[..., Server], simulator: Control, ports: list[str], number: signal.Signals
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        simulator.fault("silent", "0x9128", times=None, camera=SPARE)
        await client.socket.send(f'{{"command": "capture_image", "payload": {{"port": "{ports[SPARE]}"}}}}')
        await until(lambda: simulator.state(SPARE)["operations"].get("0x9128", 0) > 0)
        assert await asyncio.to_thread(server.stop, number, 10) == 0


async def test_a_camera_process_that_ends_is_noticed_while_the_template_process_hangs(
    monkeypatch: pytest.MonkeyPatch,
    in_process: Callable[..., Awaitable[InProcess]],
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(programs, "_FORK_TIMEOUT_S", 1.0)
    monkeypatch.setattr(programs, "template", programs.Template())
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        first = await camera_process(os.getpid(), ports[SPARE])
        template = psutil.Process(first.ppid())
        with stopped(template):
            first.kill()
            assert (await client.command("get_config", name="iso", port=ports[SPARE]))["value"] == "100"
            second = await camera_process(os.getpid(), ports[SPARE], other_than=first.pid)
            assert second.ppid() == os.getpid()
            second.kill()
            assert (await client.command("get_config", name="iso", port=ports[SPARE]))["value"] == "100"
        assert not template.is_running() or template.status() == psutil.STATUS_ZOMBIE
    programs.template.stop()


async def test_after_a_crash_the_next_process_has_other_addresses(
    client: Client, server: Server, ports: list[str]
) -> None:
    crashed = await camera_process(server.process.pid, ports[0])
    crashed.send_signal(signal.SIGSEGV)
    await client.command("get_config", name="iso")
    fresh = await camera_process(server.process.pid, ports[0], other_than=crashed.pid)
    assert fresh.ppid() == server.process.pid
    fresh.kill()
    await client.command("get_config", name="iso")
    assert (await camera_process(server.process.pid, ports[0], other_than=fresh.pid)).ppid() != server.process.pid


async def test_a_helper_that_writes_without_end_needs_little_memory() -> None:
    ended = await spawn.run_helper("tests.support.endless_output", deadline_s=WITHIN_S)
    assert ended.code == 0
    assert (ended.output[:5], len(ended.output)) == (b"start", 2**20)


class SlowToEnd(spawn.SpawnedProcess):
    """A camera process that needs a moment to end after it was killed, as on a busy machine."""

    ending: ClassVar[asyncio.Event]
    ended: ClassVar[asyncio.Event]

    async def end(self) -> None:
        self.ending.set()
        await asyncio.sleep(0.5)
        await super().end()
        self.ended.set()


async def test_a_server_that_stops_waits_for_the_end_of_a_lost_process(ports: list[str], simulator: Control) -> None:
    SlowToEnd.ending, SlowToEnd.ended = asyncio.Event(), asyncio.Event()
    server = await InProcess.start(ports[SPARE], spawn=SlowToEnd)
    async with await server.connect() as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        (await camera_process(os.getpid(), ports[SPARE])).kill()
        await SlowToEnd.ending.wait()
        await server.app.stop()
    assert SlowToEnd.ended.is_set()


async def test_a_server_stops_while_a_camera_does_not_open(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    simulator.fault("init_silent", times=None, camera=SPARE)
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2):
        await camera_process(server.process.pid, ports[SPARE])
        assert await asyncio.to_thread(server.stop, signal.SIGTERM, 10) == 0


async def test_live_view_is_off_at_the_camera_after_the_server_stopped(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("start_live_view", port=ports[SPARE])
        await client.event("live_view_frame")
        closed_before = simulator.state(SPARE)["operations"].get("0x1003", 0)
        assert await asyncio.to_thread(server.stop) == 0
    state = simulator.state(SPARE)
    assert (state["live_view"], state["operations"]["0x1003"]) == (False, closed_before + 1)
