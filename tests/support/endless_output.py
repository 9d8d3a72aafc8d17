"""A program of camera/device/program.py whose output is 16 TB long, as that of a helper that a camera has taken over."""

from __future__ import annotations

import os


def main(arguments: list[str]) -> int:
    """Make the output; returns the exit code. There are no arguments."""
    os.write(1, b"start")
    os.ftruncate(1, 2**44)
    return 0
