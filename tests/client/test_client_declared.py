"""The client has everything that the server declares: commands, arguments, replies, events and error codes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from gphoto_ws_client import Client, CommandDescription, ServerError
from gphoto_ws_client.errors import ERROR_CLASSES
from gphoto_ws_client.events import EVENT_NAMES
from gphoto_ws_client.replies import State, WidgetType

from camera import model
from protocol.catalogue import COMMANDS
from protocol.commands import ConfigTree, EventName
from protocol.errors import ERROR_CODES
from tests.client.declared import missing_parts
from tests.support.rig import Server


@pytest.mark.parametrize("name", COMMANDS)
def test_the_client_has_all_parts_of_a_command(name: str) -> None:
    assert missing_parts(CommandDescription(**COMMANDS[name].description().model_dump())) == []


async def test_the_client_has_every_command_of_a_running_server(bare_server: Server) -> None:
    async with Client(bare_server.uri, bare_server.token) as client:
        commands = (await client.list_commands()).commands
    assert {command.command for command in commands} == set(COMMANDS)
    assert [missing for command in commands for missing in missing_parts(command)] == []


def _with(schema: Any, **properties: Any) -> Any:
    return {**schema, "properties": {**schema.get("properties", {}), **properties}}


def test_missing_parts_are_found() -> None:
    capture = CommandDescription(**COMMANDS["capture_image"].description().model_dump())
    assert missing_parts(replace(capture, command="fly")) == ["method fly"]
    assert missing_parts(replace(capture, payload=_with(capture.payload, bracket={"type": "integer"}))) == [
        "argument bracket of capture_image"
    ]
    assert missing_parts(replace(capture, reply=_with(capture.reply, place={"type": "string"}))) == [
        "key place of the reply of capture_image"
    ]
    deeper = {name: _with(schema, place={}) for name, schema in capture.reply["$defs"].items()}
    assert set(missing_parts(replace(capture, reply={**capture.reply, "$defs": deeper}))) == {
        "key place of the reply of capture_image"
    }
    more = _with(capture.payload, download={"enum": ["none", "thumbnail", "full", "raw"]})
    assert missing_parts(replace(capture, payload=more)) == ["choices ['raw'] of download of capture_image"]


def test_get_all_config_has_every_field_of_the_tree() -> None:
    tree = ConfigTree.model_json_schema()
    description = CommandDescription("get_all_config", "", {}, tree, {})
    assert missing_parts(description) == []


def test_events_states_and_widget_types_match_the_server() -> None:
    assert set(EVENT_NAMES) == set(get_args(EventName))
    assert get_args(State) == get_args(model.State)
    assert get_args(WidgetType) == get_args(model.WidgetType)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_error_code_of_the_server_has_an_exception_class(code: str) -> None:
    assert issubclass(ERROR_CLASSES[code], ServerError)
    assert ERROR_CLASSES[code] is not ServerError


def test_the_client_has_no_error_code_that_the_server_lacks() -> None:
    assert set(ERROR_CLASSES) == set(ERROR_CODES)


def test_replies_are_frozen() -> None:
    from gphoto_ws_client import replies

    kinds = [
        kind for kind in vars(replies).values() if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__")
    ]
    assert len(kinds) > 15
    for kind in kinds:
        assert fields(kind)
        assert vars(kind)["__dataclass_params__"].frozen, kind
