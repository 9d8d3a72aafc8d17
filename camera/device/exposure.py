"""How long a shutter speed is, as cameras write it."""

from __future__ import annotations

import re

# The longest exposure of a mode dial; what is taken for a speed that is no number (bulb, auto).
LONGEST_S = 30.0
# No camera exposes longer by itself; one that says so lies.
_LONGEST_PLAUSIBLE_S = 900.0
_SPEED = re.compile(r"(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?\s*s?")


def seconds(speed: str) -> float:
    """The exposure of a value such as "1/60", "0.3", "2.5s" or "30", in seconds; 30 for anything else."""
    match = _SPEED.fullmatch(speed.strip().lower())
    if match is None:
        return LONGEST_S
    whole, part = match.groups()
    exposure = float(whole) / float(part) if part and float(part) else float(whole)
    return exposure if exposure <= _LONGEST_PLAUSIBLE_S else LONGEST_S
