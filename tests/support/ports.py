"""Ports for servers that a test restarts on the same port. No other process uses the port between two starts."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# All ports are below the range from which the kernel takes ports for clients (ip_local_port_range starts at 32768).
# A port in that range could be given to a connection of another test while a server is being restarted.
_FIRST, _PORTS, _BLOCKS = 21000, 500, 22
# The open lock file. It is never closed, because closing the file would release the lock.
_lock: int | None = None


def _reserve_block() -> int:
    """Reserve a block of ports for this process with a lock on a file, and return the first port of the block."""
    global _lock
    for block in random.sample(range(_BLOCKS), _BLOCKS):
        path = Path(tempfile.gettempdir(), f"gphoto-ws-tests-ports-{block}.lock")
        try:
            file = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)  # read-only, because another user may own it
        except OSError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        _lock = file
        return _FIRST + block * _PORTS
    raise AssertionError(f"all {_BLOCKS} blocks of ports are in use by other test runs")


def _ports_of_this_process() -> Iterator[int]:
    first = _reserve_block()
    yield from itertools.cycle(range(first, first + _PORTS))


_candidates = _ports_of_this_process()


def free_port() -> int:
    """A port that no server uses."""
    for port in itertools.islice(_candidates, _PORTS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port of the block is free")
