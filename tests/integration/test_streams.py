"""Live view: formats, rates, one producer for all viewers, stills in between, slow viewers."""

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
    """Not reset: live view may still be on from the test before."""
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
    """The next live-view frames in JSON."""
    return [await client.event("live_view_frame") for _ in range(count)]


@asynccontextmanager
async def viewer(server: Server, port: str, **options: Any) -> AsyncIterator[Client]:
    """Another client, with a stream of its own."""
    # Frames that nobody takes keep websockets' client from seeing the answer to its close.
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("start_live_view", port=port, **options)
        yield client


@asynccontextmanager
async def without_reading(server: Server, port: str, **options: Any) -> AsyncIterator[Client]:
    """A client with a stream that takes nothing from its socket after the reply."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, number = server.uri.removeprefix("ws://").partition(":")
    small.connect((host, int(number)))
    async with connect(server.uri, sock=small, max_size=None, close_timeout=0) as connection:
        await connection.send(json.dumps({"token": server.token}))
        client = Client(connection)
        await client.command("start_live_view", port=port, **options)
        connection.transport.pause_reading()
        yield client
        connection.transport.abort()


async def test_frames_in_json_follow_the_reply(client: Client) -> None:
    reply = await client.command("start_live_view", fps=30)
    assert client.events == []
    for frame in await frames(client, 3):
        assert (frame["stream"], frame["mimetype"]) == (reply["stream"], "image/jpeg")
        assert decoded(from_base64(frame["image_b64"])).size == (480, 320)


async def test_frames_in_binary_carry_a_header(client: Client) -> None:
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


async def test_frames_as_bare_jpeg(client: Client) -> None:
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


async def test_every_frame_is_newer_than_the_one_before(client: Client) -> None:
    await client.command("start_live_view", fps=60)
    pictures = [from_base64(frame["image_b64"]) for frame in await frames(client, 20)]
    numbers = [mark(picture, "frame") for picture in pictures]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))


async def test_sequence_numbers_go_on_after_a_stop(client: Client) -> None:
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
        seen = [first, *await frames(slow, 10)]
        taken = [datetime.fromisoformat(frame["time"]) for frame in seen]
        # A fifth of a second each, whatever the machine's pace, but for frames that were late themselves.
        assert (taken[-1] - taken[0]).total_seconds() > 1.5


async def test_two_viewers_share_one_producer(server: Server, ports: list[str], simulator: Control) -> None:
    async with viewer(server, ports[0], fps=30) as one, viewer(server, ports[0], fps=30, format="binary") as other:
        numbers: list[set[int]] = [set(), set()]
        for _ in range(15):
            numbers[0].add(mark(from_base64((await one.event("live_view_frame"))["image_b64"]), "frame"))
            numbers[1].add(mark((await binary(other))[HEADER.size :], "frame"))
        # Both saw the frames of one stream, made once: they differ by the first and the last ones at most.
        seen = numbers[0] | numbers[1]
        assert len(numbers[0] & numbers[1]) >= 5
        assert max(seen) - min(seen) <= simulator.state()["frames"]


async def test_the_viewfinder_goes_off_after_the_last_viewer(
    server: Server, ports: list[str], simulator: Control
) -> None:
    async with viewer(server, ports[0]) as one:
        async with viewer(server, ports[0]) as other:
            await other.event("live_view_frame")
        await one.event("live_view_frame")
        assert simulator.state()["live_view"]
    await until(lambda: not simulator.state()["live_view"])


async def test_the_viewfinder_goes_off_after_a_viewer_that_vanished(
    server: Server, ports: list[str], simulator: Control
) -> None:
    vanishing = await Client.connect(server)
    await vanishing.command("start_live_view", port=ports[0])
    await vanishing.event("live_view_frame")
    vanishing.socket.transport.abort()
    await until(lambda: not simulator.state()["live_view"])


async def test_the_viewfinder_stays_on_for_a_viewer_that_comes_at_once(
    client: Client, ports: list[str], simulator: Control
) -> None:
    await client.command("start_live_view")
    await client.event("live_view_frame")
    sets = simulator.state()["operations"]["0x9110"]
    await client.command("stop_live_view")
    await client.command("start_live_view")
    seen = await frames(client, 60)  # two seconds: past the moment when it would have gone off
    assert seen[-1]["seq"] > seen[0]["seq"]
    assert simulator.state()["operations"]["0x9110"] == sets


async def test_a_single_preview_leaves_the_viewfinder_off(client: Client, simulator: Control) -> None:
    await until(lambda: not simulator.state()["live_view"])
    decoded(from_base64((await client.command("capture_preview"))["image_b64"]))
    await until(lambda: not simulator.state()["live_view"])


async def test_a_single_preview_during_a_stream_does_not_end_it(client: Client) -> None:
    await client.command("start_live_view")
    await client.command("capture_preview")
    client.events.clear()
    await frames(client, 5)


async def test_a_stream_that_starts_during_a_single_preview_gets_its_frames(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    await until(lambda: not simulator.state()["live_view"])
    simulator.fault("late", "0x9153", seconds=0.5)
    preview = asyncio.create_task(client.command("capture_preview"))
    await until(lambda: not simulator.state()["faults"])
    async with viewer(server, ports[0]) as other:
        await preview
        await frames(other, 10)


def _frame_after(seq: int) -> Callable[[Json], bool]:
    return lambda frame: frame["seq"] > seq


async def test_a_still_in_between_pauses_the_stream_and_it_resumes_by_itself(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    async with viewer(server, ports[0]) as watching:
        shots = simulator.state()["shots"]
        for shot in (1, 2, 3):
            before = (await frames(watching, 3))[-1]
            await client.command("capture_image")
            assert simulator.state()["shots"] == shots + shot
            after = await watching.event(_frame_after(before["seq"] + 3))
            decoded(from_base64(after["image_b64"]))


async def test_stopping_tells_how_many_frames_went_out(client: Client) -> None:
    await client.command("start_live_view", format="binary")
    for _ in range(5):
        await binary(client)
    counts = await client.command("stop_live_view")
    assert counts["sent"] == len(client.binary)
    await client.command("ping")
    assert counts["sent"] == len(client.binary)


async def test_stopping_without_a_stream_is_an_error(client: Client) -> None:
    with pytest.raises(CommandError) as caught:
        await client.command("stop_live_view")
    assert caught.value.code == "live_view_not_running"


async def test_a_stream_of_another_client_cannot_be_stopped(client: Client, server: Server, ports: list[str]) -> None:
    async with viewer(server, ports[0]) as other:
        with pytest.raises(CommandError, match="live_view_not_running"):
            await client.command("stop_live_view")
        await frames(other, 3)


def _frame_of(stream: int) -> Callable[[Json], bool]:
    return lambda event: event["stream"] == stream


async def test_two_streams_of_one_client_are_told_apart(client: Client, ports: list[str]) -> None:
    streams = [(await client.command("start_live_view", port=port))["stream"] for port in ports]
    assert len(set(streams)) == 2
    for stream, serial in zip(streams, ("SIM0000001", "SIM0000002"), strict=True):
        frame = await client.event(_frame_of(stream))
        assert f"serial={serial}".encode() in from_base64(frame["image_b64"])
    await client.command("stop_live_view", stream=streams[0])
    client.events.clear()
    assert {frame["stream"] for frame in await frames(client, 5)} == {streams[1]}


async def test_no_more_than_the_wanted_frames_are_in_flight(client: Client) -> None:
    reply = await client.command("start_live_view", max_in_flight=2)
    held = await frames(client, 2)
    await client.command("get_config", name="iso")
    with pytest.raises(TimeoutError):
        await client.event("live_view_frame", within=0.5)
    await client.socket.send(json.dumps({"ack": {"stream": reply["stream"], "seq": held[-1]["seq"]}}))
    later = await frames(client, 2)
    assert later[0]["seq"] > held[-1]["seq"] + 1  # the newest, not the next
    assert (await client.command("stop_live_view"))["dropped"] > 0


async def test_an_ack_of_a_stream_that_is_not_there_is_ignored(client: Client) -> None:
    await client.socket.send(json.dumps({"ack": {"stream": 9, "seq": 1}}))
    assert (await client.command("ping"))["message"] == "pong"


async def test_a_viewer_that_does_not_read_delays_nobody_and_gets_the_newest_frame_afterwards(
    client: Client, server: Server, ports: list[str]
) -> None:
    async with without_reading(server, ports[0], format="binary") as stuck:
        await client.command("start_live_view")
        seen = await frames(client, 60)
        stuck.socket.transport.resume_reading()
        sequence, flags = 0, 0
        while sequence < seen[-1]["seq"]:
            message = await binary(stuck)
            _, now, _, sequence, _ = HEADER.unpack_from(message)
            flags |= now
            decoded(message[HEADER.size :])
        assert flags & 2, "frames were left out and no flag said so"
        assert len(stuck.binary) < 40
        counts = await stuck.command("stop_live_view")
        assert counts["dropped"] > 0


async def test_viewers_that_do_not_read_cost_no_memory(client: Client, server: Server, ports: list[str]) -> None:
    process = psutil.Process(server.process.pid)
    await client.command("start_live_view")
    await frames(client, 5)
    async with without_reading(server, ports[0]), without_reading(server, ports[0], format="binary"):
        await frames(client, 20)
        before = process.memory_info().rss
        await frames(client, 60)
        assert process.memory_info().rss - before < 5 * 2**20


async def test_a_viewer_that_does_not_read_keeps_nobody_from_starting(
    client: Client, server: Server, ports: list[str]
) -> None:
    await client.command("start_live_view")
    async with without_reading(server, ports[0]) as stuck:
        await frames(client, 30)  # until its socket is full
        await stuck.socket.send(json.dumps({"command": "start_live_view", "payload": {"port": ports[0]}}))
        await frames(client, 3)
        async with await Client.connect(server) as other:
            await other.command("start_live_view", port=ports[0])
            await other.event("live_view_frame")


async def test_starting_and_stopping_in_a_hurry_ends_in_what_was_asked_last(
    client: Client, server: Server, ports: list[str], simulator: Control
) -> None:
    others = [await Client.connect(server) for _ in range(4)]

    async def flicker(other: Client) -> None:
        for _ in range(10):
            await other.command("start_live_view", port=ports[0])
            await other.command("stop_live_view", port=ports[0])

    await asyncio.gather(*(flicker(other) for other in others))
    await client.command("start_live_view")
    await frames(client, 5)
    for other in others:
        await other.close()
    client.events.clear()
    await frames(client, 45)
    await client.command("stop_live_view")
    await until(lambda: not simulator.state()["live_view"])
