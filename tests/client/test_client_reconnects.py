"""The client through the death of the server: what goes on, what is told, and that no shot is taken twice."""

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

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.marks import decoded, mark
from tests.support.rig import Server
from tests.support.waiting import until

FULL_PRESS, AFTER = "0x9128", 1  # a half press comes first
PATIENCE_S = 50.0


async def again(mortal: Callable[..., Server], dead: Server, **settings: str) -> Server:
    """Kill the server and start it on the same port, without holding up the client."""
    await asyncio.to_thread(dead.kill)
    return await asyncio.to_thread(mortal, **settings)


async def test_commands_wait_for_the_server_and_go_to_the_selected_camera(
    mortal: Callable[..., Server], lone_camera: SimulatorProcess
) -> None:
    both = {"NETWORK_CAMERAS": ",".join(camera.address for camera in lone_camera.cameras)}
    server = mortal(**both)
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        await client.select_camera(lone_camera.cameras[1].address)
        await asyncio.to_thread(server.kill)
        asking = asyncio.create_task(client.get_camera_info())
        await until(lambda: not client.connected)
        await asyncio.to_thread(mortal, **both)
        assert (await asking).serial == lone_camera.cameras[1].serial
        assert client.connected


async def test_live_view_goes_on_after_the_server_came_back(mortal: Callable[..., Server]) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client, client.live_view() as view:
        before = [await anext(view) for _ in range(3)]
        await again(mortal, server)
        # One may have waited; after it the gap is told.
        after = [await anext(view) for _ in range(4)]
    assert any(frame.dropped for frame in after)
    for frame in after:
        decoded(frame.jpeg)
    assert mark(after[-1].jpeg, "frame") != mark(before[-1].jpeg, "frame")


async def test_events_go_on_and_the_gap_is_told(mortal: Callable[..., Server], lone: Control) -> None:
    server = mortal()
    async with (
        asyncio.timeout(PATIENCE_S),
        Client(server.uri, server.token) as client,
        client.events("file_added", "reconnected") as events,
    ):
        await again(mortal, server)
        assert isinstance(await anext(events), Reconnected)
        await client.get_config("iso")  # the camera is open
        (path,) = lone.shutter()
        added = await anext(events)
    assert isinstance(added, FileAdded)
    assert added.camera_filepath == path


async def test_a_download_goes_on_where_it_was(mortal: Callable[..., Server], lone: Control, tmp_path: Path) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        shot = await client.capture_image()
        steps: list[int] = []

        def progress(here: int, size: int) -> None:
            if not steps:
                server.process.kill()  # in the middle of the first of many pieces
            steps.append(here)

        download = asyncio.create_task(
            client.download(tmp_path / "a.jpg", shot.camera_filepath, piece_bytes=30_000, progress=progress)
        )
        await until(lambda: bool(steps))
        await again(mortal, server)
        saved = await download
    (held,) = lone.state(sha256=True)["files"]
    assert hashlib.sha256(saved.path.read_bytes()).hexdigest() == held["sha256"]


async def test_a_shot_under_way_at_a_loss_is_unknown_and_never_taken_again(
    mortal: Callable[..., Server], lone: Control
) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        await client.get_config("iso")  # the camera is open
        lone.fault("late", FULL_PRESS, after=AFTER, seconds=3)
        shooting = asyncio.create_task(client.capture_image())
        await until(lambda: not lone.state()["faults"])
        await again(mortal, server)
        with pytest.raises(CaptureUnknown) as caught:
            await shooting
        assert (caught.value.code, caught.value.retryable) == ("capture_unknown", False)
        assert (await client.get_camera_info()).connected
        assert lone.state()["shots"] <= 1
        taken = lone.state()["shots"]
        await client.capture_image()
        assert lone.state()["shots"] == taken + 1


async def test_a_shot_asked_for_while_there_is_no_server_is_taken_once_it_is_back(
    mortal: Callable[..., Server], lone: Control
) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        await asyncio.to_thread(server.kill)
        await until(lambda: not client.connected)
        shooting = asyncio.create_task(client.capture_image())
        await asyncio.to_thread(mortal)
        assert (await shooting).camera_filepath
        assert lone.state()["shots"] == 1


async def test_another_token_at_the_restart_ends_it_with_one_try(mortal: Callable[..., Server]) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        async with client.events("config_changed") as events:
            new = await again(mortal, server, API_TOKEN="another-token-8841")
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


async def test_a_server_that_stays_away_is_given_up(mortal: Callable[..., Server]) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token, reconnect_for=0.5) as client:
        async with client.live_view() as view:
            await anext(view)
            await asyncio.to_thread(server.kill)
            with pytest.raises(ConnectionFailed):
                _ = [frame async for frame in view]
        with pytest.raises(ConnectionFailed, match="nothing is listening"):
            await client.ping()


async def test_a_server_that_ends_in_order_is_come_back_to(mortal: Callable[..., Server]) -> None:
    server = mortal()
    async with asyncio.timeout(PATIENCE_S), Client(server.uri, server.token) as client:
        assert await asyncio.to_thread(server.stop) == 0
        await until(lambda: not client.connected)
        await asyncio.to_thread(mortal)
        assert (await client.ping()).message == "pong"


@pytest.mark.parametrize("token", ["wrong", ""])
async def test_a_wrong_token_is_said_at_once(bare_server: Server, token: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        async with Client(bare_server.uri, token):
            pass
    assert (caught.value.code, caught.value.retryable) == ("unauthorized", False)


async def test_nobody_at_the_address_is_said_at_once() -> None:
    with pytest.raises(ConnectionFailed, match="Is the server running"):
        async with Client("ws://127.0.0.1:1", "x"):
            pass


async def test_a_page_that_is_no_websocket_is_said(bare_server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="HTTP 404"):
        async with Client(f"{bare_server.uri}/nothing", bare_server.token):
            pass


async def test_a_client_that_was_not_entered_says_so() -> None:
    with pytest.raises(ConnectionFailed, match="async with"):
        await Client("ws://127.0.0.1:1", "x").ping()
