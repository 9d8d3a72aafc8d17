"""docs/protocol.md and docs/asyncapi.yaml match the declarations, are complete, and are valid."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from gphoto_ws_client.login import FINAL_CLOSE_CODES
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from docs.generator.documents import written
from protocol.catalogue import COMMANDS
from protocol.closing import CLOSE_CODES, MESSAGE_TOO_BIG
from protocol.commands import EventName
from protocol.errors import ERROR_CODES
from protocol.events import EVENTS, ON_SUBSCRIPTION
from protocol.frames import HEADER, HEADER_FIELDS
from protocol.photonic import TABLE
from server import limits
from tests.support.rig import ROOT, Server

PAGE = (ROOT / "docs" / "protocol.md").read_text()
ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
SCHEMA = Path(__file__).with_name("asyncapi") / "3.0.0.json"
URI = "urn:asyncapi.yaml"
MESSAGES: dict[str, Any] = ASYNCAPI["components"]["messages"]


@pytest.mark.parametrize(("path", "text"), written().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_generated_document_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text() == text, f"{path.name} is not what the declarations say: run `make docs`"


def test_every_limit_and_event_has_a_description() -> None:
    assert set(limits.MEANINGS) == set(limits.ALL)
    without_subscription = {"live_view_stopped"}  # sent to all viewers, with or without a subscription
    assert {kind.name for kind in ON_SUBSCRIPTION} | without_subscription == set(get_args(EventName))


def test_every_key_has_a_description() -> None:
    tables = re.findall(r"^\| key \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for table in tables for row in table.splitlines()]
    assert len(rows) > 150
    assert [row for row in rows if not row[-1].strip("| ")] == []


def test_the_page_has_every_command_event_code_and_limit() -> None:
    headings = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert headings == set(COMMANDS) | set(EVENTS)
    first_cells = set(re.findall(r"^\| `?([\w-]+)`? \|", PAGE, re.MULTILINE))
    assert first_cells >= set(ERROR_CODES) | set(limits.ALL) | {str(line.code) for line in CLOSE_CODES} | set(TABLE)


def test_the_links_of_the_page_are_valid() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - anchors == set()


def test_the_frame_header_is_as_documented() -> None:
    assert HEADER.size == 16
    assert HEADER.format == ">" + "".join(field.letter for field in HEADER_FIELDS) == ">BBHIQ"
    assert HEADER.format in PAGE


def test_the_http_requests_on_the_page_match_the_server(bare_server: Server) -> None:
    documented = set(re.findall(r"`(?:GET|POST|HEAD) (/[\w/]*)`", PAGE[PAGE.index("## HTTP") :]))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(bare_server.uri.replace("ws://", "http://") + "/nothing")
    message = caught.value.read().decode()
    caught.value.close()
    assert set(re.findall(r"(/[\w/]*)(?=,| and)", message)) == documented


def test_the_python_client_does_not_retry_after_the_final_codes_of_the_table() -> None:
    # The client never sends a message that is too big, so MESSAGE_TOO_BIG is not in its list of codes.
    assert {line.code for line in CLOSE_CODES if line.again == "no"} - {MESSAGE_TOO_BIG} == FINAL_CLOSE_CODES


def test_the_asyncapi_file_is_valid() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator(schema).validate(ASYNCAPI)


def test_an_invalid_asyncapi_file_is_detected() -> None:
    schema = json.loads(SCHEMA.read_text())
    invalid = ASYNCAPI | {"operations": {"login": {"action": "shout", "channel": {"$ref": "#/channels/socket"}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(invalid)


def _references(value: object) -> set[str]:
    match value:
        case dict():
            reference = {value["$ref"]} if "$ref" in value else set()
            return reference.union(*(_references(entry) for entry in value.values()))
        case list():
            return set().union(*(_references(entry) for entry in value))
        case _:
            return set()


def test_every_reference_of_the_asyncapi_file_is_valid() -> None:
    for reference in _references(ASYNCAPI):
        position: Any = ASYNCAPI
        for part in reference.removeprefix("#/").split("/"):
            assert part in position, reference
            position = position[part]


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if "examples" in message])
def test_the_examples_of_the_asyncapi_file_fit_its_schemas(name: str) -> None:
    registry = Registry().with_resource(URI, Resource.from_contents(ASYNCAPI, DRAFT7))
    schema = {"$ref": f"{URI}#/components/messages/{name}/payload"}
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    [example] = MESSAGES[name]["examples"]
    validator.validate(example["payload"])
    assert not validator.is_valid({**example["payload"], "event": "no", "status": "no", "command": 5})


def test_the_asyncapi_file_has_every_command_and_event() -> None:
    assert set(COMMANDS) | {"login", "ack", "events", "pictures"} == set(ASYNCAPI["operations"])
    assert set(EVENTS) <= set(MESSAGES)
