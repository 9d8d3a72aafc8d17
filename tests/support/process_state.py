"""A program that prints what a process gets from the one that starts it, as JSON: for the test of the fork server."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
import warnings


def main() -> int:
    """Print the state of this process; returns the exit code 7."""
    descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    descriptors = [fd for fd in descriptors if os.path.exists(f"/proc/self/fd/{fd}")]  # without the one of listdir
    handled = {number: signal.getsignal(number) for number in signal.valid_signals()}
    state = {
        "arguments": sys.argv[1:],
        "descriptors": descriptors,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path[0],
        "signals": {int(number): getattr(handler, "__name__", str(handler)) for number, handler in handled.items()},
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "leads its session": os.getsid(0) == os.getpid(),
        "limits": [resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)],
        "priority": os.nice(0),
        "time zone": time.tzname,
        "threads": [thread.name for thread in threading.enumerate()],
        "warnings": [str(one) for one in warnings.filters],
        "input": sys.stdin.read(),
        "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding],
    }
    print("This is stderr.", file=sys.stderr)
    print(json.dumps(state, sort_keys=True))
    return 7


if __name__ == "__main__":
    sys.exit(main())
