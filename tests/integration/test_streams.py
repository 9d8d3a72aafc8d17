"""Live view: formats, frame rates, one camera stream for all viewers, captures during live view, slow viewers."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.cameras import as_they_are
from tests.support.marks import decoded, from_base64, mark
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until

HEADER = struct.Struct(">BBHIQ")


@pytest.fixture
def simulator(shared_cameras: SimulatorProcess) -> Iterator[Control]:
    """The control port. The cameras are not reset: live view of the previous test may still be on."""
    with as_they_are(shared_cameras) as control:
        yield control


async def binary(client: Client, within: float = 10.0) -> bytes:
    """The next binary message."""
    async with asyncio.timeout(within):
        while True:
            message = await client.receive(within)
            if isinstance(message, bytes):
                return message


async def frames(client: Client, count: int) -> list[Json]:
    """The next `count` live-view frames, as JSON events."""
    return [await client.event("live_view_frame") for _ in range(count)]


@asynccontextmanager
async def viewer(server: Server, port: str, **options: Any) -> AsyncIterator[Client]:
    """A separate client with its own stream."""
    # If frames are unread, the client of the library websockets does not see the server's close frame, and waits for
    # close_timeout.
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("start_live_view", port=port, **options)
        yield client


@asynccontextmanager
async def without_reading(server: Server, port: str, **options: Any) -> AsyncIterator[Client]:
    """A client that starts live view, and does not read from its socket after the reply."""
    small_buffer = socket.socket()
    small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, number = server.uri.removeprefix("ws://").partition(":")
    small_buffer.connect((host, int(number)))
    async with connect(server.uri, sock=small_buffer, max_size=None, close_timeout=0) as connection:
        await connection.send(json.dumps({"token": server.token}))
        client = Client(connection)
        await client.command("start_live_view", port=port, **options)
        connection.transport.pause_reading()
        yield client
        connection.transport.abort()


async def test_json_frames_follow_the_reply(client: Client) -> None:
    reply = await client.command("start_live_view", fps=30)
    assert client.events == []
    for frame in await frames(client, 3):
        assert (frame["stream"], frame["mimetype"]) == (reply["stream"], "image/jpeg")
        assert decoded(from_base64(frame["image_b64"])).size == (480, 320)


async def test_binary_frames_have_a_header(client: Client) -> None:
    reply = await client.command("start_live_view", format="binary")
    before = 0
    for _ in range(3):
        message = await binary(client)
        kind, flags, stream, sequence, microseconds = HEADER.unpack_from(message)
        assert (kind, flags & ~2, stream) == (1, 0, reply["stream"])
        assert sequence > before
        assert abs(microseconds / 1e6 - time.time()) < 60
        assert decoded(message[HEADER.size :]).size == (480, 320)
        before = sequence


async def test_jpeg_frames_have_no_header(client: Client) -> None:
    await client.command("start_live_view", format="jpeg")
    for _ in range(3):
        assert decoded(await binary(client)).size == (480, 320)


@pytest.mark.parametrize("form", ["base64", "binary"])
async def test_the_reply_comes_before_the_first_frame(server: Server, ports: list[str], form: str) -> None:
    async with viewer(server, ports[0]), await Client.connect(server) as client:
        await client.socket.send(
            json.dumps({"command": "start_live_view", "payload": {"port": ports[0], "format": form}})
        )
        first = await client.receive()
        assert isinstance(first, dict)
        assert first["message"] == "Live view started"


async def test_every_frame_is_newer_than_the_previous_one(client: Client) -> None:
    await client.command("start_live_view", fps=60)
    pictures = [from_base64(frame["image_b64"]) for frame in await frames(client, 20)]
    numbers = [mark(picture, "frame") for picture in pictures]
    assert all(earlier < next_frames for earlier, next_frames in itertools.pairwise(numbers))


async def test_sequence_numbers_continue_after_a_stop(client: Client) -> None:
    await client.command("start_live_view")
    last = (await frames(client, 3))[-1]["seq"]
    await client.command("stop_live_view")
    client.events.clear()
    await client.command("start_live_view")
    assert (await client.event("live_view_frame"))["seq"] > last


async def test_each_viewer_gets_at_most_its_own_rate(server: Server, ports: list[str]) -> None:
    async with viewer(server, ports[0], fps=30) as fast, viewer(server, ports[0], fps=5) as slow:
        await fast.event("live_view_frame")
        first = await slow.event("live_view_frame")
        received = [first, *await frames(slow, 10)]
        times = [datetime.fromisoformat(frame["time"]) for frame in received]
        # At 5 frames per second, the interval between two frames is 0.2 s. It is shorter only after a late frame.
        assert (times[-1] - times[0]).total_seconds() > 1.5


async def test_two_viewers_share_one_camera_stream(server: Server, ports: list[str], simulator: Control) -> None:
    async with (
        viewer(server, ports[0], fps=30) as first_viewer,
        viewer(server, ports[0], fps=30, format="binary") as second_viewer,
    ):
        numbers: list[set[int]] = [set(), set()]
        for _ in range(15):
            numbers[0].add(mark(from_base64((await first_viewer.event("live_view_frame"))["image_b64"]), "frame"))
            numbers[1].add(mark((await binary(second_viewer))[HEADER.size :], "frame"))
        # Both viewers get frames of one stream. Only some of their first and last frames may differ.
        received = numbers[0] | numbers[1]
        assert len(numbers[0] & numbers[1]) >= 5
        assert max(received) - min(received) <= simulator.state()["frames"]


async def test_live_view_is_off_at_the_camera_after_the_last_viewer(
    server: Server, ports: list[str], simulator: Control
) -> None:
    async with viewer(server, ports[0]) as first_viewer:
        async with viewer(server, ports[0]) as second_viewer:
            await second_viewer.event("live_view_frame")
        await first_viewer.event("live_view_frame")
        assert simulator.state()["live_view"]
    await until(lambda: not simulator.state()["live_view"])


async def test_live_view_is_off_at_the_camera_after_a_viewer_disconnected(
    server: Server, ports: list[str], simulator: Control
) -> None:
    disconnecting = await Client.connect(server)
    await disconnecting.command("start_live_view", port=ports[0])
    await disconnecting.event("live_view_frame")
    disconnecting.socket.transport.abort()
    await until(lambda: not simulator.state()["live_view"])


async def test_live_view_stays_on_at_the_camera_for_an_immediate_restart(
    client: Client, ports: list[str], simulator: Control
) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    settings_written = simulator.state()["operations"]["0x9110"]
    await client.command("stop_live_view")
    await client.command("start_live_view")
    received = await frames(client, 60)  # takes 2 s, longer than live view stays on after the last viewer
    assert received[-1]["seq"] > received[0]["seq"]
    assert simulator.state()["operations"]["0x9110"] == settings_written


async def test_after_a_preview_live_view_is_off_at_the_camera(client: Client, simulator: Control) -> None:
    await until(lambda: not simulator.state()["live_view"])
    decoded(from_base64((await client.command("capture_preview"))["image_b64"]))
    await until(lambda: not simulator.state()["live_view"])


async def test_a_preview_during_a_stream_does_not_end_it(client: Client) -> None:
    await client.command("start_live_view")
    await client.command("capture_preview")
    client.events.clear()
    await frames(client, 5)


async def test_a_stream_that_starts_during_a_preview_gets_its_frames(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    await until(lambda: not simulator.state()["live_view"])
    simulator.fault("late", "0x9153", seconds=0.5)
    preview = asyncio.create_task(client.command("capture_preview"))
    await until(lambda: not simulator.state()["faults"])
    async with viewer(server, ports[0]) as second_viewer:
        await preview
        await frames(second_viewer, 10)


def _frame_after(seq: int) -> Callable[[Json], bool]:
    return lambda frame: frame["seq"] > seq


async def test_a_stream_resumes_after_a_capture(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    async with viewer(server, ports[0]) as viewing_client:
        shots = simulator.state()["shots"]
        for shot in (1, 2, 3):
            before = (await frames(viewing_client, 3))[-1]
            await client.command("capture_image")
            assert simulator.state()["shots"] == shots + shot
            after = await viewing_client.event(_frame_after(before["seq"] + 3))
            decoded(from_base64(after["image_b64"]))


async def test_stopping_returns_the_number_of_sent_frames(client: Client) -> None:
    await client.command("start_live_view", format="binary")
    for _ in range(5):
        await binary(client)
    counts = await client.command("stop_live_view")
    assert counts["sent"] == len(client.binary)
    await client.command("ping")
    assert counts["sent"] == len(client.binary)


async def test_stopping_without_a_stream_is_an_error(client: Client) -> None:
    with pytest.raises(CommandError) as error:
        await client.command("stop_live_view")
    assert error.value.code == "live_view_not_running"


async def test_a_stream_of_another_client_cannot_be_stopped(client: Client, server: Server, ports: list[str]) -> None:
    async with viewer(server, ports[0]) as second_viewer:
        with pytest.raises(CommandError, match="live_view_not_running"):
            await client.command("stop_live_view")
        await frames(second_viewer, 3)


def _frame_of(stream: int) -> Callable[[Json], bool]:
    return lambda event: event["stream"] == stream


async def test_two_streams_of_one_client_have_different_numbers(client: Client, ports: list[str]) -> None:
    streams = [(await client.command("start_live_view", port=port))["stream"] for port in ports]
    assert len(set(streams)) == 2
    for stream, serial in zip(streams, ("SIM0000001", "SIM0000002"), strict=True):
        frame = await client.event(_frame_of(stream))
        assert f"serial={serial}".encode() in from_base64(frame["image_b64"])
    await client.command("stop_live_view", stream=streams[0])
    client.events.clear()
    assert {frame["stream"] for frame in await frames(client, 5)} == {streams[1]}


async def test_at_most_max_in_flight_frames_are_sent_without_an_ack(client: Client) -> None:
    reply = await client.command("start_live_view", max_in_flight=2)
    unacknowledged = await frames(client, 2)
    await client.command("get_config", name="iso")
    with pytest.raises(TimeoutError):
        await client.event("live_view_frame", within=0.5)
    await client.socket.send(json.dumps({"ack": {"stream": reply["stream"], "seq": unacknowledged[-1]["seq"]}}))
    next_frames = await frames(client, 2)
    assert next_frames[0]["seq"] > unacknowledged[-1]["seq"] + 1  # the frames in between were dropped
    assert (await client.command("stop_live_view"))["dropped"] > 0


async def test_an_ack_for_an_unknown_stream_is_ignored(client: Client) -> None:
    await client.socket.send(json.dumps({"ack": {"stream": 9, "seq": 1}}))
    assert (await client.command("ping"))["message"] == "pong"


async def test_a_stalled_viewer_delays_no_other_and_gets_the_newest_frame_afterwards(
    client: Client, server: Server, ports: list[str]
) -> None:
    async with without_reading(server, ports[0], format="binary") as stalled:
        await client.command("start_live_view")
        received = await frames(client, 60)
        stalled.socket.transport.resume_reading()
        sequence, flags = 0, 0
        while sequence < received[-1]["seq"]:
            message = await binary(stalled)
            _, message_flags, _, sequence, _ = HEADER.unpack_from(message)
            flags |= message_flags
            decoded(message[HEADER.size :])
        assert flags & 2, "frames were left out and no flag said so"
        assert len(stalled.binary) < 40
        counts = await stalled.command("stop_live_view")
        assert counts["dropped"] > 0


async def test_viewers_that_do_not_read_use_bounded_memory(client: Client, server: Server, ports: list[str]) -> None:
    process = psutil.Process(server.process.pid)
    await client.command("start_live_view")
    await frames(client, 5)
    async with without_reading(server, ports[0]), without_reading(server, ports[0], format="binary"):
        await frames(client, 20)
        before = process.memory_info().rss
        await frames(client, 60)
        assert process.memory_info().rss - before < 5 * 2**20


async def test_a_stalled_viewer_does_not_prevent_others_from_starting(
    client: Client, server: Server, ports: list[str]
) -> None:
    await client.command("start_live_view")
    async with without_reading(server, ports[0]) as stalled:
        await frames(client, 30)  # during these frames, the socket of the stalled viewer becomes full
        await stalled.socket.send(json.dumps({"command": "start_live_view", "payload": {"port": ports[0]}}))
        await frames(client, 3)
        async with await Client.connect(server) as second_viewer:
            await second_viewer.command("start_live_view", port=ports[0])
            await second_viewer.event("live_view_frame")


async def test_after_many_quick_starts_and_stops_the_last_command_is_effective(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    clients = [await Client.connect(server) for _ in range(4)]

    async def start_and_stop(second_viewer: Client) -> None:
        for _ in range(10):
            await second_viewer.command("start_live_view", port=ports[0])
            await second_viewer.command("stop_live_view", port=ports[0])

    await asyncio.gather(*(start_and_stop(second_viewer) for second_viewer in clients))
    await client.command("start_live_view")
    await frames(client, 5)
    for second_viewer in clients:
        await second_viewer.close()
    client.events.clear()
    await frames(client, 45)
    await client.command("stop_live_view")
    await until(lambda: not simulator.state()["live_view"])
