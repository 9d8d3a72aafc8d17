"""What the client lacks of a server's declarations, as list_commands tells them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from gphoto_ws_client import Client, CommandDescription
from gphoto_ws_client.decode import wire_key
from gphoto_ws_client.live_view import LiveView
from gphoto_ws_client.replies import LiveViewStarted

# The client chooses these itself: frames and files come as binary messages.
CHOSEN = {("start_live_view", "format"), ("download_last_image", "transfer")}
# What belongs to the binary messages of a download, and is not told on.
CONSUMED = {("download_last_image", "transfer"), ("download_last_image", "chunk_bytes")}


def lacking(command: CommandDescription) -> list[str]:
    """What the client does not have of a command; empty where it has everything."""
    method = getattr(Client, command.command, None)
    if method is None:
        return [f"method {command.command}"]
    parameters = inspect.signature(method).parameters
    asked = [name for name in _properties(command.payload) if (command.command, name) not in CHOSEN]
    return [
        *(f"argument {name} of {command.command}" for name in asked if name not in parameters),
        *(f"{what} of the reply of {command.command}" for what in _missing(command, _reply_of(method))),
        *_wrong_choices(command, method),
    ]


def _reply_of(method: Any) -> Any:
    reply = get_type_hints(method)["return"]
    return LiveViewStarted if reply is LiveView else reply


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema.get("properties", {})
    return found


def _missing(command: CommandDescription, reply: Any) -> Iterator[str]:
    consumed = {name for of, name in CONSUMED if of == command.command}
    yield from _missing_of(command.reply, command.reply.get("$defs", {}), reply, consumed)


def _missing_of(schema: Mapping[str, Any], defs: Mapping[str, Any], kind: Any, consumed: set[str]) -> Iterator[str]:
    """Fields that a dataclass lacks, or demands although the server may leave them out; in nested ones, too."""
    assert is_dataclass(kind)
    known = {wire_key(one): one for one in fields(kind)}
    hints = get_type_hints(kind)
    for name, told in _properties(schema).items():
        if name in consumed:
            continue
        if name not in known:
            yield f"key {name}"
            continue
        one = known[name]
        # Without a default the server always tells it; one that is no null is told, too.
        always = name in schema.get("required", ()) or told.get("default") is not None
        if not always and one.default is MISSING:
            yield f"a default for {name}"
        inner = next(_references(told), None)
        nested = next((part for part in _flat(hints[one.name]) if is_dataclass(part)), None)
        if inner is not None and nested is not None:
            yield from _missing_of(defs[inner], defs, nested, set())
        elif inner is not None and defs[inner].get("type") == "object":
            yield f"a dataclass for {name}"


def _references(told: Any) -> Iterator[str]:
    if isinstance(told, Mapping):
        if "$ref" in told:
            yield str(told["$ref"]).rpartition("/")[2]
        for value in told.values():
            yield from _references(value)
    elif isinstance(told, list):
        for value in told:
            yield from _references(value)


def _flat(hint: Any) -> Iterator[Any]:
    yield hint
    if get_origin(hint) is not None:
        for part in get_args(hint):
            yield from _flat(part)


def _wrong_choices(command: CommandDescription, method: Any) -> Iterator[str]:
    """Arguments whose Literal allows other words than the server's enum."""
    hints = get_type_hints(method)
    for name, told in _properties(command.payload).items():
        if name in hints and (words := set(_enums(told))):
            here = {word for part in _flat(hints[name]) for word in get_args(part) if isinstance(word, (str, int))}
            if here != words:
                yield f"choices {sorted(words ^ here, key=str)} of {name} of {command.command}"


def _enums(told: Any) -> Iterator[Any]:
    if isinstance(told, Mapping):
        yield from told.get("enum", ())
        if "const" in told:
            yield told["const"]
        for value in told.values():
            yield from _enums(value)
    elif isinstance(told, list):
        for value in told:
            yield from _enums(value)
