"""Parses shutter speeds in the forms that cameras use."""

from __future__ import annotations

import re

# The longest exposure of most cameras; also used for values without a number (bulb, auto).
LONGEST_S = 30.0
# Longer values are implausible, and LONGEST_S is used instead.
_LONGEST_PLAUSIBLE_S = 900.0
_SPEED = re.compile(r"(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?\s*s?")


def seconds(speed: str) -> float:
    """The exposure in seconds for a value such as "1/60", "0.3", "2.5s" or "30"; 30 for anything else."""
    exposure = seconds_if_known(speed)
    return LONGEST_S if exposure is None else exposure


def seconds_if_known(speed: str) -> float | None:
    """The exposure in seconds for a value such as "1/60", "0.3", "2.5s" or "30"; None for anything else."""
    match = _SPEED.fullmatch(speed.strip().lower())
    if match is None:
        return None
    whole, part = match.groups()
    exposure = float(whole) / float(part) if part and float(part) else float(whole)
    return exposure if exposure <= _LONGEST_PLAUSIBLE_S else None
