"""Common generators of TypeScript types make types with good names from the schemas."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generator import typescript
from docs.generator.asyncapi import document
from protocol.catalogue import COMMANDS
from protocol.events import EVENTS
from protocol.schemas import type_name
from tests.support.rig import ROOT, Client, Server

NPM = ROOT / "tests" / "npm"
SECONDS = 150
pytestmark = pytest.mark.timeout(2 * SECONDS + 60)  # the programs need 5 to 10 s on an idle machine

PAYLOADS = {type_name(name, "Payload") for name in COMMANDS}
REPLIES = {type_name(name, "Reply") for name in COMMANDS}
REQUESTS = {type_name(name, "Request") for name in COMMANDS}
EVENT_TYPES = {type_name(name, "Event") for name in EVENTS}


def _node(script: str, package: str, input_value: object) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not there")
    if not (NPM / "node_modules" / package / "package.json").is_file():
        pytest.skip(f"{package} is not there: make npm")
    done = subprocess.run(
        [node, str(NPM / script)], input=json.dumps(input_value), check=False, capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _check_that_it_compiles(text: str, folder: Path) -> None:
    compiler = NPM / "node_modules" / "typescript" / "lib" / "tsc.js"
    if not compiler.is_file():
        pytest.skip("typescript is not there: make npm")
    file = folder / "types.ts"
    file.write_text(text)
    # ES2015 is needed for the type Map, which Modelina generates for objects whose keys are not declared.
    # The types of browsers, which are not needed, take most of the time of the compiler.
    options = ["--noEmit", "--strict", "--target", "ES2015", "--lib", "ES2015", "--skipLibCheck"]
    command = ["node", str(compiler), *options, str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout


def _declared(text: str) -> list[str]:
    """The names of the types that TypeScript code declares."""
    return re.findall(r"^(?:export )?(?:interface|type|enum|class) (\w+)", text, re.MULTILINE)


def _generated_names(names: Iterator[str] | list[str] | set[str]) -> list[str]:
    return [name for name in names if re.search(r"\d$|anonymous|reserved", name, re.IGNORECASE)]


def _keys(value: Any) -> Iterator[tuple[str, Any]]:
    for key, entry in value.items() if isinstance(value, dict) else ():
        yield key, entry
        yield from _keys(entry)
    for entry in value if isinstance(value, list) else ():
        yield from _keys(entry)


async def _list_commands(server: Server) -> list[dict[str, Any]]:
    async with await Client.connect(server) as client:
        commands: list[dict[str, Any]] = (await client.command("list_commands"))["commands"]
        return commands


async def test_no_key_of_a_schema_has_a_title(bare_server: Server) -> None:
    for command in await _list_commands(bare_server):
        for schema in (command["payload"], command["reply"]):
            assert schema["title"] in PAYLOADS | REPLIES
            inner = {key: entry for key, entry in schema.items() if key != "title"}
            assert [entry for key, entry in _keys(inner) if key == "title"] == []
    assert [entry for key, entry in _keys(document()["components"]["schemas"]) if key == "title"] == []


async def test_json_schema_to_typescript_names_the_types_of_list_commands(bare_server: Server, tmp_path: Path) -> None:
    schemas = [command[side] for command in await _list_commands(bare_server) for side in ("payload", "reply")]
    texts = _node("json_schemas.cjs", "json-schema-to-typescript", schemas)
    assert {_declared(text)[0] for text in texts} == PAYLOADS | REPLIES
    inner = {name for text in texts for name in _declared(text)[1:]}
    assert inner == {
        "ListedCamera",
        "ImageFile",
        "FiredCamera",
        "HookInfo",
        "WebhookInfo",
        "Timing",
        "Range",
        "ShotFileInfo",
        "ShotInfo",
        "StoredMemory",
        "CameraWords",
        "RampOptions",
        "Since",
        "JobStatus",
        "CheckedCapture",
        "CommandDescription",
    }
    # Types with the same name may occur in several texts. A namespace for each text prevents conflicts between them.
    _check_that_it_compiles(
        "\n".join(f"namespace Of{index} {{\n{text}\n}}" for index, text in enumerate(texts)), tmp_path
    )


def test_the_types_of_the_javascript_client_are_up_to_date_and_have_good_names() -> None:
    _node("json_schemas.cjs", "json-schema-to-typescript", [])  # skips the test if it is not there
    text = typescript.FILE.read_text()
    assert text == typescript.text(), f"{typescript.FILE.name} is not what the declarations say: run `make docs`"
    names = _declared(text)
    assert set(names) >= PAYLOADS | REPLIES | EVENT_TYPES | {"Commands", "Events", "ErrorCode", "EventName"}
    assert _generated_names(names) == []


def test_modelina_names_every_type_of_the_asyncapi_file(tmp_path: Path) -> None:
    types = _node("asyncapi.cjs", "@asyncapi/modelina", yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text()))
    names = [name for name, _ in types]
    assert _generated_names(names) == []
    assert len(names) == len(set(names))
    assert set(names) >= PAYLOADS | REPLIES | REQUESTS | EVENT_TYPES
    _check_that_it_compiles("\n".join(text for _, text in types), tmp_path)


def test_every_type_of_the_asyncapi_file_is_a_component() -> None:
    schemas = document()["components"]["schemas"]
    # If an enum or an object with properties is not a component, a generator makes a type without a name from it.
    for name, schema in schemas.items():
        for key, entry in _keys(schema):
            if isinstance(entry, dict):
                assert not entry.get("properties") or key == "properties", (name, key)
                assert "enum" not in entry, (name, key)
    enums = [tuple(schema["enum"]) for schema in schemas.values() if "enum" in schema]
    assert len(enums) == len(set(enums)) > 5
