"""The time zone of this process, without summer time while the clock of a camera is set."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fixed_at(moment: float) -> Iterator[None]:
    """Use the time zone of a moment (seconds since 1970), but without summer time, until the end of the block.

    With summer time, libgphoto2 sets the clock of a Canon one hour behind (camlibs/ptp2/config.c,
    _put_UINT32_as_localtime: a local time with tm_isdst set is converted in a zone without summer time). The driver
    must not run in another thread meanwhile.
    """
    offset = time.localtime(moment).tm_gmtoff
    before = os.environ.get("TZ")
    minutes, seconds = divmod(abs(offset), 60)
    # In POSIX, a zone east of Greenwich has a negative sign.
    _use(f"<local>{'-' if offset >= 0 else '+'}{minutes // 60}:{minutes % 60:02}:{seconds:02}")
    try:
        yield
    finally:
        _use(before)


def _use(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
