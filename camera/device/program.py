"""Runs a program of this folder in a process of its own: `python -m camera.device.program PARENT MODULE [ARGUMENT ...]`.

A program is a module with a function `main` that gets the arguments and returns the exit code.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys

from camera.device import kernel


def run(parent: int, module: str, arguments: list[str]) -> int:
    """Run a program; returns its exit code. The kernel kills this process when the process `parent` ends."""
    # A process that hangs in C code does not notice that the server has ended.
    kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 0
    return int(importlib.import_module(module).main(arguments))


if __name__ == "__main__":
    code = run(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    # At its end, Python searches all objects for cycles. With none to search, the process ends 40 ms earlier (measured).
    gc.freeze()
    sys.exit(code)
