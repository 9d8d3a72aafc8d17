"""For any message from the server, a call returns or raises a GphotoWsError. Then the client works or is closed."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import pytest
from gphoto_ws_client import Client, ConnectionFailed, ConnectionLost, GphotoWsError, replies
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from tests.client.strange import BINARY_HEADER, pong, strange

DEADLINE_S = 50.0


class Text(str):
    """Text with a short repr, so that a failing test does not print the complete text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{self[:20]!r} and so on"


DEEP = Text("[" * 100_000)
# Python's json module can decode this depth. Recursive code in the client would exceed Python's recursion limit.
HALF_DEEP = "[" * 700 + "]" * 700
DEEP_REPLY = Text(f'{{"id": 1, "status": "ok", "message": "pong", "x": {HALF_DEEP}}}')
SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([2**64, -(10**400), float("nan"), float("inf"), "\ud800", "\x1b[31m", "ok", 1, 7])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("port"), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = sorted(
    {one.metadata.get("key", one.name) for kind in vars(replies).values() if isinstance(kind, type)
     if hasattr(kind, "__dataclass_fields__") for one in fields(kind)}
    | {"code", "details", "retryable", "transfer", "reason", "sha256", "time", "value"}
)  # fmt: skip
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=len(KEYS))
EVENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["file_added", "config_changed", "live_view_stopped", "transfer_complete", "later"])
        | VALUES
    }
)
MESSAGES = (
    st.builds(lambda event, body: json.dumps({**body, **event}), EVENTS, BODIES)
    | VALUES.map(json.dumps)
    | st.sampled_from([DEEP, Text(HALF_DEEP), DEEP_REPLY, Text("1" * 5000), "1e999", '{"id":1e999}'])
    | st.builds(
        lambda kind, number, position, body: BINARY_HEADER.pack(kind, 3, number, 5, position) + body,
        st.integers(0, 3), st.integers(0, 2), st.sampled_from([0, 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1),
        st.binary(max_size=20),
    )
    | st.binary(max_size=20)
)  # fmt: skip

Use = Callable[[Client], Awaitable[object]]
USES: tuple[Use, ...] = (
    lambda client: client.list_cameras(),
    lambda client: client.select_camera("usb:001,002"),
    lambda client: client.capture_image(),
    lambda client: client.download_last_image(),
    lambda client: client.get_config("iso"),
    lambda client: client.get_all_config(),
    lambda client: client.capture_preview(),
    lambda client: client.get_camera_info(),
    lambda client: client.list_files(),
    lambda client: client.server_info(),
    lambda client: client.list_commands(),
    lambda client: _one_event(client),
    lambda client: _one_frame(client),
)


async def _one_event(client: Client) -> None:
    async with client.events() as events, asyncio.timeout(0.05):
        await anext(events)


async def _one_frame(client: Client) -> None:
    async with client.live_view() as view, asyncio.timeout(0.05):
        await anext(view)


async def _error_of(client: Client, use: Use) -> BaseException | None:
    """Call `use`. Returns the GphotoWsError that it raises, or None. Any other exception fails the test."""
    try:
        async with asyncio.timeout(0.2):
            await use(client)
    except GphotoWsError as error:
        return error
    except TimeoutError:  # raised by a timeout above: no event, frame or usable reply arrived
        return None
    return None


def loop_errors() -> list[dict[str, Any]]:
    """A list to which the exception handler of the event loop adds its errors from now on."""
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    return errors


@SOME
@given(
    st.sampled_from(USES), st.sampled_from(["ok", "ok", "ok", "error", None, 7]), BODIES, st.lists(MESSAGES, max_size=3)
)
@example(USES[9], "ok", {}, [DEEP])
@example(
    USES[12],
    "ok",
    {"message": "", "stream": 1, "fps": 1, "format": "binary", "rotation": 0, "flip": False, "port": "x"},
    [BINARY_HEADER.pack(1, 0, 1, 5, 2**64 - 1) + b"jpeg"],
)
async def test_any_reply_followed_by_any_messages(use: Use, status: Any, body: Any, messages: list[Any]) -> None:
    well_behaved = False

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        if well_behaved:
            await pong(socket, message)
            return
        head = {"status": status, "id": message["id"], "command": message["command"]}
        await socket.send(json.dumps({**body, **head}))

        for raw in messages:
            await socket.send(raw)

    reported = loop_errors()
    async with asyncio.timeout(DEADLINE_S), strange(answer) as server:
        async with Client(server.uri, "x") as client:
            await _error_of(client, use)
            well_behaved = True
            assert (await client.ping()).message == "pong"
        assert server.logins == 1
    assert reported == []


@SOME
@given(MESSAGES | st.builds(lambda body: json.dumps({"status": "error", **body}), BODIES))
@example(DEEP)
async def test_any_login_reply(message: Any) -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(message)
        await socket.wait_closed()

    reported = loop_errors()
    async with asyncio.timeout(DEADLINE_S), serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(GphotoWsError):
            async with Client(f"ws://127.0.0.1:{port}", "x"):
                pass
    assert reported == []


@SOME
@given(
    st.binary(max_size=60)
    | st.builds(
        lambda first, rest: bytes([first]) + rest, st.sampled_from([0x81, 0x82, 0x88, 0x01]), st.binary(max_size=40)
    )
)
@example(b"\x81\x02\xff\xff")
@example(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff")
async def test_any_bytes_on_the_connection(data: bytes) -> None:
    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        socket.transport.write(data)

    reported = loop_errors()
    async with (
        asyncio.timeout(DEADLINE_S),
        strange(answer) as server,
        Client(server.uri, "x", reply_timeout=0.2, reconnect_for=0) as client,
    ):
        with pytest.raises(GphotoWsError):
            await client.ping()
    assert reported == []


@pytest.mark.parametrize("size", [10, 1000])
async def test_a_too_large_message_closes_the_connection_but_not_the_client(size: int) -> None:
    counter = itertools.count()

    async def big(socket: ServerConnection, message: dict[str, Any]) -> None:
        if next(counter):
            await pong(socket, message)
        else:
            await socket.send(b"x" * (2**16 + size))

    async with (
        asyncio.timeout(DEADLINE_S),
        strange(big) as server,
        Client(server.uri, "x", max_message=2**16) as client,
    ):
        with pytest.raises(ConnectionLost, match=r"more than 65536 bytes.*max_message") as caught:
            await client.ping()
        assert (caught.value.close_code, caught.value.retryable) == (1009, False)
        assert (await client.ping()).message == "pong"
    assert (server.logins, server.commands) == (2, ["ping", "ping"])


@pytest.mark.parametrize("max_message", [0, -1, 1000, None])
def test_the_message_size_limit_cannot_be_disabled(max_message: Any) -> None:
    with pytest.raises(ValueError, match="max_message must be"):
        Client(max_message=max_message)


async def test_an_option_that_does_not_exist_is_an_error_before_anything_is_sent() -> None:
    misspelt: Any = {"safe": True}
    with pytest.raises(TypeError, match="unexpected keyword argument 'safe'"):
        Client(**misspelt)
    with pytest.raises(TypeError, match="unexpected keyword argument 'safe'"):
        await Client().capture_image(**misspelt)


@pytest.mark.parametrize(
    "address",
    ["ws://127.0.0.1:99999", "ws://a..b:80", "ws://[::1", "ws://", "http://127.0.0.1:1", "wss://[", "ws://\x00", "\ud800",
     "ws://\ud800/", "ws://x:y"],
)  # fmt: skip
async def test_any_invalid_address_raises_connection_failed(address: str) -> None:
    with pytest.raises(ConnectionFailed):
        async with Client(address, "x"):
            pass


async def test_a_redirect_is_not_followed() -> None:
    """If the client followed a redirect, it would send the token to a server that the user did not name."""
    visited: list[str] = []

    async def record_visit(socket: ServerConnection) -> None:
        visited.append("second")

    async with serve(record_visit, "127.0.0.1", 0) as second:
        second_port = next(iter(second.sockets)).getsockname()[1]

        def redirect(connection: ServerConnection, request: Any) -> Any:
            response = connection.respond(302, "")
            response.headers["Location"] = f"ws://127.0.0.1:{second_port}/"
            return response

        async with serve(record_visit, "127.0.0.1", 0, process_request=redirect) as first:
            port = next(iter(first.sockets)).getsockname()[1]
            with pytest.raises(ConnectionFailed, match="HTTP 302"):
                async with Client(f"ws://127.0.0.1:{port}", "x"):
                    pass
    assert visited == []
