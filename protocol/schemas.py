"""JSON Schemas of the models, for type generators. Only types have titles: a generator makes a type of each title."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

_HERE = "#/$defs/{model}"
_INTEGER, _NUMBER = {"type": "integer"}, {"type": "number"}


class _Received(GenerateJsonSchema):
    """Schemas of received messages. Pydantic's titles of keys are omitted: a generator makes a type of each title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Always False, because a key needs no title."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Omits the name and docstring of the class, because clients know the type by another name."""
        made = super().model_schema(schema)
        return {key: value for key, value in made.items() if key not in ("title", "description")}

    def generate(self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The complete schema, adapted for generators."""
        whole: JsonSchemaValue = _for_generators(super().generate(schema, mode))
        return whole


class _Sent(_Received):
    """Schemas of sent messages: a key whose default is None may be omitted; all other keys are always present."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Omits the default value. Also omits the type null if the server omits the key instead of sending null."""
        inner = schema["schema"]
        return self.generate_inner(
            inner["schema"] if _may_be_missing(schema) and inner["type"] == "nullable" else inner
        )

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Whether the key is always present."""
        return not _may_be_missing(field["schema"])


def received(model: type[BaseModel], where: str = _HERE) -> Schema:
    """The schema of a message from a client.

    Shared parts are in $defs, and `where` is the format of references to them.
    """
    return model.model_json_schema(ref_template=where, schema_generator=_Received)


def sent(model: type[BaseModel], where: str = _HERE) -> Schema:
    """The schema of a message from the server, in the same form as the result of `received`."""
    return model.model_json_schema(ref_template=where, schema_generator=_Sent, mode="serialization")


def type_name(name: str, kind: Literal["Request", "Payload", "Reply", "Event"]) -> str:
    """The name of a type for clients, for example CaptureImageReply for "capture_image" and "Reply"."""
    return "".join(word.capitalize() for word in name.split("_")) + kind


def _may_be_missing(schema: Any) -> bool:
    return schema["type"] == "default" and schema.get("default") is None and "default_factory" not in schema


def _for_generators(value: Any) -> Any:
    """Adapts a schema to type generators.

    Up to JSON Schema draft 7, keys next to a $ref are ignored. In later drafts, such keys make generators create
    another type (Timing1). Therefore the reference is put into an allOf. A number includes integers, so "integer or
    number" becomes "number".
    """
    match value:
        case {"$ref": reference, **siblings} if siblings:
            return {"allOf": [{"$ref": reference}], **siblings}
        case {"anyOf": [*options], **siblings} if _INTEGER in options and _NUMBER in options:
            return {"anyOf": [option for option in options if option != _INTEGER], **siblings}
        case dict():
            return {key: _for_generators(entry) for key, entry in value.items()}
        case list():
            return [_for_generators(entry) for entry in value]
        case _:
            return value
