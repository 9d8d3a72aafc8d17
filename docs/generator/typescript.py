"""clients/javascript/src/protocol.d.ts: the types of the JavaScript client, by json-schema-to-typescript."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from docs.generator.asyncapi import document
from protocol.catalogue import COMMANDS
from protocol.events import EVENTS
from protocol.schemas import Schema, type_name

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "clients" / "javascript" / "src" / "protocol.d.ts"
PROGRAM = ROOT / "tests" / "npm" / "json_schemas.cjs"
_HEAD = "// Written by `make docs` from the declarations in protocol/; do not edit.\n\n"


def schema() -> Schema:
    """One schema with the types Commands and Events, which have the types of all messages by name, and their parts."""
    types: Schema = document()["components"]["schemas"]
    commands = {
        name: _object({kind.lower(): _to(type_name(name, kind)) for kind in ("Payload", "Reply")}) for name in COMMANDS
    }
    events = {name: _to(type_name(name, "Event")) for name in EVENTS}
    whole = {
        "title": "Protocol",
        **_object(
            {"commands": _to("Commands"), "events": _to("Events"), "codes": _to("ErrorCode"), "names": _to("EventName")}
        ),
        "$defs": {"Commands": _object(commands), "Events": _object(events), **types},
    }
    moved: Schema = json.loads(json.dumps(whole).replace("#/components/schemas/", "#/$defs/"))
    return moved


def text() -> str:
    """The content of the file.

    Raises:
        OSError, CalledProcessError: Node.js, or a program that `make npm` installs, is missing.
    """
    done = subprocess.run(
        ["node", str(PROGRAM)], input=json.dumps([schema()]), check=True, stdout=subprocess.PIPE, text=True
    )
    [types] = json.loads(done.stdout)
    return f"{_HEAD}{types}"


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _to(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
