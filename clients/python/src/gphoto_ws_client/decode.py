"""Converts JSON text to frozen dataclasses according to their type hints.

Unknown keys are ignored, because newer servers may send them. Any invalid text raises UnexpectedReply.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import reprlib
import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gphoto_ws_client.errors import UnexpectedReply

T = TypeVar("T")

# Messages contain pictures as base64 under this key. The dataclasses contain them as bytes in the field `image`.
PICTURE_KEY = "image_b64"

# Limit for nested values. It is much higher than the messages of the protocol need, and below Python's recursion limit.
# A value that is nested more deeply than the recursion limit cannot be printed or copied.
_DEEPEST = 64


def parse_message(text: str) -> dict[str, Any]:
    """The object in a text message. Its numbers are finite, and its integers fit into 64 bits.

    Raises:
        UnexpectedReply: the text is not a JSON object, or its values are nested too deeply.
    """
    try:
        message = _object_in(_JSON.decode(text))
        # Messages with few brackets cannot be nested too deeply.
        if text.count("[") + text.count("{") > _DEEPEST and _is_deeper(message):
            raise ValueError("it is nested too deeply")
    except (ValueError, TypeError, RecursionError) as error:
        raise UnexpectedReply(f"The server sent an invalid message: {error}.") from error
    return message


def _object_in(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{reprlib.repr(value)} is not an object")
    return value


def number_in(message: Mapping[str, Any], key: str) -> int:
    """The integer under `key`, for example the number of a stream or transfer.

    Raises:
        UnexpectedReply: there is no integer of 0 or more under `key`.
    """
    value = message.get(key)
    if type(value) is not int or value < 0:
        raise UnexpectedReply(f"The server's answer has no number under {key!r}: {reprlib.repr(value)}.")
    return value


def _is_deeper(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        children = (one.values() if isinstance(one, dict) else one for one in level)
        level = [child for many in children for child in many if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**64:
        raise ValueError(f"{text[:25]} is out of range")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:25]} is out of range")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


_JSON = json.JSONDecoder(parse_float=_float, parse_int=_integer, parse_constant=_constant)


def picture() -> Any:
    """A dataclass field for an optional picture of a reply."""
    return field(default=None, metadata={"key": PICTURE_KEY})


def required_picture() -> Any:
    """A dataclass field for a picture that is always present."""
    return field(metadata={"key": PICTURE_KEY})


def wire_key(one: Field[Any]) -> str:
    """The key of a reply under which the value of a field is found."""
    return str(one.metadata.get("key", one.name))


def decode(kind: type[T], values: Mapping[str, Any]) -> T:
    """Create a dataclass from the object of a reply or event.

    Raises:
        UnexpectedReply: a key is missing, or its value has a wrong type.
    """
    try:
        return _object(kind, values)
    except (TypeError, ValueError, KeyError) as error:
        missing = "no " if isinstance(error, KeyError) else ""
        raise UnexpectedReply(f"The server's answer does not fit {kind.__name__}: {missing}{error}.") from error


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _object(kind: type[T], values: Any) -> T:
    if not isinstance(values, Mapping):
        raise TypeError(f"{reprlib.repr(values)} is not an object")
    hints = _hints(cast(Hashable, kind))
    found: dict[str, Any] = {}
    for one in fields(cast(Any, kind)):
        key = wire_key(one)
        if key in values:
            found[one.name] = _value(hints[one.name], values[key])
        elif one.default is MISSING and one.default_factory is MISSING:
            raise KeyError(key)
    return kind(**found)


def _value(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), value)
    if origin is Literal:
        return _value(str, value)  # any text is accepted, because a newer server may use additional values
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{reprlib.repr(value)} is not a list")
        return tuple(_value(get_args(hint)[0], entry) for entry in value)
    if origin in (dict, Mapping):
        return dict(_value(dict, value))
    if is_dataclass(hint):
        return _object(cast(type[Any], hint), value)
    if hint is bytes:
        try:
            return base64.b64decode(_value(str, value))
        except binascii.Error:
            raise ValueError("the picture is not base64") from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{reprlib.repr(value)} is not of type {hint.__name__}")
    return value


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in hints:
        return None
    plain = {hint for hint in hints if isinstance(hint, type) and not is_dataclass(hint)}
    if type(value) in plain and bytes not in plain:
        return value
    for hint in hints:
        if hint is not type(None):
            try:
                return _value(hint, value)
            except (TypeError, ValueError, KeyError):
                continue
    raise TypeError(
        f"{reprlib.repr(value)} is none of {', '.join(getattr(hint, '__name__', str(hint)) for hint in hints)}"
    )
