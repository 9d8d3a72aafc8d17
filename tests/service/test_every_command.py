"""Every command through the service, without a socket, on simulated cameras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from camera.errors import CameraNotFound, ConfigNotFound, FileNotFound, LiveViewNotRunning
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
from service.commands import LiveViewDefaults, Service
from service.events import EventHub
from simulator.process import SimulatorProcess
from tests.support.cameras import QUICK
from tests.support.waiting import WITHIN_S, until

Ask = Callable[..., Any]


class Person:
    """Somebody who asks, and keeps what it hears."""

    def __init__(self, service: Service) -> None:
        self.notices: list[Notice] = []
        self.caller = Caller(self.notices.append)
        self._service = service

    async def ask(self, name: str, /, **payload: Any) -> Any:
        async with asyncio.timeout(WITHIN_S):
            return await self._service.ask(self.caller, name, COMMANDS[name].validate(payload))

    def heard(self, name: str) -> list[dict[str, Any]]:
        return [notice.values for notice in self.notices if notice.name == name]


class Viewer:
    """Counts frames."""

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


@pytest.fixture(scope="module")
def port() -> Any:
    with SimulatorProcess(*QUICK) as simulator:
        yield simulator.cameras[0].address


@pytest.fixture
async def service(port: str, tmp_path: Any) -> AsyncIterator[Service]:
    photos = PhotoOptions(PhotoSaver(PhotoFolder(tmp_path / "photos", "{original}")))
    events = EventHub()
    registry = Registry([port], SessionOptions(photos=photos), events.emit)
    service = Service(registry, events, LiveViewDefaults(), "1.2.3", {"streams": 2})
    service.start()
    yield service
    await service.drain(1)
    await service.stop()


@pytest.fixture
async def person(service: Service) -> AsyncIterator[Person]:
    person = Person(service)
    service.events.join(person.caller)
    yield person
    service.events.leave(person.caller)
    person.caller.leave()


def test_every_command_is_served(service: Service) -> None:
    assert list(service.handlers) == list(COMMANDS)


async def test_which_camera_is_meant(person: Person, port: str) -> None:
    assert [camera.port for camera in (await person.ask("list_cameras")).cameras] == [port]
    assert "selected" in (await person.ask("select_camera", port=port)).message
    assert person.caller.selected is not None
    assert (await person.ask("get_camera_info")).serial
    with pytest.raises(CameraNotFound) as caught:
        await person.ask("get_camera_info", port="usb:009,009")
    assert caught.value.ports == (port,)


async def test_settings(person: Person) -> None:
    assert (await person.ask("get_config", name="iso")).value == "100"
    assert len((await person.ask("get_config")).configs) > 20
    await person.ask("subscribe", events=["config_changed"])
    assert (await person.ask("set_config", name="iso", value=200)).value == "200"
    assert {"config_name": "iso", "value": "200"}.items() <= person.heard("config_changed")[0].items()
    assert (await person.ask("unsubscribe", events=["*"])).events == []
    with pytest.raises(ConfigNotFound) as caught:
        await person.ask("set_config", name="isso", value=100)
    assert caught.value.similar == ("iso",)


async def test_a_picture_comes_before_it_is_saved_and_the_rest_of_the_reply_after(person: Person) -> None:
    await person.ask("subscribe", events=["*"])
    answer = await person.ask("capture_image", download="full", save=True)
    assert isinstance(answer, PictureReply)
    assert answer.file.read(0, 2) == b"\xff\xd8"
    assert answer.reply.image_b64 == answer.mark
    assert answer.rest is not None
    whole = await answer.rest()
    assert whole.files[0].saved_path is not None
    assert person.heard("capture_saved")[0]["saved_path"] == whole.files[0].saved_path


async def test_files(person: Person) -> None:
    taken = await person.ask("capture_image", download="thumbnail")
    assert isinstance(taken, c.Captured)
    assert taken.image_b64
    path = taken.camera_filepath
    listed = await person.ask("list_files", folder=path.rpartition("/")[0])
    assert path in [file.camera_filepath for file in listed.files]
    assert (await person.ask("get_thumbnail", camera_filepath=path)).image_b64
    picture = await person.ask("download_last_image")
    assert isinstance(picture, PictureReply)
    piece = await person.ask("download_last_image", camera_filepath=path, offset=2, length=10, transfer="binary")
    assert isinstance(piece, FileTransfer)
    assert (piece.start, piece.end, piece.reply.eof) == (2, 12, False)
    await person.ask("delete_file", camera_filepath=path)
    with pytest.raises(FileNotFound):
        await person.ask("download_last_image", camera_filepath=path)


async def test_live_view(person: Person) -> None:
    assert (await person.ask("capture_preview")).image_b64
    answer = await person.ask("start_live_view", fps=30, rotation=90)
    assert isinstance(answer, FrameStream)
    viewer = answer.stream.viewer = Viewer(answer)

    async def started() -> None:
        return

    await answer.stream.camera.live.add(viewer, started)
    await until(lambda: viewer.sent > 2)
    assert (await person.ask("stop_live_view", stream=answer.reply.stream)).sent >= 3
    assert viewer.closed
    with pytest.raises(LiveViewNotRunning):
        await person.ask("stop_live_view")
    for _ in range(2):
        await person.ask("start_live_view")
    with pytest.raises(RequestError) as caught:
        await person.ask("start_live_view")
    assert caught.value.code == "too_many_pending"


async def test_the_server_itself(person: Person, service: Service) -> None:
    assert (await person.ask("server_info")).version == "1.2.3"
    assert len((await person.ask("list_commands")).commands) == len(COMMANDS)
    assert (await person.ask("ping")).message == "pong"
    await person.ask("restart_camera")
    good, health = service.cameras.health()
    assert (good, health["status"]) == (True, "ok")


async def test_what_comes_while_it_is_shut_down_is_not_begun(person: Person, service: Service) -> None:
    await person.ask("get_config", name="iso")
    await service.drain(1)
    with pytest.raises(RequestError) as caught:
        await person.ask("capture_image")
    assert caught.value.code == "shutting_down"
