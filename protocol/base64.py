"""base64 encoding with the fastest available encoder: pybase64 if it is installed, otherwise the standard library."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable


def _fastest() -> Callable[[bytes | memoryview], bytes]:
    try:
        encode: Callable[[bytes | memoryview], bytes] = importlib.import_module("pybase64").b64encode
    except ImportError:  # pybase64 is not installed, for example because there is no wheel for this machine
        return base64.b64encode
    return encode


b64encode = _fastest()
