"""The names and addresses of this machine, determined without a DNS server."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from contextlib import suppress
from pathlib import Path

_SIOCGIFADDR = 0x8915  # linux/sockios.h
_NAME_BYTES, _REQUEST_BYTES = 16, 40  # struct ifreq in linux/if.h
_ADDRESS = slice(20, 24)  # the position of the IPv4 address in this struct
_GLOBAL_SCOPE = "00"  # in /proc/net/if_inet6
_RESOLVER = Path("/etc/resolv.conf")
_HOSTS = Path("/etc/hosts")


def names() -> list[str]:
    """The names of this machine: the full host name, the short host name, and further names.

    The further names come from /etc/hosts, from the domains of the network, and from multicast DNS (.local).
    """
    full = socket.gethostname().lower().rstrip(".")
    short = full.partition(".")[0]
    found = [
        full,
        short,
        *_other_names({full, short}),
        *(f"{short}.{domain}" for domain in _domains()),
        f"{short}.local",
    ]
    return list(dict.fromkeys(name for name in found if name))


def _other_names(known: set[str]) -> list[str]:
    """Names in /etc/hosts on the same line as a known name, for example `127.0.1.1 booth.example.org booth`."""
    found: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        for line in _HOSTS.read_text().splitlines():
            _, *on_it = line.partition("#")[0].lower().split() or [""]
            if known & set(on_it):
                found += on_it
    return found


def _domains() -> list[str]:
    """The domains in which the resolver searches for short names. They usually come from the network's router."""
    domains: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        for line in _RESOLVER.read_text().splitlines():
            keyword, *values = line.split() or [""]
            if keyword in ("search", "domain"):
                domains = [value.lower().strip(".") for value in values]
    return [domain for domain in domains if domain]


def addresses() -> list[str]:
    """The numeric addresses at which other machines may reach this machine, without link-local IPv6 addresses."""
    found = [address for _, interface in socket.if_nameindex() if (address := _ipv4(interface))]
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            number, _, _, scope, *_ = line.split()
            if scope == _GLOBAL_SCOPE:
                found.append(str(ipaddress.IPv6Address(int(number, 16))))
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def _ipv4(interface: str) -> str:
    request = struct.pack(f"{_REQUEST_BYTES}s", interface.encode()[: _NAME_BYTES - 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            return socket.inet_ntoa(fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, request)[_ADDRESS])
        except OSError:  # the interface has no IPv4 address
            return ""
