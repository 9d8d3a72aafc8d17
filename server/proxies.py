"""The address of a client behind a trusted reverse proxy, from the headers X-Forwarded-For and Forwarded (RFC 7239)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from itertools import islice

from websockets.datastructures import Headers

# Number of hops to check, beginning with the hop that is nearest to this server. No real chain of proxies is longer.
_MOST_HOPS = 32
_MOST_CHARACTERS = 4096
# The elements of Forwarded are separated by commas. The name=value pairs of an element are separated by semicolons.
# Quoted text may contain commas and semicolons.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^",]|{_QUOTED})+')
_FORWARDED = re.compile(rf'(?:[^"]|{_QUOTED})*')
_FOR = re.compile(rf'(?:^|;)\s*for\s*=\s*({_QUOTED}|[^";\s]+)\s*(?=;|$)', re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[([^\]]+)\](?::[\w.-]+)?")
_IPV4_AND_PORT = re.compile(r"([\d.]+):[\w.-]+")


class Proxies:
    """Determines the address of a client.

    Args:
        trusted: addresses and networks of reverse proxies in front of this server, such as "10.0.0.5", "172.16.0.0/12".
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in trusted]

    def client(self, peer: str, headers: Headers) -> str:
        """The client's address: the address nearest to this server that is not a trusted proxy.

        If there is no header, or the two headers give different addresses (a client can forge a header), the result is
        the proxy's address.
        """
        if not self._trusted or not self._trusts(_address(peer)):
            return peer
        chains = [chain for chain in (_x_forwarded_for(headers), _forwarded(headers)) if chain]
        found = {self._nearest_untrusted(peer, chain) for chain in chains}
        return found.pop() if len(found) == 1 else peer

    def _nearest_untrusted(self, peer: str, chain: list[str]) -> str:
        nearest = peer
        for hop in islice(reversed(chain), _MOST_HOPS):
            address = _address(hop)
            # This hop is the word "unknown", an obfuscated name, or an invalid value. Return the last valid address.
            if address is None:
                return nearest
            nearest = str(address)
            if not self._trusts(address):
                return nearest
        return nearest

    def _trusts(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _x_forwarded_for(headers: Headers) -> list[str]:
    return [hop.strip() for value in headers.get_all("X-Forwarded-For") for hop in value.split(",")]


def _forwarded(headers: Headers) -> list[str]:
    """The value of for= in each element; "" for an element without for=. The result is [""] if parsing fails."""
    value = ",".join(headers.get_all("Forwarded"))
    if not value:
        return []
    # The limit for the length also limits the time of the regular expression. No real header is longer.
    if len(value) > _MOST_CHARACTERS or not _FORWARDED.fullmatch(value):
        return [""]
    return [_named(element) for element in _ELEMENT.findall(value)]


def _named(element: str) -> str:
    names = _FOR.findall(element)
    if len(names) != 1:
        return ""
    name: str = names[0]
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address without its port; None if it is not an address."""
    if match := _IN_BRACKETS.fullmatch(text) or _IPV4_AND_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
