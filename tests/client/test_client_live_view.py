"""Live view of the client: the newest frame, its header, dropped frames, and how a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from gphoto_ws_client import Client, DataError

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import as_they_are
from tests.support.marks import decoded, mark
from tests.support.rig import Server
from tests.support.waiting import WITHIN_S, until


@pytest.fixture
def simulator(shared_cameras: SimulatorProcess) -> Iterator[Control]:
    """The control port. The cameras are not reset: live view may still be on from the previous test."""
    with as_they_are(shared_cameras) as control:
        yield control


async def test_frames_have_number_time_and_picture(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=30) as view:
        assert view.started is not None
        frames = [await anext(view) for _ in range(5)]
    assert [frame.stream for frame in frames] == [view.started.stream] * 5
    numbers = [frame.seq for frame in frames]
    assert numbers == sorted(set(numbers))
    for frame in frames:
        assert decoded(frame.jpeg).size == (480, 320)
        assert abs(datetime.now(UTC) - frame.time) < timedelta(minutes=1)


async def test_a_slow_client_gets_the_newest_frame_with_dropped_set(api: Client, server: Server) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=30) as slow, Client(server.uri, server.token) as second:
        first = await anext(slow)
        assert api._connection.selected is not None
        async with second.live_view(fps=30, port=api._connection.selected) as fast:
            seen = await anext(fast)
            while seen.seq < first.seq + 10:
                seen = await anext(fast)
        late = await anext(slow)
    assert late.dropped
    assert late.seq >= seen.seq - 3
    assert mark(late.jpeg, "frame") > mark(first.jpeg, "frame")


async def test_with_one_frame_in_flight_each_ack_requests_the_next(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=60, max_in_flight=1) as view:
        frames = [await anext(view) for _ in range(5)]  # the server sends the next frame after each ack
        assert frames[-1].seq > frames[0].seq


async def test_leaving_the_context_ends_live_view(api: Client, simulator: Control) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view() as view:
        await anext(view)
    await until(lambda: not simulator.state()["live_view"])
    with pytest.raises(StopAsyncIteration):
        await anext(view)


async def test_live_view_is_stopped_by_stream_number_or_by_port(api: Client, ports: list[str]) -> None:
    async with asyncio.timeout(WITHIN_S):
        first = await api.start_live_view(fps=15)
        second = await api.start_live_view(fps=15, port=ports[1])
        assert first.started is not None
        assert first.started.stream != (second.started.stream if second.started else None)
        await anext(first)
        assert (await api.stop_live_view(stream=first.started.stream)).sent > 0
        assert [frame async for frame in first] == []
        assert (await anext(second)).jpeg
        await api.stop_live_view(port=ports[1])
        assert [frame async for frame in second] == []
        with pytest.raises(DataError) as caught:
            await api.stop_live_view()
        assert caught.value.code == "live_view_not_running"


async def test_stopping_returns_the_servers_counts(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S):
        view = await api.start_live_view()
        for _ in range(3):
            await anext(view)
        stopped = await view.stop()
        assert stopped is not None
        assert stopped.sent >= 3
        assert await view.stop() is None


async def test_frames_have_the_requested_rotation_and_flip(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(rotation=90, flip=True) as view:
        assert view.started is not None
        assert (view.started.rotation, view.started.flip) == (90, True)
        assert decoded((await anext(view)).jpeg).size == (320, 480)


async def test_a_cancelled_start_leaves_no_stream(api: Client, simulator: Control) -> None:
    await until(lambda: not simulator.state()["live_view"])
    simulator.fault("late", "0x9110", seconds=0.7)  # the operation that switches the viewfinder on
    starting = asyncio.create_task(api.start_live_view())
    await until(lambda: not simulator.state()["faults"])
    starting.cancel()
    await asyncio.wait((starting,))
    await until(lambda: not simulator.state()["live_view"])
    assert (await api.get_camera_info()).viewers == 0


async def test_a_capture_does_not_end_the_stream(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view() as view:
        before = await anext(view)
        await api.capture_image()
        while (await anext(view)).seq <= before.seq + 3:
            pass
