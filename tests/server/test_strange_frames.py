"""For invalid or hostile WebSocket data, the connection is closed with a defined code. Other clients are not affected.

The Autobahn test suite checks the complete RFC 6455: `make autobahn`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import limits
from tests.server.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawClient, frame
from tests.support.rig import Client, Server
from tests.support.waiting import WITHIN_S
from tests.support.wire import logged_in, still_answers, well_formed

COMMAND = b'{"command": "ping"}'
REPLY = {"status": "ok", "message": "pong"}
PROTOCOL_ERROR, NOT_UTF8, TOO_LONG = 1002, 1007, 1009
BROKEN_FRAMES = {
    "an unmasked frame": (frame(TEXT, COMMAND, masked=False), PROTOCOL_ERROR),
    "reserved bit 1": (frame(TEXT, COMMAND, reserved=4), PROTOCOL_ERROR),
    "reserved bit 2": (frame(TEXT, COMMAND, reserved=2), PROTOCOL_ERROR),
    "reserved bit 3": (frame(PING, b"", reserved=1), PROTOCOL_ERROR),
    "an unknown opcode": (frame(3, COMMAND), PROTOCOL_ERROR),
    "an unknown control opcode": (frame(0xF), PROTOCOL_ERROR),
    "a long ping": (frame(PING, b"x" * 126), PROTOCOL_ERROR),
    "half a ping": (frame(PING, b"x", fin=False), PROTOCOL_ERROR),
    "a continuation without a start": (frame(CONTINUATION, COMMAND), PROTOCOL_ERROR),
    "a message inside of another": (frame(TEXT, COMMAND, fin=False) + frame(TEXT, COMMAND), PROTOCOL_ERROR),
    "a close inside of a message": (frame(TEXT, COMMAND, fin=False) + frame(CLOSE, b"\x03\xe8"), PROTOCOL_ERROR),
    "half a close code": (frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
    "an invalid close code": (frame(CLOSE, b"\x00\x01"), PROTOCOL_ERROR),
    "a close code that is never sent": (frame(CLOSE, b"\x03\xed"), PROTOCOL_ERROR),
    "a close reason that is not text": (frame(CLOSE, b"\x03\xe8\xff"), NOT_UTF8),
    "text that is not UTF-8": (frame(TEXT, b'{"command": "\xc3\x28"}'), NOT_UTF8),
    "text with an incomplete character": (frame(TEXT, b"\xf0\x9f\x93"), NOT_UTF8),
    "text with half a surrogate pair": (frame(TEXT, b"\xed\xa0\x80"), NOT_UTF8),
    "a message that is too long": (frame(TEXT, b" " * (limits.MESSAGE_BYTES + 1)), TOO_LONG),
    "fragments that are too long": (
        frame(TEXT, b" " * limits.MESSAGE_BYTES, fin=False) + frame(CONTINUATION, b" "),
        TOO_LONG,
    ),
    "a length of 2 to the 62": (b"\x81\xff\x40" + bytes(7) + b"1234", TOO_LONG),
    "a length of 2 to the 63": (b"\x81\xff\x80" + bytes(7) + b"1234", TOO_LONG),
}


@pytest.fixture
async def other_client(bare_server: Server) -> AsyncIterator[Client]:
    """Check after the test that another client still works, and that the log has no tracebacks."""
    async with await logged_in(bare_server) as client:
        yield client
        await still_answers(client)
    assert "Traceback" not in bare_server.log
    assert "internal_error" not in bare_server.log


pytestmark = pytest.mark.usefixtures("other_client")


@pytest.mark.parametrize("login", [False, True], ids=["before login", "after login"])
@pytest.mark.parametrize(("data", "code"), BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
async def test_a_broken_frame_closes_with_its_code(bare_server: Server, data: bytes, code: int, login: bool) -> None:
    async with await RawClient.open(bare_server, login=login) as client:
        client.send(data)
        assert await client.until_closed() == code


async def test_a_message_may_be_sent_in_fragments_with_pings_between(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(TEXT, COMMAND[:5], fin=False), frame(PING, b"one"), frame(CONTINUATION, b"", fin=False))
        client.send(frame(PONG, b"unasked"), frame(PING, b"two"), frame(CONTINUATION, COMMAND[5:]))
        assert await client.reply() == REPLY
        assert client.pongs == [b"one", b"two"]


async def test_a_message_may_be_sent_byte_by_byte(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as client:
        for byte in frame(TEXT, COMMAND):
            client.send(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.reply() == REPLY


async def test_many_messages_may_be_sent_at_once(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(TEXT, COMMAND) * 20)
        assert [await client.reply() for _ in range(20)] == [REPLY] * 20


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_a_close_is_answered_with_its_code(bare_server: Server, code: int) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(CLOSE, code.to_bytes(2, "big") + "gr\u00fc\u00df".encode()))
        assert await client.until_closed() == code


async def test_a_client_that_ends_its_side_is_disconnected(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(TEXT, COMMAND)[:9])
        client.writer.write_eof()
        await client.until_closed()


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_a_flood_of_control_frames_ends_the_connection(bare_server: Server, opcode: int) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(opcode, b"x" * 125) * 1000)
        await client.until_closed()


async def test_a_flood_of_fragments_ends_the_connection(bare_server: Server) -> None:
    async with await RawClient.open(bare_server) as client:
        client.send(frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False) * 10_000)
        await client.until_closed()


async def test_a_message_of_too_many_fragments_is_closed_at_any_rate(bare_server: Server) -> None:
    """Empty fragments do not make a message longer. Sent slowly, they are not a flood, but each of them uses memory."""
    async with await RawClient.open(bare_server) as client:
        client.send(frame(TEXT, b"", fin=False))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for number in range(10):
                client.send(frame(CONTINUATION, b"", fin=False) * 500, frame(PING, b"%d" % number))
                await client.until_pong(b"%d" % number)
                await asyncio.sleep(0.25)  # below the flood limit of 2500 frames per second
        assert client.close_code == TOO_LONG


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /\xff\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET /" + b"x" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x81\x80" * 1000,
    ],
)
async def test_data_that_is_not_a_handshake_ends_the_connection(bare_server: Server, data: bytes) -> None:
    client = await RawClient.connect(bare_server)
    client.send(data)
    client.writer.write_eof()
    async with asyncio.timeout(WITHIN_S):
        try:
            while await client._reader.read(65536):
                pass
        except ConnectionError:
            pass
    await client.close()


FRAMES = st.builds(
    frame,
    st.sampled_from([CONTINUATION, TEXT, TEXT, BINARY, CLOSE, PING, PONG]) | st.integers(0, 15),
    st.sampled_from([COMMAND, b"", b"\x03\xe8", b"{"]) | st.binary(max_size=200),
    fin=st.booleans() | st.just(True),
    reserved=st.just(0) | st.integers(0, 7),
    masked=st.just(True) | st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FRAMES | st.binary(max_size=30), max_size=6), st.booleans())
async def test_random_frames_get_replies_or_a_close(bare_server: Server, pieces: list[bytes], login: bool) -> None:
    async with await RawClient.open(bare_server, login=login) as client:
        client.send(*pieces)
        client.writer.write_eof()
        try:
            while True:
                well_formed(await client.reply())
        except (ConnectionError, UnicodeDecodeError):
            assert client.close_code in (None, 1000, 1002, 1005, 1007, 1009, 4400, 4401) or client.close_code >= 3000
