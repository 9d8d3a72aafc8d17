"""Which libgphoto2 is too old."""

from __future__ import annotations

import logging
import re
from functools import cache

_log = logging.getLogger("camera.library")

# The first version without the parser faults that hostile camera data can use (eight published CVEs).
OLDEST = (2, 5, 34)


def is_old(version: str) -> bool:
    """Whether a version such as "2.5.31" or "2.5.34.1" is older than OLDEST; one that cannot be read is not."""
    numbers = re.match(r"\d+(\.\d+)+", version)
    return numbers is not None and tuple(int(number) for number in numbers[0].split(".")) < OLDEST


@cache
def warn_of(version: str) -> None:
    """Say in the log, once, that this libgphoto2 is too old, if it is."""
    if is_old(version):
        oldest = ".".join(map(str, OLDEST))
        _log.warning(
            "libgphoto2 %s is older than %s: its parsers have known faults that a hostile camera can use."
            " Install gphoto2 2.6.4 or newer (pip install -r requirements.txt).",
            version, oldest,
        )  # fmt: skip
