"""The host names of this server. Requests for other names are rejected, which prevents DNS rebinding."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

import machine_names

# RFC 9110 and RFC 3986: a name or an address, and optionally a port; no user and no path.
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{0,5})?")


class Hosts:
    """The host names: addresses, localhost, the names of this machine, *.local, and the names from the settings.

    All addresses and all .local names are accepted, because attackers cannot create DNS entries for them.

    Args:
        more: names from the settings, such as "booth.example", or "*.example" for all names that end with ".example".
    """

    def __init__(self, more: Sequence[str]) -> None:
        lower = [name.lower().rstrip(".") for name in more]
        self._names = frozenset(("localhost", *machine_names.names(), *lower))
        self._suffixes = (".local", *(name[1:] for name in lower if name.startswith("*.")))

    def includes(self, host: str) -> bool:
        """Whether the value of a Host header is a name of this server."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = (match["ipv6"] or match["name"]).lower().rstrip(".")
        return name in self._names or name.endswith(self._suffixes) or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
