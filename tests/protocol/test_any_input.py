"""Random input gets exactly one well-formed reply, or a defined close code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from protocol.catalogue import COMMANDS
from simulator.process import SimulatorProcess
from tests.support.rig import Client, Json, Server
from tests.support.wire import logged_in, say, well_formed

PONG = {"status": "ok", "message": "pong"}
# The close codes for a wrong token, an unsupported protocol, text that is not UTF-8, and a message that is too long.
DEFINED_CLOSES = (4401, 4406, 1007, 1009)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
CHEAP = st.sampled_from(["ping", "server_info", "list_cameras", "subscribe", "get_config", "stop_live_view"])
# Objects that are similar to messages: mostly valid keys, with random values.
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "command": CHEAP | st.text(max_size=20) | SCALARS,
        "payload": st.dictionaries(st.sampled_from(["name", "port", "events", "x"]), VALUES, max_size=2) | VALUES,
        "id": st.integers() | st.text(max_size=130) | SCALARS,
        "token": SCALARS,
        "protocol": SCALARS,
        "ack": st.fixed_dictionaries({}, optional={"stream": SCALARS, "seq": SCALARS}) | VALUES,
        "extra": VALUES,
    },
)
# Plausible values for these keys. The tests send them in addition to random values.
PLAUSIBLE = {
    "name": st.sampled_from(["iso", "/main/imgsettings/iso", "ownername", "nothing"]),
    "value": st.sampled_from(["100", 400, 0.5, True]),
    "events": st.just(["*"]),
    "fps": st.floats(0.1, 120),
    "format": st.sampled_from(["base64", "binary", "jpeg"]),
    "folder": st.sampled_from(["/", "/store_00020001/DCIM", "/.."]),
    "camera_filepath": st.sampled_from(["/a\x00", "/store_00020001/DCIM/100CANON/IMG_0001.JPG", "/../x"]),
}


def _is_silent(message: Any) -> bool:
    """Whether the message is an ack, which gets no reply."""
    if not isinstance(message, dict) or "command" in message or "token" in message:
        return False
    ack = message.get("ack")
    return isinstance(ack, dict) and all(type(ack.get(key)) is int for key in ("stream", "seq"))


async def _check(client: Client, message: str | bytes, *, text: bool | None = None, silent: bool = False) -> None:
    """Send the message, and check that it gets exactly one reply (none if `silent`) or a defined close code."""
    try:
        await client.socket.send(message, text=text)
        if not silent:
            first = await client.receive()
            assert isinstance(first, dict)
            well_formed(first)
        await say(client, {"command": "ping"})
        assert await client.receive() == PONG
    except ConnectionClosed:
        assert client.socket.close_code in DEFINED_CLOSES


@settings(max_examples=60, deadline=None)
@given(st.text() | st.binary() | VALUES.map(json.dumps))
async def test_random_text_or_bytes_get_one_reply_or_a_defined_close(bare_server: Server, message: str | bytes) -> None:
    async with await logged_in(bare_server) as client:
        await _check(client, message)


@settings(max_examples=40, deadline=None)
@given(st.binary())
async def test_random_bytes_as_text_get_one_reply_or_a_defined_close(bare_server: Server, message: bytes) -> None:
    async with await logged_in(bare_server) as client:
        await _check(client, message, text=True)


@settings(max_examples=100, deadline=None)
@given(MESSAGES)
async def test_a_random_object_gets_one_reply_or_a_defined_close(bare_server: Server, message: dict[str, Any]) -> None:
    async with await logged_in(bare_server) as client:
        await _check(client, json.dumps(message), silent=_is_silent(message))


@settings(max_examples=60, deadline=None)
@given(st.text() | st.binary() | MESSAGES.map(json.dumps))
async def test_a_random_first_message_is_unauthorized(bare_server: Server, message: str | bytes) -> None:
    async with await logged_in(bare_server, login=message) as client:
        reply = await client.receive()
        assert isinstance(reply, dict)
        assert (reply["code"], reply["message"]) == ("unauthorized", "Unauthorized")
        with pytest.raises(ConnectionClosed):
            await client.receive()
        assert client.socket.close_code in (4400, 4401)


@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
async def test_a_random_payload_gets_one_reply(
    shared_server: Server, shared_cameras: SimulatorProcess, name: str, data: st.DataObject
) -> None:
    ports = st.sampled_from([camera.address for camera in shared_cameras.cameras])
    fields = {
        key: st.one_of(ports if key == "port" else PLAUSIBLE.get(key, VALUES), VALUES)
        for key in COMMANDS[name].payload.model_fields
    }
    payload = data.draw(
        st.fixed_dictionaries({}, optional={**fields, "x": VALUES}) | st.dictionaries(st.text(max_size=8), VALUES)
    )
    async with await logged_in(shared_server) as client:
        await client.socket.send(json.dumps({"command": name, "payload": payload}))
        await say(client, {"command": "ping"})
        replies: list[Json] = []
        while len(replies) < 2:
            message = await client.receive()
            # Frames and events that the command requested may arrive between the replies.
            if isinstance(message, dict) and "status" in message:
                replies.append(well_formed(message))
        assert replies[1] == PONG
        assert replies[0].get("code") not in ("internal_error", "unknown_command")
