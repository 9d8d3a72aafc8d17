"""Every command, called on the service without a socket, with a simulated camera."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from auth import Tickets
from camera.errors import CameraNotFound, ConfigNotFound, FileNotFound, LiveViewNeeded, LiveViewNotRunning
from camera.model import Frame
from camera.options import SessionOptions
from camera.photos.folder import PhotoFolder
from camera.photos.saver import PhotoSaver
from camera.photos.shots import PhotoOptions
from camera.registry import Registry
from protocol import commands as c
from protocol.catalogue import COMMANDS
from protocol.errors import RequestError
from service.answers import FileTransfer, FrameStream, PictureReply
from service.caller import Caller, Notice
from service.commands import LiveViewDefaults, ServerFacts, Service
from service.event_log import EventLog
from service.events import EventHub
from store.database import Store
from store.events import EventStore
from store.schema import MIGRATIONS
from store.shots import ShotStore
from tests.support.cameras import QUICK, Simulator
from tests.support.waiting import WITHIN_S, until

Answer = Callable[..., Any]


class RecordingCaller:
    """A caller of the service. It records the notices that it gets."""

    def __init__(self, service: Service) -> None:
        self.notices: list[Notice] = []
        self.caller = Caller(self.notices.append)
        self._service = service

    async def ask(self, name: str, /, **payload: Any) -> Any:
        async with asyncio.timeout(WITHIN_S):
            return await self._service.ask(self.caller, name, COMMANDS[name].validate(payload))

    def notices_of(self, name: str) -> list[dict[str, Any]]:
        return [notice.values for notice in self.notices if notice.name == name]


class Viewer:
    """A viewer that counts its frames."""

    def __init__(self, answer: FrameStream) -> None:
        self.fps, self.orientation = answer.stream.fps, answer.stream.orientation
        self.sent = self.dropped = 0
        self.closed = False

    def offer(self, frame: Frame) -> None:
        self.sent += 1

    def ended(self, reason: str) -> None:
        raise AssertionError(reason)

    def close(self) -> None:
        self.closed = True


FACTS = ServerFacts("1.2.3", {"streams": 2}, Tickets("token").sign)


@pytest.fixture(scope="module")
def port() -> Any:
    with Simulator(*QUICK) as simulator:
        yield simulator.cameras[0].address


@pytest.fixture
async def service(port: str, tmp_path: Any) -> AsyncIterator[Service]:
    photos = PhotoOptions(PhotoSaver(PhotoFolder(tmp_path / "photos", "{original}")))
    events = EventHub(EventLog(EventStore(photos.journals.shots.store)))
    registry = Registry([port], SessionOptions(photos=photos), events.emit)
    service = Service(registry, events, photos.journals.shots, LiveViewDefaults(), FACTS)
    service.start()
    yield service
    await service.drain(1)
    await service.stop()


@pytest.fixture
async def recording_caller(service: Service) -> AsyncIterator[RecordingCaller]:
    recording_caller = RecordingCaller(service)
    service.events.join(recording_caller.caller)
    yield recording_caller
    service.events.leave(recording_caller.caller)
    recording_caller.caller.leave()


def test_every_command_is_served(service: Service) -> None:
    assert list(service.handlers) == list(COMMANDS)


async def test_shots_are_recorded(recording_caller: RecordingCaller, port: str) -> None:
    await recording_caller.ask("select_camera", port=port)
    shot = (await recording_caller.ask("capture_image", key="one")).shot
    assert (await recording_caller.ask("capture_image", key="one")).repeated
    (listed,) = (await recording_caller.ask("list_shots", limit=1)).shots
    assert (listed.shot, listed.outcome) == (shot, "done")
    assert (await recording_caller.ask("get_shot", shot=shot)).key == "one"


@pytest.mark.parametrize(("command", "payload"), [("list_shots", {}), ("get_shot", {"shot": 1})])
async def test_records_that_cannot_be_read_are_an_error_for_clients(
    port: str, tmp_path: Path, command: str, payload: dict[str, Any]
) -> None:
    store = Store(tmp_path / "store.db", MIGRATIONS)
    registry = Registry([port], SessionOptions(), lambda event: None)
    service = Service(registry, EventHub(EventLog(EventStore(store))), ShotStore(store), LiveViewDefaults(), FACTS)
    store.close()
    with pytest.raises(RequestError, match="cannot be read") as error:
        await RecordingCaller(service).ask(command, **payload)
    assert error.value.code == "not_recorded"


async def test_selecting_a_camera(recording_caller: RecordingCaller, port: str) -> None:
    assert [camera.port for camera in (await recording_caller.ask("list_cameras")).cameras] == [port]
    assert "selected" in (await recording_caller.ask("select_camera", port=port)).message
    assert recording_caller.caller.selected is not None
    assert (await recording_caller.ask("get_camera_info")).serial
    with pytest.raises(CameraNotFound) as error:
        await recording_caller.ask("get_camera_info", port="usb:009,009")
    assert error.value.ports == (port,)


async def test_reading_and_writing_settings(recording_caller: RecordingCaller) -> None:
    assert (await recording_caller.ask("get_config", name="iso")).value == "100"
    assert len((await recording_caller.ask("get_config")).configs) > 20
    await recording_caller.ask("subscribe", events=["config_changed"])
    assert (await recording_caller.ask("set_config", name="iso", value=200)).value == "200"
    assert {"config_name": "iso", "value": "200"}.items() <= recording_caller.notices_of("config_changed")[0].items()
    assert (await recording_caller.ask("unsubscribe", events=["*"])).events == []
    with pytest.raises(ConfigNotFound) as error:
        await recording_caller.ask("set_config", name="isso", value=100)
    assert error.value.similar == ("iso",)


async def test_recording_a_movie(recording_caller: RecordingCaller) -> None:
    await recording_caller.ask("subscribe", events=["movie_ended"])
    started = await recording_caller.ask("start_movie", max_s=60)
    assert (await recording_caller.ask("get_camera_info")).state == "recording"
    stopped = await recording_caller.ask("stop_movie")
    assert (stopped.shot, stopped.files[0].mimetype) == (started.shot, "video/quicktime")
    assert recording_caller.notices_of("movie_ended")[0]["reason"] == "stopped"


async def test_setting_the_clock(recording_caller: RecordingCaller) -> None:
    clock = await recording_caller.ask("sync_clock")
    assert (clock.config_name, abs(clock.was_off_s) <= 2) == ("datetime", True)


async def test_setting_the_words_for_pictures(recording_caller: RecordingCaller, port: str) -> None:
    await recording_caller.ask("get_camera_info")
    info = await recording_caller.ask("set_job_info", job="Smith", artist="Ada")
    assert (info.job, [(one.port, one.job, one.set) for one in info.cameras]) == (
        "Smith",
        [(port, "Smith", ["artist"])],
    )
    assert (await recording_caller.ask("get_config", name="artist")).value == "Ada"


async def test_a_picture_is_returned_before_it_is_saved(recording_caller: RecordingCaller) -> None:
    await recording_caller.ask("subscribe", events=["*"])
    answer = await recording_caller.ask("capture_image", download="full", save=True)
    assert isinstance(answer, PictureReply)
    assert answer.file.read(0, 2) == b"\xff\xd8"
    assert answer.reply.image_b64 == answer.mark
    assert answer.rest is not None
    complete = await answer.rest()
    assert complete.files[0].saved_path is not None
    assert recording_caller.notices_of("capture_saved")[0]["saved_path"] == complete.files[0].saved_path


async def test_listing_downloading_and_deleting_files(recording_caller: RecordingCaller) -> None:
    captured = await recording_caller.ask("capture_image", download="thumbnail")
    assert isinstance(captured, c.Captured)
    assert captured.image_b64
    path = captured.camera_filepath
    folder = await recording_caller.ask("list_files", folder=path.rpartition("/")[0])
    assert path in [file.camera_filepath for file in folder.files]
    assert (await recording_caller.ask("get_thumbnail", camera_filepath=path)).image_b64
    picture = await recording_caller.ask("download_last_image")
    assert isinstance(picture, PictureReply)
    piece = await recording_caller.ask(
        "download_last_image", camera_filepath=path, offset=2, length=10, transfer="binary"
    )
    assert isinstance(piece, FileTransfer)
    assert (piece.start, piece.end, piece.reply.eof) == (2, 12, False)
    await recording_caller.ask("delete_file", camera_filepath=path)
    with pytest.raises(FileNotFound):
        await recording_caller.ask("download_last_image", camera_filepath=path)


async def test_starting_and_stopping_live_view(recording_caller: RecordingCaller) -> None:
    assert (await recording_caller.ask("capture_preview")).image_b64
    answer = await recording_caller.ask("start_live_view", fps=30, rotation=90)
    assert isinstance(answer, FrameStream)
    viewer = answer.stream.viewer = Viewer(answer)

    async def reply_at_once() -> None:
        return

    await answer.stream.camera.live.add(viewer, reply_at_once)
    await until(lambda: viewer.sent > 2)
    assert (await recording_caller.ask("stop_live_view", stream=answer.reply.stream)).sent >= 3
    assert viewer.closed
    with pytest.raises(LiveViewNotRunning):
        await recording_caller.ask("stop_live_view")
    for _ in range(2):
        await recording_caller.ask("start_live_view")
    with pytest.raises(RequestError) as error:
        await recording_caller.ask("start_live_view")
    assert error.value.code == "too_many_pending"


async def test_focusing(recording_caller: RecordingCaller) -> None:
    for name, payload in (
        ("drive_focus", {"steps": 1}),
        ("autofocus", {"x": 1, "y": 0}),
        ("zoom_live_view", {"factor": 2}),
    ):
        with pytest.raises(LiveViewNeeded):
            await recording_caller.ask(name, **payload)
    assert (await recording_caller.ask("autofocus")).focused is None  # the lens is on manual focus
    assert "300 ms" in (await recording_caller.ask("half_press", hold_ms=300)).message


async def test_commands_about_the_server(recording_caller: RecordingCaller, service: Service) -> None:
    assert (await recording_caller.ask("server_info")).version == "1.2.3"
    assert len((await recording_caller.ask("list_commands")).commands) == len(COMMANDS)
    assert (await recording_caller.ask("ping")).message == "pong"
    await recording_caller.ask("restart_camera")
    healthy, health = service.cameras.health()
    assert (healthy, health["status"]) == (True, "ok")


async def test_a_command_during_the_shutdown_is_rejected(recording_caller: RecordingCaller, service: Service) -> None:
    await recording_caller.ask("get_config", name="iso")
    await service.drain(1)
    with pytest.raises(RequestError) as error:
        await recording_caller.ask("capture_image")
    assert error.value.code == "shutting_down"
