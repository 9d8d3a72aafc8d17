"""The client reconnects after the server was killed: commands and streams continue, and no shot is taken twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from gphoto_ws_client import (
    CaptureUnknown,
    Client,
    ConfigChanged,
    ConnectionFailed,
    FileAdded,
    Reconnected,
    Unauthorized,
)

from camera import events as files
from camera.events import CameraEvent
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.in_process import InProcess
from tests.support.marks import decoded, mark
from tests.support.rig import TOKEN, Server
from tests.support.waiting import until

# For each shot, the driver sends operation 0x9128 twice: once for the half press, and then for the full press.
FULL_PRESS, HALF_PRESSES = "0x9128", 1
DEADLINE_S = 50.0


async def restart(restartable_server: Callable[..., Server], old: Server, **settings: str) -> Server:
    """Kill the server and start it again on the same port, without blocking the event loop."""
    await asyncio.to_thread(old.kill)
    return await asyncio.to_thread(restartable_server, **settings)


async def test_commands_wait_for_the_restart_and_use_the_selected_camera(
    restartable_server: Callable[..., Server], restart_cameras: SimulatorProcess
) -> None:
    both = {"NETWORK_CAMERAS": ",".join(camera.address for camera in restart_cameras.cameras)}
    server = restartable_server(**both)
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        await client.select_camera(restart_cameras.cameras[1].address)
        await asyncio.to_thread(server.kill)
        asking = asyncio.create_task(client.get_camera_info())
        await until(lambda: not client.connected)
        await asyncio.to_thread(restartable_server, **both)
        assert (await asking).serial == restart_cameras.cameras[1].serial
        assert client.connected


async def test_live_view_continues_after_a_restart(restartable_server: Callable[..., Server]) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client, client.live_view() as view:
        before = [await anext(view) for _ in range(3)]
        await restart(restartable_server, server)
        # The client may have received the first frames of `after` before the kill. A later frame has `dropped` set.
        after = [await anext(view) for _ in range(4)]
    assert any(frame.dropped for frame in after)
    for frame in after:
        decoded(frame.jpeg)
    assert mark(after[-1].jpeg, "frame") != mark(before[-1].jpeg, "frame")


async def test_events_continue_after_a_reconnected_event(
    restartable_server: Callable[..., Server], restart_control: Control
) -> None:
    server = restartable_server()
    async with (
        asyncio.timeout(DEADLINE_S),
        Client(server.uri, server.token) as client,
        client.events("file_added", "reconnected") as events,
    ):
        await restart(restartable_server, server)
        assert isinstance(await anext(events), Reconnected)
        await client.get_config("iso")  # so that the server opens the camera
        (path,) = restart_control.shutter()
        added = await anext(events)
    assert isinstance(added, FileAdded)
    assert added.camera_filepath == path


async def test_events_during_a_lost_connection_follow_when_it_is_restored() -> None:
    server = await InProcess.start()
    async with Client(server.uri, TOKEN) as client, client.events("file_added", "reconnected") as events:
        for turn in range(5):
            for connection in server.app.admission.connections():
                connection.transport.abort()
            server.app.service.events.emit(CameraEvent("ptpip:127.0.0.1:1", files.FileAdded(f"/card/{turn}.jpg")))
            reconnected, added = await anext(events), await anext(events)
            assert isinstance(reconnected, Reconnected)
            assert reconnected.recovered
            assert isinstance(added, FileAdded)
            assert added.camera_filepath == f"/card/{turn}.jpg"
    await server.app.stop()


async def test_after_a_kill_of_the_server_the_missed_events_are_reported_as_lost(
    restartable_server: Callable[..., Server],
) -> None:
    server = restartable_server()
    async with (
        asyncio.timeout(DEADLINE_S),
        Client(server.uri, server.token) as client,
        client.events("file_added", "reconnected") as events,
    ):
        await restart(restartable_server, server)
        reconnected = await anext(events)
    assert isinstance(reconnected, Reconnected)
    assert not reconnected.recovered


async def test_a_download_resumes_after_a_restart(
    restartable_server: Callable[..., Server], restart_control: Control, tmp_path: Path
) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        shot = await client.capture_image()
        received_bytes: list[int] = []

        def progress(received: int, size: int) -> None:
            if not received_bytes:
                server.process.kill()  # during the first of many chunks
            received_bytes.append(received)

        download = asyncio.create_task(
            client.download(tmp_path / "a.jpg", shot.camera_filepath, piece_bytes=30_000, progress=progress)
        )
        await until(lambda: bool(received_bytes))
        await restart(restartable_server, server)
        saved = await download
    (on_camera,) = restart_control.state(sha256=True)["files"]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == on_camera["sha256"]


async def test_a_capture_in_progress_at_a_restart_is_found_by_its_key(
    restartable_server: Callable[..., Server], restart_control: Control
) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        # Wait until the server knows the content of the card.
        while (await client.get_camera_info()).file_count is None:
            pass
        restart_control.fault("late", FULL_PRESS, after=HALF_PRESSES, seconds=3)
        shooting = asyncio.create_task(client.capture_image())
        await until(lambda: not restart_control.state()["faults"])
        await restart(restartable_server, server)
        shot = await shooting
        assert shot.repeated
        (file,) = restart_control.state()["files"]
        assert shot.camera_filepath == file["path"]
        assert not (await client.capture_image()).repeated
        assert restart_control.state()["shots"] == 2


async def test_a_capture_in_progress_when_the_server_is_gone_for_good_is_unknown(
    restartable_server: Callable[..., Server], restart_control: Control
) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token, reconnect_for=0.5) as client:
        await client.get_config("iso")  # so that the server opens the camera
        restart_control.fault("late", FULL_PRESS, after=HALF_PRESSES, seconds=3)
        shooting = asyncio.create_task(client.capture_image())
        await until(lambda: not restart_control.state()["faults"])
        await asyncio.to_thread(server.kill)
        with pytest.raises(CaptureUnknown) as caught:
            await shooting
        assert (caught.value.code, caught.value.retryable) == ("capture_unknown", False)


async def test_a_capture_requested_while_the_server_is_down_runs_after_the_restart(
    restartable_server: Callable[..., Server], restart_control: Control
) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        await asyncio.to_thread(server.kill)
        await until(lambda: not client.connected)
        shooting = asyncio.create_task(client.capture_image())
        await asyncio.to_thread(restartable_server)
        assert (await shooting).camera_filepath
        assert restart_control.state()["shots"] == 1


async def test_a_new_token_after_the_restart_ends_the_client_after_one_attempt(
    restartable_server: Callable[..., Server],
) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        async with client.events("config_changed") as events:
            new = await restart(restartable_server, server, API_TOKEN="another-token-8841")
            with pytest.raises(Unauthorized):
                await anext(events)
            for _ in range(2):
                with pytest.raises(Unauthorized):
                    await client.ping()
        new.wait_for_log("closed with 4401")
        assert new.log.count("closed with 4401") == 1
    async with Client(new.uri, new.token) as client, client.events("config_changed") as events:
        await client.set_config("iso", 400)
        assert isinstance(await anext(events), ConfigChanged)


async def test_the_client_gives_up_after_reconnect_for(restartable_server: Callable[..., Server]) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token, reconnect_for=0.5) as client:
        async with client.live_view() as view:
            await anext(view)
            await asyncio.to_thread(server.kill)
            with pytest.raises(ConnectionFailed):
                _ = [frame async for frame in view]
        with pytest.raises(ConnectionFailed, match="nothing is listening"):
            await client.ping()


async def test_the_client_reconnects_after_a_clean_stop(restartable_server: Callable[..., Server]) -> None:
    server = restartable_server()
    async with asyncio.timeout(DEADLINE_S), Client(server.uri, server.token) as client:
        assert await asyncio.to_thread(server.stop) == 0
        await until(lambda: not client.connected)
        await asyncio.to_thread(restartable_server)
        assert (await client.ping()).message == "pong"


@pytest.mark.parametrize("token", ["wrong", ""])
async def test_a_wrong_token_raises_unauthorized_at_once(bare_server: Server, token: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        async with Client(bare_server.uri, token):
            pass
    assert (caught.value.code, caught.value.retryable) == ("unauthorized", False)


async def test_an_address_without_a_server_raises_at_once() -> None:
    with pytest.raises(ConnectionFailed, match="Is the server running"):
        async with Client("ws://127.0.0.1:1", "x"):
            pass


async def test_an_http_path_without_a_websocket_raises_connection_failed(bare_server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="HTTP 404"):
        async with Client(f"{bare_server.uri}/nothing", bare_server.token):
            pass


async def test_a_client_outside_async_with_raises_connection_failed() -> None:
    with pytest.raises(ConnectionFailed, match="async with"):
        await Client("ws://127.0.0.1:1", "x").ping()
