"""Markdown tables from JSON Schemas: one row for each key. The row of a nested key shows the path of the key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines).replace("|  |", "| |")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Row:
    """One row for a key.

    Attributes:
        key: the key with its path, for example "cameras[].port".
        kind: the type and the limits of the value, as text.
        need: "required", or the default value, or "" for an optional key without a default value.
        may_be_missing: whether the key may be missing in a reply.
        what: the description of the key.
    """

    key: str
    kind: str
    need: str
    may_be_missing: bool
    what: str


def rows(model: type[BaseModel]) -> list[Row]:
    """The keys of a model and of the models in it."""
    schema = model.model_json_schema()
    return list(_rows(schema, schema.get("$defs", {}), ""))


def _rows(schema: Schema, defs: dict[str, Schema], way: str) -> Iterator[Row]:
    for name, entry in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        default = entry.get("default")
        need = "required" if required else "" if default in (None, {}, []) else _code(default)
        missing = not required and default is None
        yield Row(way + name, _kind(entry, defs, nullable=required), need, missing, entry.get("description", ""))
        for inner, mark in _objects(entry, defs):
            yield from _rows(inner, defs, f"{way}{name}{mark}.")


def _objects(entry: Schema, defs: dict[str, Schema]) -> Iterator[tuple[Schema, str]]:
    """The objects with named keys in an entry, and the suffix of the path to them."""
    if "$ref" in entry:
        yield _resolved(entry, defs), ""
    for option in entry.get("anyOf", ()):
        yield from _objects(option, defs)
    for inner, mark in _objects(entry["items"], defs) if "items" in entry else ():
        yield inner, f"[]{mark}"


def _resolved(entry: Schema, defs: dict[str, Schema]) -> Schema:
    return defs[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry


def _kind(entry: Schema, defs: dict[str, Schema], *, nullable: bool = True) -> str:
    entry = _resolved(entry, defs)
    if "const" in entry:
        return _code(entry["const"])
    if "enum" in entry:
        return ", ".join(_code(choice) for choice in entry["enum"])
    if "anyOf" in entry:
        kinds = [_kind(option, defs) for option in entry["anyOf"] if nullable or option.get("type") != "null"]
        return _choice([kind for kind in kinds if kind != "integer" or "number" not in kinds])
    match entry.get("type"):
        case "array":
            return f"list of {_several(_kind(entry['items'], defs))}"
        case "object" if isinstance(entry.get("additionalProperties"), dict):
            return f"object, each value {_kind(entry['additionalProperties'], defs)}"
        case "object":
            return "object"
        case str() as kind:
            return kind + _limits(entry)
        case _:
            return "anything"


def _choice(kinds: list[str]) -> str:
    return " or ".join((", ".join(kinds[:-1]), kinds[-1])) if len(kinds) > 1 else kinds[0]


def _several(kind: str) -> str:
    return f"{kind}s" if kind in ("string", "integer", "number", "object") else kind


def _limits(entry: Schema) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", {low} or more"
    if "maxLength" in entry:
        return f", {entry.get('minLength', 0)} to {entry['maxLength']} characters"
    return ""


def _code(value: object) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
