"""Commands: each is declared once, with an example that fits and schemas that say everything."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.catalogue import COMMANDS, find
from protocol.errors import RequestError

SEED = ["list_cameras", "select_camera", "capture_image", "download_last_image", "get_config", "set_config"]
ADDED = [
    "start_live_view", "stop_live_view", "capture_preview", "get_camera_info", "restart_camera", "list_files",
    "get_thumbnail", "delete_file", "subscribe", "unsubscribe", "server_info", "list_commands", "ping",
]  # fmt: skip
FOR_A_CAMERA = {
    "capture_image", "download_last_image", "get_config", "set_config", "start_live_view", "stop_live_view",
    "capture_preview", "get_camera_info", "restart_camera", "list_files", "get_thumbnail", "delete_file",
}  # fmt: skip


def test_every_promised_command_is_there() -> None:
    assert list(COMMANDS) == SEED + ADDED


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_fits_its_payload(name: str) -> None:
    command = COMMANDS[name]
    assert command.validate(command.example).model_dump(exclude_unset=True) == command.example


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_for_a_camera_takes_a_port_and_any_other_takes_none(name: str) -> None:
    assert ("port" in COMMANDS[name].payload.model_fields) == (name in FOR_A_CAMERA | {"select_camera"})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_schemas_of_a_command_forbid_unknown_keys_and_are_objects(name: str) -> None:
    told = COMMANDS[name].description()
    assert told.payload["additionalProperties"] is False
    assert told.reply["type"] == "object"


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("set_config", {"name": "iso", "value": "200"}),
        ("set_config", {"name": "iso", "value": 200}),
        ("set_config", {"name": "x", "value": 0.5}),
        ("set_config", {"name": "x", "value": True}),
    ],
)
def test_the_value_of_a_setting_keeps_its_json_type(name: str, payload: dict[str, Any]) -> None:
    value = COMMANDS[name].validate(payload).model_dump()["value"]
    assert (value, type(value)) == (payload["value"], type(payload["value"]))


def test_a_wrong_payload_names_the_field_and_what_is_allowed() -> None:
    with pytest.raises(RequestError) as refusal:
        COMMANDS["get_config"].validate({"nmae": "iso"})
    error = refusal.value
    assert error.code == "invalid_payload"
    assert error.message == "nmae: Unknown key. get_config takes: port, name."
    assert error.details == {"errors": [{"field": "nmae", "problem": "Unknown key"}], "allowed": ["port", "name"]}


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("capture_image", {"filename": "x"}, "filename and keep_on_camera: false need save: true. capture_image takes: "),
        ("capture_image", {"settings": {"iso": [1]}}, "settings.iso: Input should be a string, a number or a boolean. "),
        ("set_config", {"name": "iso", "value": [1]}, "value: Input should be a string, a number or a boolean. "),
        ("subscribe", {"events": ["file_aded"]}, "events.0: Input should be 'camera_connected', 'camera_disconnected'"),
    ],
)  # fmt: skip
def test_a_wrong_payload_is_told_in_words_of_the_protocol(name: str, payload: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        COMMANDS[name].validate(payload)
    assert refusal.value.message.startswith(words)
    assert len(refusal.value.details["errors"]) == 1


def test_a_command_without_arguments_says_so() -> None:
    with pytest.raises(RequestError, match="ping takes no payload"):
        COMMANDS["ping"].validate({"x": 1})


def test_what_was_sent_is_not_repeated_in_the_error() -> None:
    with pytest.raises(RequestError) as refusal:
        COMMANDS["get_config"].validate({"name": ["a secret"]})
    assert "a secret" not in f"{refusal.value.message} {refusal.value.details}"


def test_an_unknown_command_is_told_the_known_ones() -> None:
    with pytest.raises(RequestError) as refusal:
        find("list_camera")
    assert (refusal.value.code, refusal.value.details["commands"]) == ("unknown_command", list(COMMANDS))
