"""Converts text from a camera that is not valid UTF-8: each invalid byte becomes `%` and two hex digits.

If a PC wrote the files on a card, their names are in the PC's character set (for example CP437 or CP932). The card does
not say which character set this is. The escape keeps the bytes, so the escaped name can be converted back:
`caf\\x82.jpg` becomes `caf%82.jpg`. Only bytes from 0x80 to 0xFF are escaped, with capital hex digits. If a name itself
contains text like `%82` or `%25`, its `%` becomes `%25`. All other names stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_ESCAPE = re.compile(r"%([89A-F][0-9A-F]|25)")
# Python's representation of a byte that is not UTF-8 (PEP 383): U+DC80 to U+DCFF.
_BYTE = re.compile("[\udc80-\udcff]")


def escaped(raw: bytes) -> str:
    """Text from a camera as valid Unicode."""
    text = _ESCAPE.sub(lambda match: "%25" + match[1], raw.decode("utf-8", "surrogateescape"))
    return _BYTE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def unescaped(text: str) -> bytes:
    """The bytes from which `escaped` made `text`.

    Raises:
        ValueError: `escaped` cannot have made this text; each name has exactly one escaped form.
    """
    text.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    raw = _ESCAPE.sub(lambda match: chr(0xDC00 + int(match[1], 16)) if match[1] != "25" else "%", text)
    encoded = raw.encode("utf-8", "surrogateescape")
    if escaped(encoded) != text:
        raise ValueError("%80 to %FF stand for bytes that are not UTF-8, and %25 for a % before such digits")
    return encoded


def read(get: Callable[[], Any]) -> str:
    """The text that a getter of python-gphoto2 returns; empty if the getter returns None."""
    value = read_value(get)
    return "" if value is None else str(value)


def read_value(get: Callable[[], Any]) -> Any:
    """The value that a getter of python-gphoto2 returns. Text is escaped.

    For text that is not UTF-8, some getters raise UnicodeDecodeError, and others return surrogates (PEP 383).
    """
    try:
        value = get()
    except UnicodeDecodeError as error:
        return escaped(error.object)
    if not isinstance(value, str) or (value.isascii() and "%" not in value):
        return value
    return escaped(value.encode("utf-8", "surrogateescape"))
