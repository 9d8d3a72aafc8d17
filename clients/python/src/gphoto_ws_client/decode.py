"""From JSON to frozen dataclasses, by their type hints. Keys of a newer server are passed over."""

from __future__ import annotations

import base64
import binascii
import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gphoto_ws_client.errors import UnexpectedReply

T = TypeVar("T")

# A picture comes as base64 under this key, and is bytes under `image` here.
PICTURE_KEY = "image_b64"


def picture() -> Any:
    """A dataclass field for a picture of the reply that may be missing."""
    return field(default=None, metadata={"key": PICTURE_KEY})


def required_picture() -> Any:
    """The same for a picture that every such reply has."""
    return field(metadata={"key": PICTURE_KEY})


def wire_key(one: Field[Any]) -> str:
    """The key of a reply that a field is read from."""
    return str(one.metadata.get("key", one.name))


def decode(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass from the object of a reply or an event.

    Raises:
        UnexpectedReply: a key is missing, or its value is of another type.
    """
    try:
        return _object(kind, values)
    except (TypeError, ValueError, KeyError) as error:
        raise UnexpectedReply(f"The server's answer does not fit {kind.__name__}: {error}.") from error


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _object(kind: type[T], values: Any) -> T:
    if not isinstance(values, Mapping):
        raise TypeError(f"{values!r:.80} is no object")
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
        return str(value)  # a newer server may have a word more
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{value!r:.80} is no list")
        return tuple(_value(get_args(hint)[0], entry) for entry in value)
    if origin in (dict, Mapping):
        return dict(value)
    if is_dataclass(hint):
        return _object(cast(type[Any], hint), value)
    if hint is bytes:
        try:
            return base64.b64decode(value)
        except binascii.Error:
            raise ValueError("the picture is no base64") from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{value!r:.80} is no {hint.__name__}")
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
    raise TypeError(f"{value!r:.80} is none of {', '.join(getattr(hint, '__name__', str(hint)) for hint in hints)}")
