"""Names that a mistyped one may stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# No name of the protocol is longer, and difflib's time grows with the square of the length.
_LONGEST = 60


def similar(name: str, known: Iterable[str]) -> list[str]:
    """The names among `known` that are nearest to `name`, best first, three at most."""
    return difflib.get_close_matches(name[:_LONGEST].lower().replace("-", "_"), known, 3)


def did_you_mean(found: list[str]) -> str:
    """A sentence that ends with a space, or nothing where none is near."""
    return f"Did you mean {' or '.join(found)}? " if found else ""
