"""JSON Schemas of the models, for programs that make types of them: only types have names, and each part stands once."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

_HERE = "#/$defs/{model}"
_INTEGER, _NUMBER = {"type": "integer"}, {"type": "number"}


class _Received(GenerateJsonSchema):
    """Without Pydantic's title on every key, of which generators make types such as Port8."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: a key has its name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Without the name and the docstring of the class: who reads the schema knows the type by another name."""
        made = super().model_schema(schema)
        return {key: value for key, value in made.items() if key not in ("title", "description")}

    def generate(self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The whole, as generators of types understand it."""
        whole: JsonSchemaValue = _for_generators(super().generate(schema, mode))
        return whole


class _Sent(_Received):
    """As the server sends it: a key that is None by default is left out where it is None, and every other is there."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without the default, and without null where null means: left out."""
        inner = schema["schema"]
        return self.generate_inner(
            inner["schema"] if _may_be_missing(schema) and inner["type"] == "nullable" else inner
        )

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Whether the key is always there."""
        return not _may_be_missing(field["schema"])


def received(model: type[BaseModel], where: str = _HERE) -> Schema:
    """The schema of what a client sends; its parts are in $defs and referred to by `where`."""
    return model.model_json_schema(ref_template=where, schema_generator=_Received)


def sent(model: type[BaseModel], where: str = _HERE) -> Schema:
    """The schema of what the server sends, likewise."""
    return model.model_json_schema(ref_template=where, schema_generator=_Sent, mode="serialization")


def type_name(name: str, kind: Literal["Request", "Payload", "Reply", "Event"]) -> str:
    """What a client's programmer calls it: capture_image and Reply make CaptureImageReply."""
    return "".join(word.capitalize() for word in name.split("_")) + kind


def _may_be_missing(schema: Any) -> bool:
    return schema["type"] == "default" and schema.get("default") is None and "default_factory" not in schema


def _for_generators(value: Any) -> Any:
    """The same as generators understand it best.

    A reference with words beside it gets an allOf of its own: what stands beside a $ref is ignored up to draft 7 and
    makes another type of it (Timing1) since. A number includes an integer, which would make "number | number".
    """
    match value:
        case {"$ref": reference, **beside} if beside:
            return {"allOf": [{"$ref": reference}], **beside}
        case {"anyOf": [*options], **beside} if _INTEGER in options and _NUMBER in options:
            return {"anyOf": [option for option in options if option != _INTEGER], **beside}
        case dict():
            return {key: _for_generators(entry) for key, entry in value.items()}
        case list():
            return [_for_generators(entry) for entry in value]
        case _:
            return value
