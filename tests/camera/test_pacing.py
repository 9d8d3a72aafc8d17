"""Pacing of live view: each viewer its own rate from one stream of frames, on a clock that the test turns."""

from __future__ import annotations

import asyncio

import pytest

from camera import live_view
from camera.errors import CameraBusy, CameraError
from camera.live_view import Feed, LiveView
from camera.model import Frame
from camera.orientation import AS_IS
from tests.support.waiting import WITHIN_S, until


class Viewer:
    """Remembers the numbers of its frames."""

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.orientation = AS_IS
        self.seen: list[int] = []
        self.reasons: list[str] = []

    def offer(self, frame: Frame) -> None:
        self.seen.append(frame.seq)

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


class Switch:
    """The switch of a camera: what was asked of it, and an error to fail with."""

    def __init__(self) -> None:
        self.rates: list[float | None] = []
        self.error: CameraError | None = None

    async def __call__(self, feed: Feed | None) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.rates.append(feed.fps if feed else None)


async def at_once() -> None:
    """A client that takes its reply at once."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("camera.live_view.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def switch() -> Switch:
    return Switch()


def stream(live: LiveView, clock: list[float], fps: float, seconds: float) -> None:
    """Frames at a steady rate."""
    for _ in range(round(fps * seconds)):
        clock[0] += 1 / fps
        live.publish(Frame(b"", live.last_seq + 1, 0))


@pytest.mark.parametrize(("source", "wanted"), [(30, 30), (30, 10), (30, 7), (30, 1), (24, 25), (60, 30), (30, 0.5)])
async def test_a_viewer_gets_its_rate_and_no_more(
    clock: list[float], switch: Switch, source: float, wanted: float
) -> None:
    live, viewer = LiveView(switch), Viewer(wanted)
    await live.add(viewer, at_once)
    stream(live, clock, source, 20)
    assert len(viewer.seen) == pytest.approx(min(source, wanted) * 20, abs=2)


async def test_frames_after_a_long_pause_do_not_come_in_a_burst(clock: list[float], switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(5)
    await live.add(viewer, at_once)
    stream(live, clock, 30, 1)
    clock[0] += 60
    viewer.seen.clear()
    stream(live, clock, 30, 1)
    assert len(viewer.seen) <= 7


async def test_the_camera_runs_at_the_fastest_viewers_rate(clock: list[float], switch: Switch) -> None:
    live = LiveView(switch)
    for fps in (10, 5, 30):
        await live.add(Viewer(fps), at_once)
    assert switch.rates == [10, 30]


async def test_nobody_is_added_when_the_camera_refuses(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(10)
    switch.error = CameraBusy("busy")
    with pytest.raises(CameraBusy):
        await live.add(viewer, at_once)
    live.publish(Frame(b"", 1, 0))
    assert (live.viewers, live.running, viewer.seen) == (0, False, [])


async def test_no_frame_comes_before_the_reply_is_out_and_others_do_not_wait_for_it(switch: Switch) -> None:
    live, slow, quick = LiveView(switch), Viewer(30), Viewer(30)
    taken = asyncio.Event()

    async def reply() -> None:
        await taken.wait()

    starting = asyncio.create_task(live.add(slow, reply))
    async with asyncio.timeout(WITHIN_S):
        await live.add(quick, at_once)
    live.publish(Frame(b"", 1, 0))
    assert (slow.seen, quick.seen) == ([], [1])
    taken.set()
    await starting
    live.publish(Frame(b"", 2, 0))
    assert slow.seen == [2]


async def test_a_viewer_whose_stream_ends_while_it_starts_is_told(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(30)

    async def reply() -> None:
        live.end("camera_disconnected")
        assert viewer.reasons == []

    await live.add(viewer, reply)
    assert viewer.reasons == ["camera_disconnected"]


async def test_a_stream_is_resumed_at_its_rate_after_the_camera_was_away(switch: Switch) -> None:
    live = LiveView(switch)
    await live.add(Viewer(12), at_once)
    live.paused()
    await live.resume()
    assert switch.rates == [12, 12]


async def test_viewers_are_told_when_the_camera_cannot_resume(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(12)
    await live.add(viewer, at_once)
    live.paused()
    switch.error = CameraError("no")
    await live.resume()
    assert (viewer.reasons, live.viewers) == (["camera_error"], 0)


async def test_the_mirror_stays_up_a_full_second_after_the_last_of_several_visits(
    switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_LINGER_S", 0.3)
    live, one, other = LiveView(switch), Viewer(30), Viewer(30)
    await live.add(one, at_once)
    live.remove(one)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.15)
    await live.add(other, at_once)
    live.remove(other)
    left = loop.time()
    await until(lambda: switch.rates[-1] is None)
    assert loop.time() - left >= 0.29
    assert switch.rates == [30, None]
