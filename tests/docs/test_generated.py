"""docs/protocol.md and docs/asyncapi.yaml are what the declarations say, complete, and valid."""

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
def test_a_generated_document_is_not_stale(path: Path, text: str) -> None:
    assert path.read_text() == text, f"{path.name} is not what the declarations say: run `make docs`"


def test_everything_declared_has_its_words() -> None:
    assert set(limits.MEANINGS) == set(limits.ALL)
    told_without_asking = {"live_view_stopped"}  # may be subscribed to, and comes anyway
    assert {kind.name for kind in ON_SUBSCRIPTION} | told_without_asking == set(get_args(EventName))


def test_every_key_has_its_words() -> None:
    tables = re.findall(r"^\| key \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for table in tables for row in table.splitlines()]
    assert len(rows) > 150
    assert [row for row in rows if not row[-1].strip("| ")] == []


def test_the_page_has_everything() -> None:
    headings = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert headings == set(COMMANDS) | set(EVENTS)
    first_cells = set(re.findall(r"^\| `?([\w-]+)`? \|", PAGE, re.MULTILINE))
    assert first_cells >= set(ERROR_CODES) | set(limits.ALL) | {str(line.code) for line in CLOSE_CODES} | set(TABLE)


def test_the_links_of_the_page_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - anchors == set()


def test_the_header_is_as_long_as_said() -> None:
    assert HEADER.size == 16
    assert HEADER.format == ">" + "".join(field.letter for field in HEADER_FIELDS) == ">BBHIQ"
    assert HEADER.format in PAGE


def test_the_pages_http_requests_are_those_of_the_server(bare_server: Server) -> None:
    shown = set(re.findall(r"`(?:GET|POST|HEAD) (/[\w/]*)`", PAGE[PAGE.index("## HTTP") :]))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(bare_server.uri.replace("ws://", "http://") + "/nothing")
    told = refused.value.read().decode()
    refused.value.close()
    assert set(re.findall(r"(/[\w/]*)(?=,| and)", told)) == shown


def test_the_python_client_gives_up_where_the_table_says_so() -> None:
    # It sends no message that is too big, so it knows nothing of that code.
    assert {line.code for line in CLOSE_CODES if line.again == "no"} - {MESSAGE_TOO_BIG} == FINAL_CLOSE_CODES


def test_the_asyncapi_file_is_valid() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator(schema).validate(ASYNCAPI)


def test_an_asyncapi_file_that_is_not_valid_is_seen() -> None:
    schema = json.loads(SCHEMA.read_text())
    wrong = ASYNCAPI | {"operations": {"login": {"action": "shout", "channel": {"$ref": "#/channels/socket"}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(wrong)


def _references(value: object) -> set[str]:
    match value:
        case dict():
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*(_references(entry) for entry in value.values()))
        case list():
            return set().union(*(_references(entry) for entry in value))
        case _:
            return set()


def test_every_reference_of_the_asyncapi_file_leads_somewhere() -> None:
    for reference in _references(ASYNCAPI):
        place: Any = ASYNCAPI
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


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
