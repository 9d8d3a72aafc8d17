"""The time since the operating system has started. Unlike the system clock, nobody can set it."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4


def this_boot() -> str:
    """Identifies this boot of the operating system."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid4())  # then each start of the server counts as a boot


def uptime_s() -> float:
    """Seconds since the boot, including the time in standby."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
