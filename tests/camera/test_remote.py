"""Verbs and messages of a camera process: each end decodes the messages of the other end, and rejects invalid ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from camera import remote
from camera.channel import ChannelBroken, Message
from camera.errors import CameraBusy
from camera.events import (
    ConfigChanged,
    ExposureEnded,
    ExposureStarted,
    FileAdded,
    Learned,
    LiveViewEnded,
    MovieEnded,
    MovieStarted,
)
from camera.model import (
    BurstLength,
    BurstTaken,
    CapturedFile,
    ClockSet,
    ConfigItem,
    ConfigRange,
    FocusMove,
    FocusSize,
    Frame,
    Magnified,
    Storage,
)
from camera.orientation import Orientation, Point
from camera.remote import (
    BulbPlan,
    BurstPlan,
    Content,
    Exposed,
    Fired,
    FolderContent,
    JobTable,
    RemoteCamera,
    Reply,
    serve,
    verb_of,
)

ITEM = ConfigItem("iso", "ISO", "radio", "100", False, ("100", "200"), ConfigRange(0.0, 1.0, 0.5), "/main/iso")
PLAN = BulbPlan({"shutterspeed": "bulb"}, ("expprogram",))
BURST_PLAN = BurstPlan({"drivemode": "Continuous"}, {"burstnumber": 3})
FILE = CapturedFile("/a/b.jpg", 7, "image/jpeg")


def transferred(message: Message) -> Message:
    """The message as the channel delivers it."""
    return Message(json.loads(json.dumps(message.header)), message.data, message.fd)


async def unexpected(*arguments: Any) -> None:
    raise AssertionError(arguments)


class Process:
    """The functions of a camera process. They record their arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.jobs = JobTable(
            serve(RemoteCamera.get_config, lambda name: self._record(ITEM, name)),
            serve(RemoteCamera.get_all_config, lambda: self._record([ITEM, ITEM])),
            serve(RemoteCamera.set_config, lambda name, value: self._record(ITEM, name, value)),
            serve(RemoteCamera.capture, self._capture),
            serve(RemoteCamera.plan_bulb, lambda: self._record(PLAN)),
            serve(RemoteCamera.expose, self._expose),
            serve(RemoteCamera.plan_fire, lambda half_press: self._record(1.5, half_press)),
            serve(RemoteCamera.fire, self._fire),
            serve(RemoteCamera.plan_burst, lambda length: self._record(BURST_PLAN, length)),
            serve(RemoteCamera.burst, self._burst),
            serve(RemoteCamera.start_movie, self._start_movie),
            serve(RemoteCamera.stop_movie, lambda: self._record(None)),
            serve(RemoteCamera.file_info, lambda path: self._record(FILE, path)),
            serve(RemoteCamera.preview, lambda orientation: self._record(b"frame", orientation)),
            serve(
                RemoteCamera.start_live_view, lambda fps, orientations, seq: self._record(None, fps, orientations, seq)
            ),
            serve(RemoteCamera.stop_live_view, lambda: self._record(None)),
            serve(RemoteCamera.drive_focus, self._drive_focus),
            serve(RemoteCamera.autofocus, self._autofocus),
            serve(RemoteCamera.half_press, self._half_press),
            serve(
                RemoteCamera.zoom_live_view, lambda factor, point: self._record(Magnified(factor, point), factor, point)
            ),
            serve(RemoteCamera.fetch, lambda path, *rest: self._record(Content(FILE, "ab", 9), path, *rest[:2])),
            serve(RemoteCamera.thumbnail, lambda path, orientation: self._record(b"small", path, orientation)),
            serve(RemoteCamera.list_files, lambda folder: self._record(FolderContent(["x"], [FILE]), folder)),
            serve(RemoteCamera.list_names, lambda folder: self._record(remote.FolderNames(["x"], ["y"]), folder)),
            serve(RemoteCamera.delete_file, lambda path: self._record(None, path)),
            serve(RemoteCamera.sync_clock, lambda: self._record(ClockSet("datetime", -5, 2000000000))),
            serve(RemoteCamera.storage, lambda: self._record([Storage("/", "card", 10, None)])),
            serve(RemoteCamera.wire_problem, lambda: self._record("It is cut.")),
            serve(RemoteCamera.keep_alive, lambda: self._record(None)),
        )
        self.progress: list[float] = []

    def _record(self, result: Any, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return result

    def _capture(self, on_progress: remote.OnProgress) -> list[CapturedFile]:
        on_progress(0.5)
        self._record(None)
        return [FILE]

    def _expose(self, bulb_s: float, on_progress: remote.OnProgress) -> Exposed:
        on_progress(2 * bulb_s)
        self._record(None, bulb_s)
        return Exposed([FILE], bulb_s)

    def _fire(self, at: float, half_press: bool, confirmed: bool, on_progress: remote.OnProgress) -> Fired:
        on_progress(0.4)
        self._record(None, at, half_press, confirmed)
        return Fired([FILE], at + 0.001, None)

    def _burst(self, length: BurstLength, on_progress: remote.OnProgress) -> BurstTaken:
        on_progress(0.7)
        self._record(None, length)
        return BurstTaken([[FILE, FILE], [FILE]], 2, ["Late."])

    def _start_movie(self, max_s: float, on_progress: remote.OnProgress) -> None:
        on_progress(0.25)
        self._record(None, max_s)

    def _drive_focus(self, steps: int, size: FocusSize, on_progress: remote.OnProgress) -> FocusMove:
        on_progress(0.0)
        return self._record(FocusMove(steps, None), steps, size)  # type: ignore[no-any-return]

    def _autofocus(self, point: Point | None, on_progress: remote.OnProgress) -> bool | None:
        on_progress(0.2)
        self._record(None, point)
        return None

    def _half_press(self, hold_ms: int, on_progress: remote.OnProgress) -> None:
        on_progress(0.5)
        self._record(None, hold_ms)

    async def call(self, verb: remote.Verb, arguments: remote.Json, on_progress: remote.OnProgress) -> Any:
        job = self.jobs.job_of(transferred(Message(remote.request(3, verb, arguments))))
        assert job is not None
        reply = job.run(on_progress)
        assert isinstance(remote.incoming(transferred(reply)), Reply)
        return verb.result(transferred(reply))


async def test_every_verb_transfers_its_arguments_and_its_result() -> None:
    process = Process()
    camera = RemoteCamera(process.call, unexpected)
    rotated = Orientation(90, True)
    assert await camera.get_config("iso") == ITEM
    assert await camera.get_all_config() == [ITEM, ITEM]
    assert await camera.set_config("iso", 200) == ITEM
    assert await camera.capture(process.progress.append) == [FILE]
    assert await camera.plan_bulb() == PLAN
    assert await camera.expose(1.5, process.progress.append) == Exposed([FILE], 1.5)
    assert await camera.plan_fire(True) == 1.5
    assert await camera.fire(12.5, True, False, process.progress.append) == Fired([FILE], 12.501, None)
    assert await camera.plan_burst(BurstLength(3)) == BURST_PLAN
    burst = await camera.burst(BurstLength(hold_ms=500), process.progress.append)
    assert burst == BurstTaken([[FILE, FILE], [FILE]], 2, ["Late."])
    await camera.start_movie(60.0, process.progress.append)
    await camera.stop_movie()
    assert await camera.file_info("/a/b.jpg") == FILE
    assert await camera.preview(rotated) == b"frame"
    await camera.start_live_view(30.0, frozenset((rotated, Orientation())), seq=4)
    await camera.stop_live_view()
    assert await camera.drive_focus(-2, "small", process.progress.append) == FocusMove(-2, None)
    assert await camera.autofocus(Point(0.1, 0.2), process.progress.append) is None
    await camera.half_press(500, process.progress.append)
    assert await camera.zoom_live_view(5.0, None) == Magnified(5.0, None)
    assert await camera.zoom_live_view(2.0, Point(0.3, 0.4)) == Magnified(2.0, Point(0.3, 0.4))
    assert await camera.fetch("/a/b.jpg", rotated, digest=True) == Content(FILE, "ab", 9)
    assert await camera.thumbnail("/a/b.jpg", rotated) == b"small"
    assert await camera.list_files("/a") == FolderContent(["x"], [FILE])
    assert await camera.list_names("/a") == remote.FolderNames(["x"], ["y"])
    await camera.delete_file("/a/b.jpg")
    assert await camera.sync_clock() == ClockSet("datetime", -5, 2000000000)
    assert await camera.storage() == [Storage("/", "card", 10, None)]
    assert await camera.wire_problem() == "It is cut."
    await camera.keep_alive()
    assert process.progress == [0.5, 3.0, 0.4, 0.7, 0.25, 0.0, 0.2, 0.5]
    assert process.calls == [
        ("iso",), (), ("iso", 200), (), (), (1.5,), (True,), (12.5, True, False), (BurstLength(3),), (BurstLength(hold_ms=500),),
        (60.0,), (), ("/a/b.jpg",), (rotated,), (30.0, frozenset((rotated, Orientation())), 4), (),
        (-2, "small"), (Point(0.1, 0.2),), (500,), (5.0, None), (2.0, Point(0.3, 0.4)),
        ("/a/b.jpg", rotated, True), ("/a/b.jpg", rotated), ("/a",), ("/a",), ("/a/b.jpg",), (), (), (), (),
    ]  # fmt: skip


def test_a_verb_without_a_function_raises_an_error_at_once() -> None:
    with pytest.raises(NotImplementedError, match="get_config"):
        JobTable(serve(RemoteCamera.keep_alive, lambda: None))


@pytest.mark.parametrize(
    "event",
    [
        FileAdded("/a/b.jpg"), ConfigChanged("iso", "200"), ConfigChanged("d1b0", None), Learned("550D", {"events": False}),
        MovieStarted(60.0, "2030", "2031"), MovieEnded(9.5, "max_s"), LiveViewEnded(), ExposureStarted(90.0, "2030"), ExposureEnded(9.5, True), remote.Alive(), Frame(b"jpeg", 5, 6, Orientation(180)),
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
def test_an_event_is_unchanged_after_the_transfer(event: Any) -> None:
    assert remote.incoming(transferred(remote.event(event))) == event


def test_a_reply_that_failed_raises_its_error() -> None:
    reply = remote.incoming(Message(remote.failure(1, CameraBusy("Wait."), lost=False)))
    assert isinstance(reply, Reply)
    assert (reply.failed, reply.lost) == (True, None)
    with pytest.raises(CameraBusy, match="Wait"):
        verb_of(RemoteCamera.storage).result(reply.message)


@pytest.mark.parametrize(
    "header",
    [
        {}, {"event": "Nonsense"}, {"event": "FileAdded", "values": {"x": 1}}, {"event": "FileAdded"}, {"event": "Frame"},
        {"event": "Lost", "error": {"kind": "KeyError"}}, {"job": 1, "error": {"kind": "CameraBusy"}, "lost": True},
        {"job": 1, "error": "no", "lost": True}, {"event": []},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_message_breaks_the_channel(header: dict[str, Any]) -> None:
    with pytest.raises(ChannelBroken):
        remote.incoming(Message(header))
