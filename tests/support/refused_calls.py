"""Threads in which the kernel refuses some system calls, like a file system that does not support them."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import threading
from collections.abc import Callable

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
_LOAD_NUMBER, _IS_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_LINK = {"x86_64": (86, 265), "aarch64": (37,)}  # link and linkat
_RENAME = {"x86_64": (82, 264, 316), "aarch64": (38, 276)}  # rename, renameat and renameat2


def without_hard_links(*, and_renaming: bool = False) -> Callable[[Callable[[], None]], None]:
    """A function that runs work in a new thread. In this thread, each hard link fails, as on vfat.

    With `and_renaming`, each renaming also fails. Skips the test on a processor that _LINK does not contain.
    """
    machine = platform.machine()
    if machine not in _LINK:
        pytest.skip(f"the numbers of the system calls of {machine} are not known here")
    numbers = _LINK[machine] + (_RENAME[machine] if and_renaming else ())

    def start(work: Callable[[], None]) -> None:
        def refuse_and_work() -> None:
            _refuse(numbers)
            work()

        threading.Thread(target=refuse_and_work, daemon=True).start()

    return start


def _refuse(numbers: tuple[int, ...]) -> None:
    """Make these system calls fail with EPERM in the current thread, until the thread ends."""
    steps = [(_LOAD_NUMBER, 0, 0, 0)]
    for number in numbers:
        steps += [(_IS_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    assert _libc.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), 0, 0, 0) == 0
    assert _libc.prctl(_SECCOMP, ctypes.c_ulong(_FILTER), program, 0, 0) == 0
