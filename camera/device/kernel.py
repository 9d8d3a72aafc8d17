"""Linux system calls that reduce the rights of a process. Python has no functions for them."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# Options of prctl(2), from linux/prctl.h.
PDEATHSIG, DUMPABLE, SET_TIMER_SLACK, _GET_TIMER_SLACK, NO_NEW_PRIVILEGES = 1, 4, 29, 30, 38
# The numbers of the Landlock system calls. They are the same on every architecture except Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY, _PATH_BENEATH = 1, 1
# From linux/landlock.h: the access rights, and for each Landlock version the rights that it introduced (_SINCE).
_EXECUTE, _WRITE, _READ_FILE, _READ_FOLDER, _TRUNCATE, _DEVICE_CONTROL = (
    1 << 0,
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 14,
    1 << 15,
)
_FIRST, _REFER = (1 << 13) - 1, 1 << 13
_SINCE = {1: _FIRST, 2: _REFER, 3: _TRUNCATE, 5: _DEVICE_CONTROL}
_FILE_RIGHTS = _EXECUTE | _WRITE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_NET_SINCE, _BIND_AND_CONNECT = 4, 3
_SCOPES_SINCE, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 3

# Fields of /proc/PID/stat after the name, counted from 0: start and end of the process's command line in its memory.
_ARGUMENTS_START, _ARGUMENTS_END = 45, 46

READ = _READ_FILE | _READ_FOLDER
DEVICES = READ | _WRITE | _DEVICE_CONTROL
EVERYTHING = (_FIRST & ~_EXECUTE) | _REFER | _TRUNCATE | _DEVICE_CONTROL

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> bool:
    """prctl(2) with one argument; returns whether it succeeded."""
    return int(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)) == 0


def timer_slack() -> int:
    """By how many nanoseconds the kernel may wake this process too late, so that it wakes several processes together."""
    return int(_libc.prctl(_GET_TIMER_SLACK, 0, 0, 0, 0))


def limit(what: int, most: int) -> None:
    """Lower one of the RLIMIT_* limits to `most`. A limit that is already lower stays unchanged. Never raises."""
    soft, hard = (most if now == resource.RLIM_INFINITY else min(now, most) for now in resource.getrlimit(what))
    with suppress(OSError, ValueError):
        resource.setrlimit(what, (soft, hard))


def prefer_for_oom_kill() -> None:
    """Make the kernel kill this process before its parent if memory runs out."""
    file = Path("/proc/self/oom_score_adj")
    with suppress(OSError, ValueError):
        file.write_text(str(min(1000, int(file.read_text()) + 500)))


def set_command_line(words: list[str]) -> None:
    """Show these words as the command line of this process in /proc, cut off at the length of the present one."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, length = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END]) - int(fields[_ARGUMENTS_START])
        text = "\0".join(words).encode(errors="replace")[: length - 1]
        if start and length > 0:
            ctypes.memmove(start, text.ljust(length, b"\0"), length)


def landlock_version() -> int:
    """The Landlock version of the kernel; 0 if the kernel has no Landlock."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION_QUERY))


def landlock(allowed: Mapping[Path, int], *, network: bool) -> bool:
    """Restrict this process and its children to the files in `allowed`; returns whether the kernel did so.

    Afterwards, they cannot start programs, and cannot trace or signal any other process. Open files stay open. Rights
    that the kernel's Landlock version does not know are not restricted.

    Args:
        allowed: for each path, the rights (READ, DEVICES or EVERYTHING) for the path and for everything below it. Paths
            that do not exist are skipped.
        network: whether the process may use TCP.
    """
    version = landlock_version()
    if not version or not prctl(NO_NEW_PRIVILEGES, 1):
        return False
    handled = sum(rights for since, rights in _SINCE.items() if version >= since)
    net = 0 if network or version < _NET_SINCE else _BIND_AND_CONNECT
    scopes = 0 if version < _SCOPES_SINCE else _ABSTRACT_SOCKETS_AND_SIGNALS
    rules = struct.pack("=QQQ", handled, net, scopes)
    ruleset = _syscall(_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for path, rights in allowed.items():
            _allow(ruleset, path, rights & handled)
        return _syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = rights if path.is_dir() else rights & _FILE_RIGHTS
        _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    given = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *given))
