"""Live view of the client: the newest frame, its header, gaps, the end."""

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
    """Not reset: live view may still be on from the test before."""
    with as_they_are(shared_cameras) as control:
        yield control


async def test_frames_carry_their_number_time_and_picture(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=30) as view:
        assert view.started is not None
        frames = [await anext(view) for _ in range(5)]
    assert [frame.stream for frame in frames] == [view.started.stream] * 5
    numbers = [frame.seq for frame in frames]
    assert numbers == sorted(set(numbers))
    for frame in frames:
        assert decoded(frame.jpeg).size == (480, 320)
        assert abs(datetime.now(UTC) - frame.time) < timedelta(minutes=1)


async def test_a_slow_reader_gets_the_newest_frame_and_is_told_of_the_gap(api: Client, server: Server) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=30) as slow, Client(server.uri, server.token) as other:
        first = await anext(slow)
        assert api._connection.selected is not None
        async with other.live_view(fps=30, port=api._connection.selected) as fast:
            seen = await anext(fast)
            while seen.seq < first.seq + 10:
                seen = await anext(fast)
        late = await anext(slow)
    assert late.dropped
    assert late.seq >= seen.seq - 3
    assert mark(late.jpeg, "frame") > mark(first.jpeg, "frame")


async def test_frames_stay_off_the_network_when_nobody_acknowledges(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(fps=60, max_in_flight=1) as view:
        frames = [await anext(view) for _ in range(5)]  # each ack lets the next one out
        assert frames[-1].seq > frames[0].seq


async def test_the_end_of_the_block_ends_live_view(api: Client, simulator: Control) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view() as view:
        await anext(view)
    await until(lambda: not simulator.state()["live_view"])
    with pytest.raises(StopAsyncIteration):
        await anext(view)


async def test_a_started_view_is_stopped_by_its_number_or_with_its_camera(api: Client, ports: list[str]) -> None:
    async with asyncio.timeout(WITHIN_S):
        one = await api.start_live_view(fps=15)
        other = await api.start_live_view(fps=15, port=ports[1])
        assert one.started is not None
        assert one.started.stream != (other.started.stream if other.started else None)
        await anext(one)
        assert (await api.stop_live_view(stream=one.started.stream)).sent > 0
        assert [frame async for frame in one] == []
        assert (await anext(other)).jpeg
        await api.stop_live_view(port=ports[1])
        assert [frame async for frame in other] == []
        with pytest.raises(DataError) as caught:
            await api.stop_live_view()
        assert caught.value.code == "live_view_not_running"


async def test_stopping_tells_the_servers_counts(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S):
        view = await api.start_live_view()
        for _ in range(3):
            await anext(view)
        stopped = await view.stop()
        assert stopped is not None
        assert stopped.sent >= 3
        assert await view.stop() is None


async def test_turned_and_mirrored_as_asked(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view(rotation=90, flip=True) as view:
        assert view.started is not None
        assert (view.started.rotation, view.started.flip) == (90, True)
        assert decoded((await anext(view)).jpeg).size == (320, 480)


async def test_a_start_that_is_called_off_leaves_no_stream_behind(api: Client, simulator: Control) -> None:
    await until(lambda: not simulator.state()["live_view"])
    simulator.fault("late", "0x9110", seconds=0.7)  # what the driver sets the viewfinder with
    starting = asyncio.create_task(api.start_live_view())
    await until(lambda: not simulator.state()["faults"])
    starting.cancel()
    await asyncio.wait((starting,))
    await until(lambda: not simulator.state()["live_view"])
    assert (await api.get_camera_info()).viewers == 0


async def test_a_still_in_between_does_not_end_the_stream(api: Client) -> None:
    async with asyncio.timeout(WITHIN_S), api.live_view() as view:
        before = await anext(view)
        await api.capture_image()
        while (await anext(view)).seq <= before.seq + 3:
            pass
