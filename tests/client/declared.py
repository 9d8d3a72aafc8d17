"""Compare the client with the declarations that list_commands of a server returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from gphoto_ws_client import Client, CommandDescription
from gphoto_ws_client.decode import wire_key
from gphoto_ws_client.live_view import LiveView
from gphoto_ws_client.replies import LiveViewStarted

# Arguments that the client sets itself, because it always requests frames and files as binary messages.
CHOSEN = {("start_live_view", "format"), ("download_last_image", "transfer")}
# Fields of a reply that describe only the binary messages of a download. The client's result does not contain them.
CONSUMED = {("download_last_image", "transfer"), ("download_last_image", "chunk_bytes")}


def missing_parts(command: CommandDescription) -> list[str]:
    """The parts of a command that the client lacks: its method, its arguments, their choices, and keys of its reply."""
    method = getattr(Client, command.command, None)
    if method is None:
        return [f"method {command.command}"]
    parameters = _arguments_of(method)
    asked = [name for name in _properties(command.payload) if (command.command, name) not in CHOSEN]
    return [
        *(f"argument {name} of {command.command}" for name in asked if name not in parameters),
        *(f"{what} of the reply of {command.command}" for what in _missing(command, _reply_of(method))),
        *_wrong_choices(command, method),
    ]


def _arguments_of(method: Any) -> Mapping[str, Any]:
    """The arguments of a method with their types. The keys of the TypedDict replace `**options: Unpack[...]`."""
    hints = get_type_hints(method)
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (options,) = get_args(hints.pop(name))
            hints |= get_type_hints(options)
    return hints


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
    """The fields that the dataclass lacks, and the fields that it requires although the server may omit them.

    Nested dataclasses are also checked.
    """
    assert is_dataclass(kind)
    known = {wire_key(field): field for field in fields(kind)}
    hints = get_type_hints(kind)
    for name, property in _properties(schema).items():
        if name in consumed:
            continue
        if name not in known:
            yield f"key {name}"
            continue
        field = known[name]
        # The server always sends a field that is required or whose default is not null.
        always = name in schema.get("required", ()) or property.get("default") is not None
        if not always and field.default is MISSING:
            yield f"a default for {name}"
        inner = next(_references(property), None)
        nested = next((part for part in _flat(hints[field.name]) if is_dataclass(part)), None)
        if inner is not None and nested is not None:
            yield from _missing_of(defs[inner], defs, nested, set())
        elif inner is not None and defs[inner].get("type") == "object":
            yield f"a dataclass for {name}"


def _references(property: Any) -> Iterator[str]:
    if isinstance(property, Mapping):
        if "$ref" in property:
            yield str(property["$ref"]).rpartition("/")[2]
        for value in property.values():
            yield from _references(value)
    elif isinstance(property, list):
        for value in property:
            yield from _references(value)


def _flat(hint: Any) -> Iterator[Any]:
    yield hint
    if get_origin(hint) is not None:
        for part in get_args(hint):
            yield from _flat(part)


def _wrong_choices(command: CommandDescription, method: Any) -> Iterator[str]:
    """The arguments whose Literal in the client has other values than the enum that the server declares."""
    hints = _arguments_of(method)
    for name, property in _properties(command.payload).items():
        if name in hints and (allowed := set(_enums(property))):
            literals = {word for part in _flat(hints[name]) for word in get_args(part) if isinstance(word, (str, int))}
            if literals != allowed:
                yield f"choices {sorted(allowed ^ literals, key=str)} of {name} of {command.command}"


def _enums(property: Any) -> Iterator[Any]:
    if isinstance(property, Mapping):
        yield from property.get("enum", ())
        if "const" in property:
            yield property["const"]
        for value in property.values():
            yield from _enums(value)
    elif isinstance(property, list):
        for value in property:
            yield from _enums(value)
