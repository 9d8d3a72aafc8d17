"""Movies of cameras on USB: a session that a killed process has left open does not keep the camera recording."""

from __future__ import annotations

from tests.support.processes import camera_process
from tests.support.rig import Client, Server
from tests.support.usb import UsbCamera
from tests.support.waiting import until


async def test_a_movie_is_started_and_stopped(client: Client, camera: UsbCamera) -> None:
    await client.command("start_movie", max_s=60)
    assert camera.control.state()["recording"]
    stopped = await client.command("stop_movie")
    assert [file["camera_filepath"] for file in stopped["files"]] == [camera.control.state()["movies"][-1]["path"]]


async def test_after_the_kill_of_a_camera_process_the_next_one_stops_the_movie(
    client: Client, server: Server, camera: UsbCamera
) -> None:
    await client.command("subscribe", events=["movie_ended", "capture_checked"])
    await client.info_with_card()
    await client.command("start_movie")
    process = await camera_process(server.process.pid, camera.port)
    process.kill()
    assert (await client.event("movie_ended"))["reason"] == "interrupted"
    await until(lambda: not camera.control.state()["recording"])
    checked = await client.event("capture_checked")
    assert checked["files"] == [camera.control.state()["movies"][-1]["path"]]


async def test_an_unplugged_camera_is_stopped_when_it_is_back(client: Client, camera: UsbCamera) -> None:
    await client.command("subscribe", events=["movie_ended"])
    await client.command("start_movie")
    camera.control.unplug()
    camera.control.plug()
    assert (await client.event("movie_ended"))["reason"] == "interrupted"
    assert not camera.control.state()["recording"]
