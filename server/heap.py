"""Keeps freed memory in the process, so that glibc does not return and request it again for each frame."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# malloc.h of glibc. 4 MB is enough for some frames with their encodings, and for a complete configuration tree.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 4 * 2**20


def keep_freed_memory() -> None:
    """Make glibc keep up to 4 MB of freed memory. Does nothing with another C library.

    A frame has about 100 KB, and so do the messages made of it. By default glibc returns such blocks to the kernel and
    requests them again for each frame, which costs a quarter of the CPU of live view with 16 viewers.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(threshold, _KEPT_BYTES)
