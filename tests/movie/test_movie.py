"""Movies of simulated cameras of both makers: start, stop, limits, files, and what others may do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.movie.movies import EVENTS, MAKERS
from tests.support.cameras import OneCamera, in_factory_state, one_camera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until, until_answers


@pytest.fixture(scope="module", params=MAKERS)
def shared_camera(request: pytest.FixtureRequest) -> Iterator[OneCamera]:
    """One camera of each kind."""
    with one_camera(*MAKERS[request.param]) as camera:
        yield camera


@pytest.fixture(scope="module")
def shared_server(shared_camera: OneCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(cwd=tmp_path_factory.mktemp("movie"), NETWORK_CAMERAS=shared_camera.port)
    yield server
    assert server.stop() == 0


@pytest.fixture
def camera(shared_camera: OneCamera) -> Iterator[OneCamera]:
    """The camera in factory state. After the test, it does not record."""
    with in_factory_state(shared_camera.process):
        yield shared_camera
        assert not shared_camera.control.state()["recording"]


@pytest.fixture
async def client(shared_server: Server, camera: OneCamera) -> AsyncIterator[Client]:
    async with await Client.connect(shared_server, close_timeout=0.2) as client:
        await client.info_with_card()  # so that the camera is open before the first event
        await client.command("subscribe", events=EVENTS)
        yield client
        await until_answers(lambda: is_ready(client))  # a reset would delete a file that the server still waits for


async def is_ready(client: Client) -> bool:
    return await state(client) == "ready"


def take(camera: OneCamera) -> Json:
    """The last movie, as the camera recorded it."""
    movie: Json = camera.control.state()["movies"][-1]
    return movie


async def state(client: Client) -> str:
    return str((await client.command("get_camera_info"))["state"])


async def test_a_movie_is_started_and_stopped(client: Client, camera: OneCamera) -> None:
    started = await client.command("start_movie", max_s=60)
    assert (started["max_s"], camera.control.state()["recording"]) == (60, True)
    assert (await client.event("movie_started"))["ends_at"] == started["ends_at"] > started["started_at"]
    assert await state(client) == "recording"
    stopped = await client.command("stop_movie")
    (file,) = stopped["files"]
    assert (file["camera_filepath"], file["mimetype"]) == (take(camera)["path"], "video/quicktime")
    assert file["size"] == camera.control.state()["files"][-1]["size"]
    ended = await client.event("movie_ended")
    assert (ended["reason"], ended["recorded_s"]) == ("stopped", stopped["recorded_s"])
    assert (await client.event("file_added"))["camera_filepath"] == file["camera_filepath"]
    assert (await state(client), take(camera)["ended_by"]) == ("ready", "host")
    shot = await client.command("get_shot", shot=stopped["shot"])
    assert (shot["outcome"], shot["files"][0]["camera_filepath"]) == ("done", file["camera_filepath"])
    assert not camera.control.state()["live_view"]
    # the camera shows its files again, and takes pictures
    assert (await client.command("capture_image"))["files"][0]["mimetype"] == "image/jpeg"


async def test_a_movie_ends_at_its_limit_although_its_client_has_left(
    client: Client, shared_server: Server, camera: OneCamera
) -> None:
    async with await Client.connect(shared_server) as leaving:
        await leaving.command("start_movie", max_s=1)
    ended = await client.event("movie_ended")
    assert (ended["reason"], take(camera)["ended_by"]) == ("max_s", "host")
    assert take(camera)["recorded_s"] > 0.9
    assert (await client.event("file_added"))["camera_filepath"] == take(camera)["path"]
    await until_answers(lambda: is_ready(client))


async def test_what_is_refused_and_what_is_allowed_during_a_movie(client: Client, camera: OneCamera) -> None:
    started = await client.command("start_movie")
    for command, payload in (
        ("start_movie", {}), ("capture_image", {}), ("capture_image", {"bulb_s": 1}), ("list_files", {}), ("half_press", {"hold_ms": 100}),
        ("restart_camera", {}), ("sync_clock", {}), ("download_last_image", {"camera_filepath": "/x"}),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=r"records a movie until .* stop_movie") as error:
            await client.command(command, **payload)
        assert error.value.code == "camera_busy"
        assert error.value.details["ends_at"] == started["ends_at"]
        assert error.value.details["started_at"] == started["started_at"]
    for name, value in (("viewfinder", 0), ("movie", 0), ("movierecordtarget", "None"), ("opcode", "0x1001")):
        with pytest.raises(CommandError, match=r"camera_busy|config_not_found"):
            await client.command("set_config", name=name, value=value)
    assert (await client.command("set_config", name="iso", value="400"))["value"] == "400"
    assert (await client.command("get_config", name="iso"))["value"] == "400"
    await client.command("capture_preview")
    await client.command("start_live_view")
    await client.event("live_view_frame")
    await client.command("drive_focus", steps=1)
    await client.command("stop_live_view")
    requests = camera.control.state()["operations"]
    assert await state(client) == "recording"
    after = camera.control.state()["operations"]
    assert after.get("0x1005") == requests.get("0x1005")  # get_camera_info does not ask for the storage
    assert camera.control.state()["recording"]
    await client.command("stop_movie")


async def test_live_view_goes_on_during_and_after_a_movie(client: Client, camera: OneCamera) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    await client.command("start_movie")  # at once: a Canon ignores the order until live view has run for a while
    client.events.clear()
    await client.event("live_view_frame")
    stopped = await client.command("stop_movie")
    assert [file["camera_filepath"] for file in stopped["files"]] == [take(camera)["path"]]
    client.events.clear()
    await client.event("live_view_frame")
    await client.command("stop_live_view")


async def test_there_is_no_movie_to_stop(client: Client) -> None:
    with pytest.raises(CommandError, match="no_movie"):
        await client.command("stop_movie")


async def test_a_movie_that_is_about_to_start_is_stopped(
    client: Client, shared_server: Server, camera: OneCamera
) -> None:
    live_view = camera.control.state()["live_view"]
    async with await Client.connect(shared_server) as other:
        starting = asyncio.create_task(other.command("start_movie"))
        if "0x9116" in camera.control.state()["operations"]:  # a Canon needs live view for a second
            await until(lambda: camera.control.state()["live_view"] is not live_view)
        else:
            await until(lambda: bool(camera.control.state()["recording"]))
        stopped = await client.command("stop_movie")
        assert (await starting)["shot"] == stopped["shot"]
    assert [file["camera_filepath"] for file in stopped["files"]] == [take(camera)["path"]]


@pytest.mark.parametrize("max_s", [0, 36001, "1"])
async def test_invalid_limits_are_rejected(client: Client, max_s: object) -> None:
    with pytest.raises(CommandError, match="invalid_payload"):
        await client.command("start_movie", max_s=max_s)


async def test_a_full_card_is_refused_and_nothing_is_started(client: Client, camera: OneCamera) -> None:
    camera.control.card(full=True)
    with pytest.raises(CommandError, match="card_full"):
        await client.command("start_movie")
    assert camera.control.state()["movies"] == []
    assert not camera.control.state()["live_view"]
    camera.control.card(full=False)
    await client.command("start_movie")
    await client.command("stop_movie")


async def test_a_card_that_becomes_full_ends_the_movie(client: Client, camera: OneCamera) -> None:
    await client.command("start_movie")
    camera.control.card(full=True)
    assert (await client.event("movie_ended"))["reason"] == "card_full"
    assert (await client.event("file_added"))["camera_filepath"] == take(camera)["path"]
    with pytest.raises(CommandError, match="no_movie"):
        await client.command("stop_movie")


async def test_the_cameras_own_button_ends_the_movie(client: Client, camera: OneCamera) -> None:
    await client.command("start_movie")
    camera.control.movie()
    assert (await client.event("movie_ended"))["reason"] == "camera"
    await until_answers(lambda: is_ready(client))
    assert not camera.control.state()["live_view"]
    path = take(camera)["path"]

    async def is_recorded() -> bool:  # a slow disk may delay the record
        (shot, *_) = (await client.command("list_shots", limit=1))["shots"]
        return [file["camera_filepath"] for file in shot["files"]] == [path]

    await until_answers(is_recorded)


async def test_a_camera_that_is_busy_at_first_is_stopped(client: Client, camera: OneCamera) -> None:
    await client.command("start_movie")
    stop = "0x9110" if "0x9110" in camera.control.state()["operations"] else "0x920b"
    camera.control.fault("busy", stop, times=3)
    assert (await client.command("stop_movie"))["files"]
    assert take(camera)["ended_by"] == "host"


async def test_a_movie_is_not_the_picture_of_the_next_capture(client: Client, camera: OneCamera) -> None:
    await client.command("start_movie", max_s=1)
    await client.event("movie_ended")
    with pytest.raises(CommandError, match="still writes"):
        await client.command("capture_image")
    await client.event("file_added")
    captured = await until_captured(client)
    assert captured["files"][0]["mimetype"] == "image/jpeg"


async def until_captured(client: Client) -> Json:
    captured: list[Json] = []

    async def done() -> bool:
        try:
            captured.append(await client.command("capture_image"))
        except CommandError:
            return False
        return True

    await until_answers(done)
    return captured[0]


@pytest.mark.parametrize(
    ("name", "value"), [("movie", 1), ("movierecordtarget", "Card"), ("opcode", "0x920a"), ("/main/actions/movie", 1)]
)
async def test_set_config_starts_no_movie(client: Client, camera: OneCamera, name: str, value: object) -> None:
    with pytest.raises(CommandError, match=r"config_not_found|Use start_movie|cannot be set|does not support"):
        await client.command("set_config", name=name, value=value)
    assert camera.control.state()["movies"] == []


# -- one maker


PROHIBITED = [
    (1 << 0, "no card", "Insert a card"), (1 << 1, "has an error", "Change the card"), (1 << 2, "not formatted", "Format the card"),
    (1 << 12, "magnified", "whole picture"), (1 << 13, "set to pictures", "selector"), (1 << 10, "own button", "own button"),
    (1 << 20, "refused", "Switch the camera to movies"),
]  # fmt: skip


@pytest.mark.parametrize("shared_camera", ["nikon"], indirect=True)
@pytest.mark.parametrize(("bit", "words", "how"), PROHIBITED)
async def test_a_nikon_says_why_it_does_not_start(
    client: Client, camera: OneCamera, bit: int, words: str, how: str
) -> None:
    camera.control.movie(prohibit=bit)
    with pytest.raises(CommandError, match=words) as error:
        await client.command("start_movie")
    assert error.value.code == "movie_unavailable"
    assert how in error.value.details["how"]
    state = camera.control.state()
    assert (state["movies"], state["live_view"], state["properties"]["applicationmode"]) == ([], False, 0)


@pytest.mark.parametrize("shared_camera", ["canon"], indirect=True)
async def test_a_canon_that_is_set_to_pictures_is_explained(client: Client, camera: OneCamera) -> None:
    camera.control.veto("movierecordtarget")
    with pytest.raises(CommandError, match="Switch the camera to movies") as error:
        await client.command("start_movie")
    assert (error.value.code, camera.control.state()["live_view"]) == ("movie_unavailable", False)


@pytest.mark.parametrize("shared_camera", ["canon"], indirect=True)
async def test_the_settings_can_be_changed_after_a_movie(client: Client, camera: OneCamera) -> None:
    await client.command("start_movie")
    await client.command("stop_movie")
    await client.command("set_config", name="viewfinder", value=1)
    await client.command("set_config", name="viewfinder", value=0)


async def test_a_camera_without_movies(new_server: Callable[..., Server], picture_folder: Path) -> None:
    server = new_server(VCAMERADIR=str(picture_folder))
    async with await Client.connect(server) as client:
        with pytest.raises(CommandError, match="not_supported"):
            await client.command("start_movie")


async def test_two_starts_at_once_start_one_movie(client: Client, shared_server: Server, camera: OneCamera) -> None:
    async with await Client.connect(shared_server) as other:
        answers = await asyncio.gather(
            client.command("start_movie"), other.command("start_movie"), return_exceptions=True
        )
        (refused,) = (answer for answer in answers if isinstance(answer, CommandError))
        assert refused.code == "camera_busy"
        # two stops at once stop it once
        await asyncio.gather(client.command("stop_movie"), other.command("stop_movie"), return_exceptions=True)
    assert len(camera.control.state()["movies"]) == 1
