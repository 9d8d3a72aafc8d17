"""Converts values to JSON and back, as their declared types require, for messages between processes."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """Converts values of one type to JSON-compatible data (`encode`) and back (`decode`)."""

    encode: Convert
    decode: Convert


def _same(value: Any) -> Any:
    return value


_PLAIN = Codec(_same, _same)


@cache
def codec(kind: Any) -> Codec:
    """The codec of a type.

    Args:
        kind: one of these types: a dataclass, str, int, float, bool, None, Any, or a Literal; or a list, a
            tuple[X, ...], a frozenset, a dict or a union that contains only these types. At most one member of a union
            may need a conversion.

    Raises:
        TypeError: `kind` is another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (str, int, float, bool, None, type(None), Any) or origin is Literal:
        return _PLAIN
    if origin in (Union, types.UnionType):
        return _optional([one for one in map(codec, inner) if one is not _PLAIN])
    if origin in (list, tuple, frozenset):
        return _many(origin, codec(inner[0]))
    if origin is dict:
        return _mapping(codec(inner[1]))
    if is_dataclass(kind):
        return _object(kind)
    raise TypeError(f"{kind} cannot be converted to JSON")


def _optional(others: list[Codec]) -> Codec:
    if not others:
        return _PLAIN
    (one,) = others
    return Codec(
        lambda value: None if value is None else one.encode(value),
        lambda data: None if data is None else one.decode(data),
    )


def _many(container: Convert, one: Codec) -> Codec:
    if one is _PLAIN:
        return Codec(list, container)
    return Codec(lambda values: [one.encode(value) for value in values], lambda data: container(map(one.decode, data)))


def _mapping(one: Codec) -> Codec:
    if one is _PLAIN:
        return _PLAIN
    return Codec(
        lambda values: {key: one.encode(value) for key, value in values.items()},
        lambda data: {key: one.decode(value) for key, value in data.items()},
    )


def _object(kind: Any) -> Codec:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    deeper = [(name, one) for name in names if (one := codec(hints[name])) is not _PLAIN]

    def encode(value: Any) -> dict[str, Any]:
        data = {name: getattr(value, name) for name in names}
        for name, one in deeper:
            data[name] = one.encode(data[name])
        return data

    def decode(data: dict[str, Any]) -> Any:
        if deeper:
            data = {**data}
            for name, one in deeper:
                if name in data:
                    data[name] = one.decode(data[name])
        return kind(**data)

    return Codec(encode, decode)
