"""Live view frame rates: each viewer gets its own rate from one stream. The test controls the clock."""

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
    """A viewer that records the numbers of its frames."""

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
    """Switches live view of a camera. Records the requested frame rates, or raises `error` if it is not None."""

    def __init__(self) -> None:
        self.rates: list[float | None] = []
        self.error: CameraError | None = None

    async def __call__(self, feed: Feed | None) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.rates.append(feed.fps if feed else None)


async def reply_at_once() -> None:
    """Sends the reply to a client that reads it without delay."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("camera.live_view.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def switch() -> Switch:
    return Switch()


def stream(live: LiveView, clock: list[float], fps: float, seconds: float) -> None:
    """Publish frames at a constant rate."""
    for _ in range(round(fps * seconds)):
        clock[0] += 1 / fps
        live.publish(Frame(b"", live.last_seq + 1, 0))


@pytest.mark.parametrize(("source", "requested"), [(30, 30), (30, 10), (30, 7), (30, 1), (24, 25), (60, 30), (30, 0.5)])
async def test_a_viewer_gets_at_most_its_rate(
    clock: list[float], switch: Switch, source: float, requested: float
) -> None:
    live, viewer = LiveView(switch), Viewer(requested)
    await live.add(viewer, reply_at_once)
    stream(live, clock, source, 20)
    assert len(viewer.seen) == pytest.approx(min(source, requested) * 20, abs=2)


async def test_after_a_long_pause_there_is_no_burst_of_frames(clock: list[float], switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(5)
    await live.add(viewer, reply_at_once)
    stream(live, clock, 30, 1)
    clock[0] += 60
    viewer.seen.clear()
    stream(live, clock, 30, 1)
    assert len(viewer.seen) <= 7


async def test_the_camera_runs_at_the_fastest_viewers_rate(clock: list[float], switch: Switch) -> None:
    live = LiveView(switch)
    for fps in (10, 5, 30):
        await live.add(Viewer(fps), reply_at_once)
    assert switch.rates == [10, 30]


async def test_no_viewer_is_added_if_the_camera_rejects_live_view(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(10)
    switch.error = CameraBusy("busy")
    with pytest.raises(CameraBusy):
        await live.add(viewer, reply_at_once)
    live.publish(Frame(b"", 1, 0))
    assert (live.viewers, live.running, viewer.seen) == (0, False, [])


async def test_a_viewer_gets_no_frame_before_its_reply_and_others_are_not_delayed(switch: Switch) -> None:
    live, slow, quick = LiveView(switch), Viewer(30), Viewer(30)
    reply_sent = asyncio.Event()

    async def reply() -> None:
        await reply_sent.wait()

    starting = asyncio.create_task(live.add(slow, reply))
    async with asyncio.timeout(WITHIN_S):
        await live.add(quick, reply_at_once)
    live.publish(Frame(b"", 1, 0))
    assert (slow.seen, quick.seen) == ([], [1])
    reply_sent.set()
    await starting
    live.publish(Frame(b"", 2, 0))
    assert slow.seen == [2]


async def test_a_viewer_whose_stream_ends_during_its_start_is_notified(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(30)

    async def reply() -> None:
        live.end("camera_disconnected")
        assert viewer.reasons == []

    await live.add(viewer, reply)
    assert viewer.reasons == ["camera_disconnected"]


async def test_a_stream_resumes_at_its_rate_after_a_reconnect(switch: Switch) -> None:
    live = LiveView(switch)
    await live.add(Viewer(12), reply_at_once)
    live.paused()
    await live.resume()
    assert switch.rates == [12, 12]


async def test_viewers_are_notified_if_the_camera_cannot_resume(switch: Switch) -> None:
    live, viewer = LiveView(switch), Viewer(12)
    await live.add(viewer, reply_at_once)
    live.paused()
    switch.error = CameraError("no")
    await live.resume()
    assert (viewer.reasons, live.viewers) == (["camera_error"], 0)


async def test_the_mirror_stays_up_for_the_linger_time_after_the_last_viewer(
    switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "_LINGER_S", 0.3)
    live, first, second = LiveView(switch), Viewer(30), Viewer(30)
    await live.add(first, reply_at_once)
    live.remove(first)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.15)
    await live.add(second, reply_at_once)
    live.remove(second)
    removed_at = loop.time()
    await until(lambda: switch.rates[-1] is None)
    assert loop.time() - removed_at >= 0.29
    assert switch.rates == [30, None]
