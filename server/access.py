"""What decides who may connect, as the settings say it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect, and how.

    Attributes:
        origins: of browsers' pages that may connect, beside our own and those of this machine.
        hosts: names of this server, beside this machine's own.
        proxies: addresses and networks of reverse proxies whose word for a client's address is taken.
        tls: serve wss with these certificates.
    """

    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None
