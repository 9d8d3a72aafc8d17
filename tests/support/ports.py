"""Ports for servers that are started again on the same one: nobody else takes them meanwhile."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator

# Below those that the kernel gives to whoever asks for any (ip_local_port_range begins at 32768): each connection of
# a test beside this one may get the port of a server that is just being started again. A part for each process of
# pytest-xdist.
_FIRST, _PART, _PARTS = 21000, 1000, 11


def _own() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS
    start = random.randrange(_PART)  # another run of the tests may go on beside this one
    for number in itertools.count(start):
        yield _FIRST + worker * _PART + number % _PART


_candidates = _own()


def free_port() -> int:
    """A port that nobody has."""
    for port in _candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is always a next one")
