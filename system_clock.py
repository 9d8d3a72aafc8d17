"""Whether the clock of this machine can be trusted."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

# wrong: the clock shows a time before this version was written. unsynchronized: it was not set from a time server
# (NTP) or a receiver (GPS) since the machine was started, or nobody can know that.
Trust = Literal["synchronized", "unsynchronized", "wrong"]

_WRITTEN = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
# systemd-timesyncd creates this file after it has set the clock.
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
# adjtimex(2): the result for a clock that is not synchronized, and a buffer that is larger than struct timex.
_TIME_ERROR, _TIMEX_BYTES = 5, 512


def trust() -> Trust:
    """Whether the clock is right, as far as the machine knows. A machine without a battery starts with an old time."""
    if time.time() < _WRITTEN:
        return "wrong"
    return "synchronized" if _SYNCHRONIZED.exists() or _kernel_says_so() else "unsynchronized"


def _kernel_says_so() -> bool:
    """Whether the kernel reports a synchronized clock. False if this process may not call adjtimex."""
    only_read = ctypes.create_string_buffer(_TIMEX_BYTES)  # zeros change nothing
    return ctypes.CDLL(None).adjtimex(only_read) not in (-1, _TIME_ERROR)
