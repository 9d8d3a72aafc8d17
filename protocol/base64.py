"""base64 by the fastest encoder there is: pybase64 where it is installed, the standard library's otherwise."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable


def _fastest() -> Callable[[bytes | memoryview], bytes]:
    try:
        encode: Callable[[bytes | memoryview], bytes] = importlib.import_module("pybase64").b64encode
    except ImportError:  # no wheel for this machine; everything works without it
        return base64.b64encode
    return encode


b64encode = _fastest()
