"""The internals of the library websockets that server/frame_connection.py uses. Live view also works without them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import random
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as LibraryFrame
from websockets.frames import Opcode
from websockets.protocol import State

from camera.model import Capabilities, DetectedCamera, Frame
from camera.options import SessionOptions
from camera.orientation import AS_IS
from camera.photos.downloads import FetchedFile
from camera.session import Session
from server import frame_connection
from server.frame_connection import FrameConnection, wire_message
from server.frame_slot import FrameSlot
from service.caller import Stream
from tests.support.cameras import QUICK, Simulator
from tests.support.in_process import InProcess
from tests.support.marks import decoded, from_base64
from tests.support.waiting import until


def jpeg_stream() -> Stream:
    """A stream in the format "jpeg", of a camera that is never opened."""
    camera = DetectedCamera("PTP/IP Camera", "ptpip:127.0.0.1", Capabilities())
    session = Session(camera, SessionOptions(), lambda port, serial: True, lambda event: None)
    return Stream(1, session, 30.0, AS_IS, "jpeg", None)


@asynccontextmanager
async def pair(read: bool = True) -> AsyncIterator[tuple[FrameConnection, ClientConnection]]:
    """Both ends of a connection. If `read` is false, the client does not read until the test resumes its transport."""
    accepted: asyncio.Future[FrameConnection] = asyncio.get_running_loop().create_future()

    async def handle(connection: object) -> None:
        assert isinstance(connection, FrameConnection)
        accepted.set_result(connection)
        await connection.wait_closed()

    async with (
        serve(handle, "127.0.0.1", 0, compression=None, write_limit=0, create_connection=FrameConnection) as server,
        connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", max_size=None, max_queue=None) as client,
    ):
        connection = await accepted
        if not read:
            client.transport.pause_reading()
        yield connection, client
        if not read:
            client.transport.resume_reading()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
@pytest.mark.parametrize("text", [False, True])
def test_a_message_is_encoded_exactly_as_by_the_library(size: int, text: bool) -> None:
    payload = b"x" * size
    opcode = Opcode.TEXT if text else Opcode.BINARY
    assert wire_message((payload[:10], payload[10:]), text) == LibraryFrame(opcode, payload).serialize(mask=False)


async def test_the_library_has_the_internals_for_direct_frames() -> None:
    async with pair() as (connection, _):
        assert connection.direct


async def test_a_frame_written_to_the_transport_arrives_in_order_between_messages() -> None:
    async with pair() as (connection, client):
        await connection.send("before")
        assert connection.takes_frame()
        connection.transport.write(wire_message((b"a ", b"frame"), False))
        await connection.send("after")
        assert [await client.recv() for _ in range(3)] == ["before", b"a frame", "after"]


async def test_no_frame_is_accepted_in_the_middle_of_a_fragmented_message() -> None:
    resume, started = asyncio.Event(), asyncio.Event()

    async def fragments() -> AsyncIterator[str]:
        yield "one "
        started.set()
        await resume.wait()
        yield "message"

    async with pair() as (connection, client):
        sending = asyncio.create_task(connection.send(fragments()))
        await started.wait()
        assert not connection.takes_frame()
        resume.set()
        await sending
        assert connection.takes_frame()
        assert await client.recv() == "one message"


async def test_no_frame_is_accepted_while_bytes_wait_and_the_newest_is_sent_after_the_drain() -> None:
    async with pair(read=False) as (connection, client):
        while connection.takes_frame():
            connection.transport.write(wire_message((bytes(1_000_000),), False))
        assert connection.unsent > 0
        slot = FrameSlot(connection, jpeg_stream(), lambda reason: None)
        slot.offer(Frame(b"old", 1, 0))
        slot.offer(Frame(b"newest", 2, 0))
        assert (slot.sent, slot.dropped) == (0, 1)
        client.transport.resume_reading()
        while len(message := await client.recv()) == 1_000_000:
            pass
        assert message == b"newest"
        assert (slot.sent, connection.unsent) == (1, 0)


async def test_a_closed_connection_accepts_no_frame() -> None:
    async with pair() as (connection, client):
        await client.close()
        await connection.wait_closed()
        assert not connection.takes_frame()


@pytest.fixture
def file() -> FetchedFile:
    """A file with 3 MB of random bytes."""
    descriptor = os.memfd_create("file")
    size = os.write(descriptor, random.Random(1).randbytes(3_000_000))
    return FetchedFile(descriptor, "/IMG_0001.JPG", size, "image/jpeg")


async def test_a_piece_of_a_file_is_one_message_in_order(file: FetchedFile) -> None:
    async with pair() as (connection, client):
        await connection.send("before")
        await connection.send_piece(b"head", file, 1000, 200_000)
        await connection.send_piece(b"empty", file, 0, 0)
        await connection.send("after")
        assert [await client.recv() for _ in range(4)] == [
            "before",
            b"head" + file.read(1000, 200_000),
            b"empty",
            "after",
        ]


async def test_messages_sent_during_a_piece_arrive_complete_after_it(file: FetchedFile) -> None:
    async with pair(read=False) as (connection, client):
        sending = asyncio.create_task(connection.send_piece(b"", file, 0, file.size))
        await until(lambda: connection.unsent > 0)
        assert not connection.takes_frame()
        slot = FrameSlot(connection, jpeg_stream(), lambda reason: None)
        slot.offer(Frame(b"frame", 1, 0))
        # The websockets library may send a ping at any time.
        ping = asyncio.create_task(connection.ping())
        sending_other = asyncio.create_task(connection.send("also"))
        client.transport.resume_reading()
        assert await client.recv() == file.read(0, file.size)
        assert {await client.recv(), await client.recv()} == {b"frame", "also"}
        await asyncio.gather(sending, sending_other, await ping)


@pytest.mark.parametrize("code", [1001, 1000])
async def test_a_close_from_either_side_during_a_piece_arrives_after_it(file: FetchedFile, code: int) -> None:
    async with pair(read=False) as (connection, client):
        sending = asyncio.create_task(connection.send_piece(b"", file, 0, file.size))
        await until(lambda: connection.unsent > 0)
        side = connection if code == 1001 else client
        closing = asyncio.create_task(side.close(code))
        await until(lambda: side.state is not State.OPEN)
        client.transport.resume_reading()
        with suppress(ConnectionClosed):
            assert await client.recv() == file.read(0, file.size)
        await asyncio.gather(sending, closing, client.wait_closed())
        assert (connection.close_code, client.close_code) == (code, code)


async def test_other_messages_are_sent_between_pieces(file: FetchedFile) -> None:
    async with pair(read=False) as (connection, client):

        async def send_all() -> None:
            for offset in range(0, file.size, 100_000):
                await connection.send_piece(b"", file, offset, 100_000)

        sending = asyncio.create_task(send_all())
        await until(lambda: connection.unsent > 0)
        sending_other = asyncio.create_task(connection.send("also"))
        client.transport.resume_reading()
        received = [await client.recv() for _ in range(file.size // 100_000 + 1)]
        assert received.index("also") < len(received) - 2
        await asyncio.gather(sending, sending_other)


async def test_a_file_that_is_shorter_than_declared_ends_the_connection(file: FetchedFile) -> None:
    async with pair() as (connection, client):
        await connection.send_piece(b"", file, 0, file.size + 1)
        with pytest.raises(ConnectionClosed):
            await client.recv()


async def test_sending_a_piece_ends_if_the_client_disconnects(file: FetchedFile) -> None:
    async with pair(read=False) as (connection, client):
        sending = asyncio.create_task(connection.send_piece(b"", file, 0, file.size))
        await until(lambda: connection.unsent > 0)
        client.transport.abort()
        await sending
        with pytest.raises(ConnectionClosed):
            await connection.send_piece(b"", file, 0, file.size)


async def test_a_cancelled_piece_ends_the_connection(file: FetchedFile) -> None:
    async with pair(read=False) as (connection, client):
        sending = asyncio.create_task(connection.send_piece(b"", file, 0, file.size))
        await until(lambda: connection.unsent > 0)
        sending.cancel()
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await client.recv()


@pytest.fixture
def unknown_internals(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Simulate a version of the library websockets that has different internals."""
    monkeypatch.setattr(frame_connection, "_NEEDED_INTERNALS", ("no_such_attribute",))
    return caplog


@pytest.fixture
def camera_port() -> Iterator[str]:
    """The port of a camera that no other server uses."""
    with Simulator(*QUICK) as simulator:
        yield simulator.cameras[0].address


async def test_live_view_works_with_unknown_internals(
    unknown_internals: pytest.LogCaptureFixture, camera_port: str
) -> None:
    server = await InProcess.start(camera_port)
    try:
        async with await server.connect() as client:
            await client.command("select_camera", port=camera_port)
            await client.command("start_live_view", format="base64")
            pictures = [await client.event("live_view_frame") for _ in range(5)]
            assert all(before["seq"] < after["seq"] for before, after in itertools.pairwise(pictures))
            decoded(from_base64(pictures[-1]["image_b64"]))
            await client.command("stop_live_view")
            await client.command("start_live_view", format="binary", max_in_flight=2)
            while not client.binary:
                await client.receive()
            _, _, stream, seq, _ = struct.unpack(">BBHIQ", client.binary[0][:16])
            decoded(client.binary[0][16:])
            await client.socket.send(json.dumps({"ack": {"stream": stream, "seq": seq}}))
            await client.command("stop_live_view")
            await client.command("capture_image")
            client.binary.clear()
            reply = await client.command("download_last_image", transfer="binary")
            complete = await client.event("transfer_complete")
            picture = b"".join(message[16:] for message in client.binary)
            assert (len(picture), hashlib.sha256(picture).hexdigest()) == (reply["size"], complete["sha256"])
            assert (await client.command("get_config", name="iso"))["config_name"] == "iso"
    finally:
        await server.app.stop()
    assert "no_such_attribute" in unknown_internals.text
