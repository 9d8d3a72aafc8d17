"""Messages between the server and a camera process: any size, with files, and a peer that sends rubbish."""

from __future__ import annotations

import array
import asyncio
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from camera.channel import AsyncChannel, BlockingChannel, ChannelBroken, ChannelClosed, Message, pair
from tests.support.waiting import WITHIN_S


class Ends:
    """Both ends: the server's collects what it hears, the camera process's is used from threads."""

    def __init__(self) -> None:
        server_end, process_end = pair()
        self.raw = process_end
        self.far = BlockingChannel(os.dup(process_end.fileno()))
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.near = AsyncChannel(server_end, self.messages.put_nowait, self.lost.set)

    async def heard(self) -> Message:
        async with asyncio.timeout(WITHIN_S):
            return await self.messages.get()

    def close(self) -> None:
        self.near.close()
        self.raw.close()
        self.far._socket.close()


@pytest.fixture
async def ends() -> Any:
    both = Ends()
    yield both
    both.close()


@pytest.fixture
def no_new_descriptors() -> Iterator[None]:
    process = psutil.Process()
    before = process.num_fds()
    yield
    assert process.num_fds() <= before


def encoded(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack(">II", len(text), len(data)) + text + data


@pytest.mark.parametrize("size", [0, 1, 255, 256 * 1024, 5 * 2**20])
async def test_a_message_of_any_size_arrives_whole(ends: Ends, size: int) -> None:
    data = os.urandom(size)
    await asyncio.to_thread(ends.far.send, {"job": 1}, data)
    message = await ends.heard()
    assert (message.header, message.data, message.fd) == ({"job": 1}, data, None)


async def test_a_large_header_arrives_whole(ends: Ends) -> None:
    header = {"items": ["x" * 1000] * 2000}
    await asyncio.to_thread(ends.far.send, header)
    assert (await ends.heard()).header == header


async def test_messages_keep_their_order_and_their_bytes(ends: Ends) -> None:
    def send() -> None:
        for number in range(200):
            ends.far.send({"number": number}, bytes([number]) * (number * 50))

    sending = asyncio.create_task(asyncio.to_thread(send))
    for number in range(200):
        message = await ends.heard()
        assert (message.header["number"], message.data) == (number, bytes([number]) * (number * 50))
    await sending


async def test_a_message_in_pieces_of_one_byte_is_put_together(ends: Ends) -> None:
    for byte in encoded({"event": "alive"}, b"frame"):
        ends.raw.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await ends.heard()).data == b"frame"


async def test_open_files_come_with_the_message_they_belong_to(ends: Ends) -> None:
    def send() -> None:
        for number in range(20):
            fd = os.memfd_create("test")
            os.write(fd, f"file {number}".encode())
            ends.far.send({"number": number}, b"x" * 1000, fd if number % 2 else None)
            os.close(fd)

    await asyncio.to_thread(send)
    for number in range(20):
        message = await ends.heard()
        assert message.header["number"] == number
        assert (message.fd is not None) == bool(number % 2)
        if message.fd is not None:
            assert os.pread(message.fd, 100, 0) == f"file {number}".encode()
            os.close(message.fd)


@pytest.mark.usefixtures("no_new_descriptors")
async def test_files_that_nobody_took_are_closed_with_the_channel() -> None:
    both = Ends()
    fd = os.memfd_create("test")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    both.raw.sendmsg([encoded({"fd": True})[:-1]], rights)
    os.close(fd)
    both.raw.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(WITHIN_S):
        await both.lost.wait()
    both.close()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\xff" * 100,
        struct.pack(">II", 2**31, 0),
        struct.pack(">II", 4, 0) + b"nope",
        struct.pack(">II", 2, 0) + b"\xff\xfe",
        encoded([1, 2]),
        encoded({"fd": True}),
    ],
    ids=["noise", "huge", "no-json", "no-utf8", "no-object", "no-file"],
)
async def test_rubbish_ends_the_channel(ends: Ends, rubbish: bytes) -> None:
    ends.raw.send(rubbish)
    async with asyncio.timeout(WITHIN_S):
        await ends.lost.wait()
    with pytest.raises(ChannelClosed):
        await ends.near.send({"job": 1})
    assert ends.messages.empty()


async def test_half_a_message_before_the_end_is_lost_and_the_whole_ones_before_it_are_not(ends: Ends) -> None:
    ends.raw.send(encoded({"job": 1}) + encoded({"job": 2})[:-2])
    ends.raw.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(WITHIN_S):
        await ends.lost.wait()
    assert (await ends.heard()).header == {"job": 1}
    assert ends.messages.empty()


async def test_a_closed_channel_tells_nobody_that_it_is_lost(ends: Ends) -> None:
    ends.near.close()
    ends.near.close()
    with pytest.raises(ChannelClosed):
        await ends.near.send({})
    assert not ends.lost.is_set()


async def test_the_camera_process_hears_jobs_and_the_end(ends: Ends) -> None:
    await ends.near.send({"job": 1, "do": "preview", "args": {}})
    message = await asyncio.to_thread(ends.far.receive, 5)
    assert message is not None
    assert message.header == {"job": 1, "do": "preview", "args": {}}
    assert ends.far.receive(0) is None
    ends.near.close()
    with pytest.raises(ChannelClosed):
        ends.far.receive(5)
    with pytest.raises(ChannelClosed):
        ends.far.send({}, b"x" * 10_000_000)


def test_a_camera_process_that_hears_rubbish_says_so() -> None:
    server_end, process_end = pair()
    with server_end:
        channel = BlockingChannel(process_end.detach())
        server_end.send(b"\xff" * 100)
        with pytest.raises(ChannelBroken):
            channel.receive(5)
        channel._socket.close()


async def test_a_full_socket_is_waited_for_and_not_cut(ends: Ends) -> None:
    data = os.urandom(8 * 2**20)
    thread = threading.Thread(target=ends.far.send, args=({"big": True}, data))
    thread.start()
    message = await ends.heard()
    await asyncio.to_thread(thread.join, 10)
    assert message.data == data
