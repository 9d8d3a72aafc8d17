"""Keeps freed memory in the process. glibc would return it to the kernel and request it again for each frame."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# The numbers of the two parameters of `mallopt` are from malloc.h of glibc. 4 MB is enough for several frames with
# their encoded messages, and for a complete configuration tree.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 4 * 2**20


def keep_freed_memory() -> None:
    """Make glibc keep up to 4 MB of freed memory. Does nothing with another C library.

    A frame has about 100 KB, and each message that contains the frame has about the same size. By default, glibc
    returns blocks of this size to the kernel and requests them again for each frame. With 16 viewers, this needs a
    quarter of the CPU time of live view.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(threshold, _KEPT_BYTES)
