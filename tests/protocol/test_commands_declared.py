"""The declared commands: their examples are valid, their schemas are complete, and invalid payloads are rejected."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.catalogue import COMMANDS, find
from protocol.errors import RequestError

ORIGINAL = ["list_cameras", "select_camera", "capture_image", "download_last_image", "get_config", "set_config"]
ADDED = [
    "capture_burst", "stop_exposure", "start_movie", "stop_movie", "start_live_view", "stop_live_view", "capture_preview", "drive_focus", "autofocus",
    "half_press", "zoom_live_view", "fire",
    "get_camera_info", "restart_camera", "sync_clock", "set_job_info", "list_files", "get_thumbnail", "delete_file",
    "start_job", "list_jobs", "get_job", "pause_job", "resume_job", "stop_job", "list_shots", "get_shot", "subscribe", "unsubscribe", "create_ticket", "server_info", "list_commands", "ping",
]  # fmt: skip
CAMERA_COMMANDS = {
    "capture_image", "download_last_image", "get_config", "set_config", "capture_burst", "stop_exposure", "start_movie", "stop_movie",
    "start_live_view", "stop_live_view", "capture_preview", "drive_focus", "autofocus", "half_press", "zoom_live_view", "get_camera_info", "restart_camera", "sync_clock",
    "list_files", "get_thumbnail", "delete_file", "start_job",
}  # fmt: skip


def test_every_documented_command_is_declared() -> None:
    assert list(COMMANDS) == ORIGINAL + ADDED


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_a_valid_payload(name: str) -> None:
    command = COMMANDS[name]
    assert command.validate(command.example).model_dump(exclude_unset=True) == command.example


@pytest.mark.parametrize("name", COMMANDS)
def test_only_commands_for_a_camera_have_a_port(name: str) -> None:
    assert ("port" in COMMANDS[name].payload.model_fields) == (
        name in CAMERA_COMMANDS | {"select_camera", "set_job_info"}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_schemas_of_a_command_are_objects_without_unknown_keys(name: str) -> None:
    description = COMMANDS[name].description()
    assert description.payload["additionalProperties"] is False
    assert description.reply["type"] == "object"


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


def test_the_error_for_an_unknown_key_names_it_and_the_allowed_ones() -> None:
    with pytest.raises(RequestError) as error_info:
        COMMANDS["get_config"].validate({"nmae": "iso"})
    error = error_info.value
    assert error.code == "invalid_payload"
    assert error.message == "nmae: Unknown key. get_config takes: port, name."
    assert error.details == {"errors": [{"field": "nmae", "problem": "Unknown key"}], "allowed": ["port", "name"]}


@pytest.mark.parametrize(
    ("name", "payload", "message_start"),
    [
        ("capture_image", {"filename": "x"}, "filename and keep_on_camera: false need save: true. capture_image takes: "),
        ("capture_image", {"settings": {"iso": [1]}}, "settings.iso: Input should be a string, a number or a boolean. "),
        ("set_config", {"name": "iso", "value": [1]}, "value: Input should be a string, a number or a boolean. "),
        ("subscribe", {"events": ["file_aded"]}, "events.0: Input should be 'camera_connected', 'camera_disconnected'"),
    ],
)  # fmt: skip
def test_errors_of_a_payload_use_json_terms(name: str, payload: dict[str, Any], message_start: str) -> None:
    with pytest.raises(RequestError) as error_info:
        COMMANDS[name].validate(payload)
    assert error_info.value.message.startswith(message_start)
    assert len(error_info.value.details["errors"]) == 1


def test_the_error_of_a_command_without_a_payload_says_so() -> None:
    with pytest.raises(RequestError, match="ping takes no payload"):
        COMMANDS["ping"].validate({"x": 1})


def test_an_error_does_not_repeat_the_sent_value() -> None:
    with pytest.raises(RequestError) as error_info:
        COMMANDS["get_config"].validate({"name": ["a secret"]})
    assert "a secret" not in f"{error_info.value.message} {error_info.value.details}"


def test_the_error_for_an_unknown_command_lists_the_known_commands() -> None:
    with pytest.raises(RequestError) as error_info:
        find("list_camera")
    assert (error_info.value.code, error_info.value.details["commands"]) == ("unknown_command", list(COMMANDS))
