"""The origins of web pages that may connect: this machine, this server, and the origins from the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from websockets.datastructures import Headers

_LOCAL = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class Origins:
    """Checks origins. Programs other than browsers send no Origin and may connect too. All clients need the token.

    Args:
        more: origins from the settings, such as "https://booth.example".
    """

    def __init__(self, more: Sequence[str]) -> None:
        self._more = frozenset(more)

    def allows(self, headers: Headers) -> bool:
        """Whether a handshake with these headers may connect."""
        origins = headers.get_all("Origin")
        if not origins:
            return True
        if len(origins) > 1:
            return False
        origin = origins[0]
        return origin in self._more or _LOCAL.fullmatch(origin) is not None or _is_same_origin(origin, headers)


def _is_same_origin(origin: str, headers: Headers) -> bool:
    """Whether the page was loaded from this server, for example the console on another machine.

    The scheme is not compared, because a proxy in front of this server may use https.
    """
    scheme, _, host = origin.partition("://")
    hosts = headers.get_all("Host")
    return scheme in ("http", "https") and len(hosts) == 1 and host.lower() == hosts[0].lower()
