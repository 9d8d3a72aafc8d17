"""The client with servers that close the connection with any code, do not reply, or send damaged data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from gphoto_ws_client import (
    CameraError,
    CaptureUnknown,
    Client,
    ConnectionFailed,
    ConnectionLost,
    NoReply,
    UnexpectedReply,
)
from websockets.asyncio.server import ServerConnection, serve

from tests.client.strange import BINARY_HEADER, LOGGED_IN, never, pong, strange, transfer
from tests.support.waiting import WITHIN_S, until

RECONNECT_CODES, FINAL_CODES = (1001, 1011, 1012, 4408, 4413), (4400, 4401, 4406)


def closing_once(code: int) -> Any:
    """A function that closes the connection at the first command, and replies to all later commands."""
    closed: list[int] = []

    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        if closed:
            await pong(socket, message)
        else:
            closed.append(code)
            await socket.close(code, "as the table says")

    return answer


@pytest.mark.parametrize("code", RECONNECT_CODES)
async def test_the_client_reconnects_after_these_close_codes(code: int) -> None:
    async with strange(closing_once(code)) as server, Client(server.uri, "x", reconnect_for=10) as client:
        assert (await client.ping()).message == "pong"
    assert (server.logins, server.commands) == (2, ["ping", "ping"])


@pytest.mark.parametrize("code", FINAL_CODES)
async def test_the_client_does_not_reconnect_after_these_close_codes(code: int) -> None:
    async with strange(closing_once(code)) as server, Client(server.uri, "x", reconnect_for=10) as client:
        for _ in range(2):
            with pytest.raises(ConnectionLost) as caught:
                await client.ping()
            assert (caught.value.close_code, caught.value.retryable) == (code, False)
    assert server.logins == 1


async def test_with_reconnect_for_0_the_first_disconnect_is_final() -> None:
    async with strange(closing_once(1001)) as server, Client(server.uri, "x", reconnect_for=0) as client:
        with pytest.raises(ConnectionLost):
            await client.ping()
        assert not client.connected
    assert server.logins == 1


@pytest.mark.parametrize("command", ["set_config", "delete_file", "restart_camera"])
async def test_commands_that_change_something_are_sent_once(command: str) -> None:
    arguments = {"set_config": ("eosremoterelease", "Immediate"), "delete_file": ("/a/b.jpg",), "restart_camera": ()}
    async with strange(closing_once(1001)) as server, Client(server.uri, "x", reconnect_for=10) as client:
        with pytest.raises(ConnectionLost):
            await getattr(client, command)(*arguments[command])
        assert (await client.ping()).message == "pong"
    assert server.commands == [command, "ping"]


async def test_a_burst_is_sent_again_with_the_same_key() -> None:
    keys: list[str] = []

    async def lose_the_first(socket: ServerConnection, message: dict[str, Any]) -> None:
        keys.append(message["payload"]["key"])
        if len(keys) == 1:
            await socket.close(1001)
            return
        head = {"status": "ok", "id": message["id"], "command": message["command"]}
        await socket.send(json.dumps({**head, "message": "3 pictures taken", "frames": 3, "files": []}))

    async with strange(lose_the_first) as server, Client(server.uri, "x", reconnect_for=10) as client:
        assert (await client.capture_burst(frames=3)).frames == 3
    assert keys == [keys[0], keys[0]]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("capture_burst", {"frames": 2}),
        ("capture_burst", {"hold_ms": 50}),
        ("start_movie", {}),
        ("stop_movie", {}),
    ],
)
async def test_the_reply_to_a_long_command_may_come_late(command: str, arguments: dict[str, Any]) -> None:
    async def late(socket: ServerConnection, message: dict[str, Any]) -> None:
        await asyncio.sleep(0.5)
        head = {"status": "error", "id": message["id"], "command": message["command"]}
        await socket.send(json.dumps({**head, "code": "not_supported", "message": "No."}))

    async with strange(late) as server, Client(server.uri, "x", reply_timeout=0.1) as client:
        with pytest.raises(CameraError, match="No"):
            await getattr(client, command)(**arguments)


async def test_a_capture_without_a_reply_is_unknown_and_sent_once() -> None:
    async with strange(never) as server, Client(server.uri, "x", reply_timeout=0.3) as client:
        with pytest.raises(CaptureUnknown) as caught:
            await client.capture_image()
        assert not caught.value.retryable
        with pytest.raises(NoReply):
            await client.ping()
    assert server.commands == ["capture_image", "ping"]


async def test_a_damaged_file_is_downloaded_again(tmp_path: Path) -> None:
    wrong = ["0" * 64]

    async def once_damaged(socket: ServerConnection, message: dict[str, Any]) -> None:
        await transfer(socket, message, b"picture", wrong.pop() if wrong else None)

    async with strange(once_damaged) as server, Client(server.uri, "x") as client:
        await client.download(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == b"picture"
    assert len(server.commands) == 2


async def test_a_download_interrupted_by_a_disconnect_is_repeated(tmp_path: Path) -> None:
    attempts: list[ServerConnection] = []

    async def once_half(socket: ServerConnection, message: dict[str, Any]) -> None:
        attempts.append(socket)
        await transfer(socket, message, b"picture", sent=3 if len(attempts) == 1 else None)

    steps: list[int] = []
    async with strange(once_half) as server, Client(server.uri, "x") as client:
        await client.download(tmp_path / "a.jpg", progress=lambda received, size: steps.append(received))
    assert (tmp_path / "a.jpg").read_bytes() == b"picture"
    assert steps == [3, 7]
    assert server.logins == 2


async def test_a_file_that_stays_damaged_is_not_saved(tmp_path: Path) -> None:
    async def damaged(socket: ServerConnection, message: dict[str, Any]) -> None:
        await transfer(socket, message, b"picture", "0" * 64)

    async with strange(damaged) as server, Client(server.uri, "x") as client:
        with pytest.raises(UnexpectedReply, match="damaged"):
            await client.download(tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"offset": 3}, "not what was asked for"), ({"offset": -1}, "not what was asked for"),
        ({"length": 2**40, "size": 2**50}, "not what was asked for"), ({"length": 3}, "The server sent more bytes"),
        ({"size": 8, "length": 7}, "ended after 7 of 8 bytes"), ({"transfer": "1"}, "no number under 'transfer'"),
        ({"transfer": None}, "no number under 'transfer'"), ({"size": "7"}, "does not fit Downloaded"),
    ],
)  # fmt: skip
async def test_a_file_that_contradicts_the_reply_is_not_saved(tmp_path: Path, lie: dict[str, Any], words: str) -> None:
    async def lying(socket: ServerConnection, message: dict[str, Any]) -> None:
        await transfer(socket, message, b"picture", lie=lie)

    async with strange(lying) as server, Client(server.uri, "x") as client:
        with pytest.raises(UnexpectedReply, match=words):
            await client.download(tmp_path / "a.jpg")
        assert client.connected
    assert list(tmp_path.iterdir()) == []
    assert server.logins == 1


async def test_many_invalid_messages_are_logged_only_10_times(caplog: pytest.LogCaptureFixture) -> None:
    async def flood(socket: ServerConnection, message: dict[str, Any]) -> None:
        for _ in range(1000):
            await socket.send("{")
        await pong(socket, message)

    async with strange(flood) as server, Client(server.uri, "x") as client:
        assert (await client.ping()).message == "pong"
    logged = [record.getMessage() for record in caplog.records if record.name == "gphoto_ws_client"]
    assert len(logged) == 10
    assert "more of them are not logged" in logged[-1]


async def test_the_pause_before_each_reconnect_grows() -> None:
    logins: list[float] = []

    async def hang_up(socket: ServerConnection) -> None:
        await socket.recv()
        logins.append(asyncio.get_running_loop().time())
        await socket.send(json.dumps(LOGGED_IN))

    async with asyncio.timeout(50), serve(hang_up, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}", "x"):
            await until(lambda: len(logins) >= 5)
    # The pauses are 0.2, 0.4, 0.8 and 1.6 s, each randomly up to 30 % shorter or longer.
    assert logins[4] - logins[3] >= 1.6 * 0.7
    assert logins[4] - logins[0] >= 3.0 * 0.7


async def test_a_server_that_always_closes_at_select_camera_fails_the_command() -> None:
    async def answer(socket: ServerConnection, message: dict[str, Any]) -> None:
        if server.commands == ["select_camera"]:
            await pong(socket, message)
        else:
            await socket.close(1001)

    async with asyncio.timeout(50), strange(answer) as server, Client(server.uri, "x", reconnect_for=1) as client:
        await client.select_camera("usb:001,002")
        with pytest.raises(ConnectionLost):
            await client.get_config("iso")
    assert server.commands == ["select_camera"] * 6


async def test_unknown_and_invalid_messages_are_ignored() -> None:
    async def send_nonsense(socket: ServerConnection, message: dict[str, Any]) -> None:
        for nonsense in (
            "no json",
            "[1]",
            '"text"',
            '{"event": 7}',
            '{"event": "later"}',
            '{"id": {}}',
            b"",
            b"\x09" * 20,
        ):
            await socket.send(nonsense)
        await pong(socket, message)

    async with strange(send_nonsense) as server, Client(server.uri, "x") as client, client.events("reconnected"):
        assert (await client.ping()).message == "pong"


async def test_the_error_of_an_invalid_reply_names_the_expected_type() -> None:
    async def empty(socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.send(json.dumps({"status": "ok", "id": message["id"]}))

    async with strange(empty) as server, Client(server.uri, "x") as client:
        with pytest.raises(UnexpectedReply, match="Pong"):
            await client.ping()


async def test_another_kind_of_server_raises_connection_failed() -> None:
    async def chatty(socket: ServerConnection) -> None:
        await socket.send("welcome to the chat")
        await socket.wait_closed()

    async with serve(chatty, "127.0.0.1", 0) as other:
        port = next(iter(other.sockets)).getsockname()[1]
        with pytest.raises(ConnectionFailed, match="does not answer as"):
            async with Client(f"ws://127.0.0.1:{port}", "x"):
                pass


async def test_closing_the_client_during_a_reconnect_ends_pending_calls() -> None:
    async with strange(closing_once(1001)) as server:
        client = Client(server.uri, "x", reconnect_for=60)
        await client.__aenter__()
        with pytest.raises(ConnectionLost):
            await client.restart_camera()
    async with asyncio.timeout(WITHIN_S):
        await until(lambda: not client.connected)
        waiting = asyncio.create_task(client.ping())
        listening = asyncio.create_task(anext(client.live_view()))
        await asyncio.sleep(0)
        await client.__aexit__(None, None, None)
        for task in (waiting, listening):
            with pytest.raises(ConnectionFailed, match="closed"):
                await task


async def test_a_stream_ended_by_the_server_raises_the_reason_after_the_last_frame() -> None:
    async def two_messages(socket: ServerConnection, message: dict[str, Any]) -> None:
        head = {"status": "ok", "id": message["id"], "command": message["command"], "message": ""}
        await socket.send(
            json.dumps(
                {
                    **head,
                    "stream": 7,
                    "fps": 30,
                    "format": "binary",
                    "rotation": 0,
                    "flip": False,
                    "port": "usb:001,002",
                }
            )
        )
        await socket.send(BINARY_HEADER.pack(1, 2, 7, 41, 1_700_000_000_000_000) + b"jpeg")
        await socket.send(json.dumps({"event": "live_view_stopped", "stream": 7, "reason": "camera_disconnected"}))

    async with asyncio.timeout(WITHIN_S), strange(two_messages) as server, Client(server.uri, "x") as client:
        async with client.live_view() as view:
            frame = await anext(view)
            assert (frame.jpeg, frame.seq, frame.stream, frame.dropped) == (b"jpeg", 41, 7, True)
            assert frame.time.isoformat() == "2023-11-14T22:13:20+00:00"
            with pytest.raises(CameraError) as caught:
                await anext(view)
            assert caught.value.code == "camera_disconnected"
        await until(lambda: server.acks == [41])
    assert server.commands == ["start_live_view"]


async def test_a_message_of_endless_fragments_closes_the_connection() -> None:
    async def send_endlessly(socket: ServerConnection, _: dict[str, Any]) -> None:
        async def pieces() -> AsyncIterator[str]:
            while True:
                yield ""
                await asyncio.sleep(0)

        await socket.send(pieces())

    async with strange(send_endlessly) as server, Client(server.uri, "x", reconnect_for=0) as client:
        with pytest.raises(ConnectionLost):
            await client.ping()


async def test_a_too_large_login_reply_is_not_parsed() -> None:
    """If the client parsed a login reply of 16 MiB that consists of `{},{},…`, the Python objects would use 500 MB."""

    async def amplify(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"status": "ok", "x": [' + "{}," * 100_000 + "{}]}")
        await socket.wait_closed()

    async with serve(amplify, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match="does not answer as gphoto-ws-server does"):
            async with Client(f"ws://127.0.0.1:{port}", "x") as client:
                await client.ping()
