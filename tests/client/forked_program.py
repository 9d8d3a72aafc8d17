"""gphoto-ws for the fork server (tests/support/forked.py): its modules are loaded once, and `main` is the installed program."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper

from gphoto_ws_client.cli import run

import_module("gphoto_ws_client.cli.main")  # `run` imports it


def main() -> int:
    """Run gphoto-ws; does not return."""
    # The streams of the fork server are of other files, of which Python has noted whether they can be sought.
    sys.stdout, sys.stderr = _stream(1, "surrogateescape"), _stream(2, "backslashreplace")
    run()
    return 0


def _stream(fd: int, errors: str) -> TextIOWrapper:
    return open(fd, "w", encoding="utf-8", errors=errors, closefd=False, buffering=1 if fd == 2 else -1)
