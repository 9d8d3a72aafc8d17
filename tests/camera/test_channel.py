"""Messages between the server and a camera process: messages of any size, messages with files, and invalid data."""

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

from camera.channel import BlockingChannel, ChannelBroken, ChannelClosed, Message, pair
from camera.processes.server_end import AsyncChannel
from tests.support.waiting import WITHIN_S


class ChannelPair:
    """Both ends of a channel. The server's end collects messages. The camera process's end is used from threads."""

    def __init__(self) -> None:
        server_socket, process_socket = pair()
        self.raw = process_socket
        self.process_end = BlockingChannel(os.dup(process_socket.fileno()))
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.disconnected = asyncio.Event()
        self.server_end = AsyncChannel(server_socket, self.messages.put_nowait, self.disconnected.set)

    async def next_message(self) -> Message:
        async with asyncio.timeout(WITHIN_S):
            return await self.messages.get()

    def close(self) -> None:
        self.server_end.close()
        self.raw.close()
        self.process_end._socket.close()


@pytest.fixture
async def channels() -> Any:
    channels = ChannelPair()
    yield channels
    channels.close()


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
async def test_a_message_of_any_size_arrives_complete(channels: ChannelPair, size: int) -> None:
    data = os.urandom(size)
    await asyncio.to_thread(channels.process_end.send, {"job": 1}, data)
    message = await channels.next_message()
    assert (message.header, message.data, message.fd) == ({"job": 1}, data, None)


async def test_a_large_header_arrives_complete(channels: ChannelPair) -> None:
    header = {"items": ["x" * 1000] * 2000}
    await asyncio.to_thread(channels.process_end.send, header)
    assert (await channels.next_message()).header == header


async def test_messages_arrive_in_order_and_unchanged(channels: ChannelPair) -> None:
    def send() -> None:
        for number in range(200):
            channels.process_end.send({"number": number}, bytes([number]) * (number * 50))

    sending = asyncio.create_task(asyncio.to_thread(send))
    for number in range(200):
        message = await channels.next_message()
        assert (message.header["number"], message.data) == (number, bytes([number]) * (number * 50))
    await sending


async def test_a_message_sent_byte_by_byte_is_reassembled(channels: ChannelPair) -> None:
    for byte in encoded({"event": "alive"}, b"frame"):
        channels.raw.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await channels.next_message()).data == b"frame"


async def test_open_files_arrive_with_their_message(channels: ChannelPair) -> None:
    def send() -> None:
        for number in range(20):
            fd = os.memfd_create("test")
            os.write(fd, f"file {number}".encode())
            channels.process_end.send({"number": number}, b"x" * 1000, fd if number % 2 else None)
            os.close(fd)

    await asyncio.to_thread(send)
    for number in range(20):
        message = await channels.next_message()
        assert message.header["number"] == number
        assert (message.fd is not None) == bool(number % 2)
        if message.fd is not None:
            assert os.pread(message.fd, 100, 0) == f"file {number}".encode()
            os.close(message.fd)


@pytest.mark.usefixtures("no_new_descriptors")
async def test_files_that_were_not_taken_are_closed_with_the_channel() -> None:
    channels = ChannelPair()
    fd = os.memfd_create("test")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    channels.raw.sendmsg([encoded({"fd": True})[:-1]], rights)
    os.close(fd)
    channels.raw.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(WITHIN_S):
        await channels.disconnected.wait()
    channels.close()


@pytest.mark.parametrize(
    "data",
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
async def test_invalid_data_closes_the_channel(channels: ChannelPair, data: bytes) -> None:
    channels.raw.send(data)
    async with asyncio.timeout(WITHIN_S):
        await channels.disconnected.wait()
    with pytest.raises(ChannelClosed):
        await channels.server_end.send({"job": 1})
    assert channels.messages.empty()


async def test_an_incomplete_last_message_is_dropped_and_complete_ones_arrive(channels: ChannelPair) -> None:
    channels.raw.send(encoded({"job": 1}) + encoded({"job": 2})[:-2])
    channels.raw.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(WITHIN_S):
        await channels.disconnected.wait()
    assert (await channels.next_message()).header == {"job": 1}
    assert channels.messages.empty()


async def test_closing_the_channel_does_not_report_a_disconnect(channels: ChannelPair) -> None:
    channels.server_end.close()
    channels.server_end.close()
    with pytest.raises(ChannelClosed):
        await channels.server_end.send({})
    assert not channels.disconnected.is_set()


async def test_the_camera_process_receives_jobs_and_the_end(channels: ChannelPair) -> None:
    await channels.server_end.send({"job": 1, "do": "preview", "args": {}})
    message = await asyncio.to_thread(channels.process_end.receive, 5)
    assert message is not None
    assert message.header == {"job": 1, "do": "preview", "args": {}}
    assert channels.process_end.receive(0) is None
    channels.server_end.close()
    with pytest.raises(ChannelClosed):
        channels.process_end.receive(5)
    with pytest.raises(ChannelClosed):
        channels.process_end.send({}, b"x" * 10_000_000)


def test_invalid_data_for_a_camera_process_raises_an_error() -> None:
    server_socket, process_socket = pair()
    with server_socket:
        channel = BlockingChannel(process_socket.detach())
        server_socket.send(b"\xff" * 100)
        with pytest.raises(ChannelBroken):
            channel.receive(5)
        channel._socket.close()


async def test_sending_waits_for_a_full_socket(channels: ChannelPair) -> None:
    data = os.urandom(8 * 2**20)
    thread = threading.Thread(target=channels.process_end.send, args=({"big": True}, data))
    thread.start()
    message = await channels.next_message()
    await asyncio.to_thread(thread.join, 10)
    assert message.data == data
