"""docs/protocol.md: the text of the template, with tables from the declarations."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from docs.generator.tables import rows, table
from protocol import errors, examples, photonic
from protocol.catalogue import COMMANDS, Command
from protocol.closing import CLOSE_CODES
from protocol.commands import LoginReply, Payload
from protocol.events import ON_SUBSCRIPTION, UNASKED, Event, EventKind
from protocol.frames import HEADER, HEADER_FIELDS
from server import limits

TEMPLATE = Path(__file__).with_name("protocol.template.md")

# The first code of each group of error codes.
_GROUPS = {"bad_request": "Requests", "no_camera_selected": "Cameras", "shot_not_found": "Data"}
_BYTES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64"}
_SAMPLES = {"section": "imgsettings", "option": "iso", "value": "200", "fps": 15, "settings": {"iso": "200"}}


def text() -> str:
    """The content of the page."""
    parts = {
        "login": _keys(LoginReply),
        "command list": _command_list(),
        "commands": "\n\n".join(_command(command) for command in COMMANDS.values()),
        "failed": _dialogue(examples.FAILED["request"], examples.FAILED["reply"]),
        "errors": _errors(),
        "events": "\n\n".join(_event(kind) for kind in ON_SUBSCRIPTION),
        "unasked": "\n\n".join(_event(kind) for kind in UNASKED),
        "header": _header(),
        "closing": table(
            ("code", "when", "try again?"), ((str(line.code), line.when, line.again) for line in CLOSE_CODES)
        ),
        "photonic": _photonic(),
        "limits": table(
            ("limit", "value", "meaning"),
            ((f"`{name}`", str(value), limits.MEANINGS[name]) for name, value in limits.ALL.items()),
        ),
    }
    return re.sub(r"<!-- (.+) -->", lambda place: parts[place.group(1)], TEMPLATE.read_text())


def _command_list() -> str:
    return table(
        ("command", "what it does"), ((f"[`{name}`](#{name})", command.summary) for name, command in COMMANDS.items())
    )


def _command(command: Command[Any, Any]) -> str:
    takes = _payload(command.payload)
    parts = [f"### {command.name}", command.summary, takes]
    parts += ["The reply has `status` and:", _keys(command.reply)]
    parts.append(_dialogue(examples.request(command.name), examples.reply(command.name)))
    return "\n\n".join(parts)


def _payload(model: type[Payload]) -> str:
    if not model.model_fields:
        return "No payload."
    lines = [(f"`{row.key}`", row.kind, row.need, row.what) for row in rows(model)]
    return f"Payload:\n\n{table(('key', 'type', 'default', 'meaning'), lines)}"


def _keys(model: type[BaseModel], *, without: Container[str] = ()) -> str:
    values = (row for row in rows(model) if row.key not in without)
    lines = [(f"`{row.key}`", row.kind, "may be missing" if row.may_be_missing else "", row.what) for row in values]
    return table(("key", "type", "", "meaning"), lines) if lines else ""


def _dialogue(request: dict[str, Any], reply: dict[str, Any]) -> str:
    return f"```\n> {_json(request)}\n< {_json(reply)}\n```"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _errors() -> str:
    groups: list[tuple[str, list[tuple[str, str, str]]]] = []
    for code, kind in errors.KINDS.items():
        if code in _GROUPS:
            groups.append((_GROUPS[code], []))
        groups[-1][1].append((f"`{code}`", "yes" if kind.retryable else "", kind.meaning))
    head = ("code", "retryable", "what happened, and what to do")
    return "\n\n".join(f"**{group}**\n\n{table(head, lines)}" for group, lines in groups)


def _event(kind: EventKind) -> str:
    keys = _keys(kind.holds, without=("port", *Event.model_fields))
    parts = (f"### {kind.name}", kind.when, keys, f"```\n< {_json(kind.message())}\n```")
    return "\n\n".join(part for part in parts if part)


def _header() -> str:
    lines, place = [], 0
    for field in HEADER_FIELDS:
        kind = _BYTES[field.letter]
        lines.append((str(place), kind, f"`{field.name}`", field.holds))
        place += int(kind[1:]) // 8
    lines.append((f"{HEADER.size}", "", "", "the JPEG of the frame, or the bytes of the piece"))
    return table(("byte", "type", "field", "content"), lines)


def _photonic() -> str:
    lines = []
    for kind, line in photonic.TABLE.items():
        message = {"type": kind} | {name: _SAMPLES[name] for name in line.required}
        values = line.fields(message, examples.reply(line.command))
        fields = [f"`{name}`" for name in line.required] + [f"`{name}` (optional)" for name in line.optional]
        lines.append(
            (f"`{kind}`", ", ".join(fields), f"[`{line.command}`](#{line.command})", f"`{line.reply}`",
             ", ".join(f"`{name}`" for name in values))
        )  # fmt: skip
    return table(("type", "fields", "same as", "type of the reply", "fields of the reply"), lines)
