"""Finds similar names for a misspelled name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# No name in the protocol is longer than this. The time that difflib needs grows with the square of the length.
_LONGEST = 60


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names from `known` that are most similar to `name`, best first."""
    return difflib.get_close_matches(name[:_LONGEST].lower().replace("-", "_"), known, 3)


def did_you_mean(found: list[str]) -> str:
    """A question that ends with a space; empty if there are no similar names."""
    return f"Did you mean {' or '.join(found)}? " if found else ""
