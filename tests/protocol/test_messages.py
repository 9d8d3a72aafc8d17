"""Messages: parsing the text of clients, and encoding replies and events."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from protocol.commands import Done, Pong
from protocol.envelope import Ack, BadRequest, Login, Request, encode_event, encode_reply, parse

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_command_is_parsed_with_its_payload_and_id() -> None:
    assert parse('{"command": "get_config", "payload": {"name": "iso"}, "id": 17}') == Request(
        "get_config", {"name": "iso"}, 17
    )


@pytest.mark.parametrize("text", ['{"command": "ping"}', '{"command": "ping", "payload": null, "id": null}'])
def test_payload_and_id_may_be_missing_or_null(text: str) -> None:
    assert parse(text) == Request("ping", {}, None)


def test_a_token_is_parsed_with_and_without_a_protocol() -> None:
    assert parse('{"token": "T"}') == Login("T", None)
    assert parse('{"token": "T", "protocol": 1, "client": "anything"}') == Login("T", 1)


def test_an_ack_is_parsed() -> None:
    assert parse('{"ack": {"stream": 1, "seq": 42}}') == Ack(1, 42)


def test_an_invalid_payload_keeps_the_id_and_the_command() -> None:
    with pytest.raises(BadRequest) as error_info:
        parse('{"command": "ping", "payload": [], "id": "mine"}')
    assert (error_info.value.code, error_info.value.id, error_info.value.command) == ("invalid_payload", "mine", "ping")


@given(st.text() | st.binary() | JSON_VALUES.map(json.dumps))
def test_random_input_is_parsed_or_a_bad_request(text: str | bytes) -> None:
    message: Request | Login | Ack | BadRequest
    try:
        message = parse(text)
    except BadRequest as error:
        message = error
    assert isinstance(message, Request | Login | Ack) or message.code in (
        "invalid_json",
        "bad_request",
        "invalid_payload",
    )


def test_a_reply_without_an_id_has_neither_id_nor_command() -> None:
    assert json.loads(encode_reply(Pong(), Request("ping", {}))) == {"status": "ok", "message": "pong"}


def test_a_reply_omits_fields_without_a_value() -> None:
    class Partly(BaseModel):
        here: int = 0
        gone: str | None = None

    assert json.loads(encode_reply(Partly(), Request("partly", {}, 0))) == {
        "status": "ok", "id": 0, "command": "partly", "here": 0,
    }  # fmt: skip


def test_an_event_has_the_time_in_utc() -> None:
    before = datetime.now(UTC)
    event = json.loads(encode_event("file_added", {"port": "usb:001,003"}))
    assert (event["event"], event["port"]) == ("file_added", "usb:001,003")
    assert event["time"].endswith("Z")
    assert before <= datetime.fromisoformat(event["time"]) <= datetime.now(UTC)


def test_nan_and_infinity_become_null() -> None:
    assert json.loads(encode_event("x", {"values": [math.nan, math.inf, 1.5]}))["values"] == [None, None, 1.5]


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert json.loads(encode_reply(Done.model_construct(message="Jos\udce9"), Request("x", {})))["message"] == "Jos?"
    event = json.loads(encode_event("x", {"\ud800": [{"text": "\u00e9\udc80"}], "n": math.nan}))
    assert (event["?"], event["n"]) == ([{"text": "\u00e9?"}], None)
