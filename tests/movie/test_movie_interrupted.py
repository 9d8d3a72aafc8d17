"""No movie goes on without the server, whatever happens to the server, its camera process, and the connection."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.movie.movies import EVENTS, MAKERS
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until, until_answers


@pytest.fixture(scope="module", params=MAKERS)
def shared_camera(request: pytest.FixtureRequest) -> Iterator[OneCamera]:
    """One camera of each kind. Each test has its own server for it."""
    with one_camera(*MAKERS[request.param]) as camera:
        yield camera


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state."""
    with in_factory_state(shared_camera.process):
        yield shared_camera


def recording(camera: OneCamera) -> bool:
    return bool(camera.control.state()["recording"])


async def paths(client: Client) -> list[str] | None:
    """The paths of the files of the only movie, as its record has them; None while its outcome is not known."""
    (shot,) = (await client.command("list_shots"))["shots"]
    return None if shot["outcome"] is None else [file["camera_filepath"] for file in shot["files"]]


async def start(client: Client) -> Json:
    await client.command("subscribe", events=EVENTS)
    await client.info_with_card()
    return await client.command("start_movie")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_of_the_server_stops_the_movie(
    new_server: Callable[..., Server], camera: OneCamera, number: signal.Signals
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client)
        assert await asyncio.to_thread(server.stop, number) == 0
    assert not recording(camera)
    again = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(again) as client:
        await until_answers(lambda: has_its_file(client, camera))


async def has_its_file(client: Client, camera: OneCamera) -> bool:
    return await paths(client) == [movie["path"] for movie in camera.control.state()["movies"]]


async def test_the_kill_of_the_server_stops_the_movie(new_server: Callable[..., Server], camera: OneCamera) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        await asyncio.to_thread(server.kill)
    await until(lambda: not recording(camera))
    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    again = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(again) as client:
        await until_answers(lambda: has_its_file(client, camera))
        await client.command("capture_image")


async def test_after_the_kill_of_a_camera_process_the_next_one_stops_the_movie(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        process.kill()
        ended = await client.event("movie_ended")
        assert (ended["reason"], recording(camera)) == ("interrupted", False)
        checked = await client.event("capture_checked")
        assert checked["files"] == await paths(client) == [camera.control.state()["movies"][-1]["path"]]
        assert "movie" in checked["message"]
        with pytest.raises(CommandError, match="no_movie"):
            await client.command("stop_movie")
        await client.command("capture_image")
    server.wait_for_log("Movie stopped")


async def test_after_the_kill_of_both_the_next_server_stops_the_movie(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server, close_timeout=0.2) as client:
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        process.kill()
        await asyncio.to_thread(server.kill)
    assert recording(camera)
    again = new_server(NETWORK_CAMERAS=camera.port)
    again.wait_for_log("Movie stopped")
    assert not recording(camera)
    async with await Client.connect(again) as client:
        await until_answers(lambda: has_its_file(client, camera))


async def test_a_lost_connection_ends_the_movie_when_the_camera_is_back(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client)
        camera.control.fault("drop", times=1)
        assert (await client.event("movie_ended"))["reason"] == "interrupted"
        assert not recording(camera)
        await client.event("capture_checked")
        assert await has_its_file(client, camera)


async def test_a_camera_process_that_hangs_is_replaced_and_the_movie_stopped(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client)
        process = await camera_process(server.process.pid, camera.port)
        process.suspend()
        assert (await client.event("movie_ended"))["reason"] == "interrupted"
    assert not recording(camera)


async def test_a_client_that_stops_the_movie_learns_that_the_camera_was_lost(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client)
        stop = "0x9110" if "0x9116" in camera.control.state()["operations"] else "0x920b"
        camera.control.fault("drop", stop, times=1)
        with pytest.raises(CommandError, match="camera_") as error:
            await client.command("stop_movie")
        assert error.value.reply["retryable"]
        await client.event("movie_ended")
        assert not recording(camera)
        await client.event("capture_checked")
        assert await has_its_file(client, camera)


async def test_a_movie_that_cannot_be_stopped_is_stopped_by_the_next_process(
    new_server: Callable[..., Server], camera: OneCamera
) -> None:
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await start(client)
        stop = "0x9110" if "0x9116" in camera.control.state()["operations"] else "0x920b"
        camera.control.fault("code", stop, code="0x2002", times=3)
        with pytest.raises(CommandError, match="could not be stopped") as error:
            await client.command("stop_movie")
        assert error.value.code == "camera_error"
        await client.event("movie_ended")
        assert not recording(camera)


# The driver of a mirrorless Nikon waits for the file itself.
@pytest.mark.parametrize("shared_camera", ["canon", "nikon"], indirect=True)
async def test_a_file_that_comes_very_late(new_server: Callable[..., Server], shared_camera: OneCamera) -> None:
    with in_factory_state(shared_camera.process) as control:
        server = new_server(NETWORK_CAMERAS=shared_camera.port)
        async with await Client.connect(server) as client:
            await start(client)
            control.fault("late_movie", seconds=9)  # the reply waits for three times WRITE_TIME
            stopped = await client.command("stop_movie")
            assert stopped["files"] == []
            assert "has not written the file in time" in stopped["warnings"][0]
            assert await paths(client) is None

            added = await client.event("file_added")
            await until_answers(lambda: has_its_file(client, shared_camera))
            assert added["camera_filepath"] == control.state()["movies"][-1]["path"]
