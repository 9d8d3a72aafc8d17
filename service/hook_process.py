"""Runs one command with a deadline, in the calling thread, and logs what it writes."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_log = logging.getLogger("service.hook")

_READ_BYTES = 64 * 1024
# The pause after each read. It limits what a command that floods its output costs: to 64 KiB in this time.
_PAUSE_S = 0.02
# How often to check whether the command has ended, although processes that it has started keep its output open.
_CHECK_S = 0.05
_LONGEST_BYTES = 1000
_KILL_S = 5.0


@dataclass(frozen=True, slots=True)
class HookEnd:
    """How a command has ended.

    Attributes:
        failure: why it has not done its work, as a part of a sentence; "" if it has succeeded.
    """

    failure: str = ""


class HookProcess:
    """One run of a command.

    Args:
        arguments: the command and its arguments; no shell is used.
        environment: all environment variables of the command.
        deadline_s: the command and everything in its process group is killed after this many seconds.
        most_lines: how many lines of its output are logged.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], deadline_s: float, most_lines: int = 50
    ) -> None:
        self._arguments = arguments
        self._environment = environment
        self._deadline_s = deadline_s
        self._most_lines = most_lines
        self._lines = self._suppressed = 0
        self._rest = b""
        # Protects `_running`: the process group must not be killed after its number may have been used again.
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._killed = False

    def run(self) -> HookEnd:
        """Run the command, and kill what it leaves behind in its process group. Raises nothing that a command can cause."""
        deadline = time.monotonic() + self._deadline_s
        try:
            # In a session of its own, so that its process group contains nothing else, and no terminal sends it signals.
            process = subprocess.Popen(
                self._arguments, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:  # ValueError: a null character in a path
            reason = error.strerror if isinstance(error, OSError) else str(error)
            return HookEnd(f"it could not be started: {reason}")
        assert process.stdout is not None, "stdout is a pipe"
        with self._lock:
            self._running = process
            if self._killed:
                _kill_group(process)
        with process.stdout as output:
            os.set_blocking(output.fileno(), False)
            in_time = self._follow(process, output.fileno(), deadline)
            with self._lock:
                self._running = None
                _kill_group(process)
            ended = _reap(process)
            self._read(output.fileno())  # a pipe holds 64 KiB; processes outside the group may still write
        self._log_line(self._rest)
        if self._suppressed:
            _log.info("hook: %d more lines were suppressed", self._suppressed)
        return HookEnd(self._failure(process.returncode, in_time, ended))

    def kill(self) -> None:
        """Kill the command and everything in its process group. May be called from any thread, at any time."""
        with self._lock:
            self._killed = True
            if self._running is not None:
                _kill_group(self._running)

    def _failure(self, code: int | None, in_time: bool, ended: bool) -> str:
        if not ended:
            return f"it still exists {_KILL_S:.0f} s after SIGKILL"
        if self._killed:
            return "it was killed because the server ends"
        if not in_time:
            return f"it was killed after {self._deadline_s:g} s"
        if code:
            return f"exit code {code}" if code > 0 else f"signal {-code}"
        return ""

    def _follow(self, process: subprocess.Popen[bytes], output: int, deadline: float) -> bool:
        """Log the output until the command has ended; returns False if it has not ended at the deadline."""
        poll = select.poll()
        poll.register(output, select.POLLIN)
        is_open = True
        while not _has_ended(process):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            wait_s = min(left, _CHECK_S)
            if not is_open:
                time.sleep(wait_s)
            elif poll.poll(wait_s * 1000):
                is_open = self._read(output)
                time.sleep(min(left, _PAUSE_S))
        return True

    def _read(self, output: int) -> bool:
        """Log the output that is there; returns False at the end of the output."""
        try:
            data = os.read(output, _READ_BYTES)
        except BlockingIOError:
            return True
        if self._lines >= self._most_lines:
            self._suppressed += data.count(b"\n")  # the lines are only counted
            self._rest = b""
            return bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._log_line(line)
        return bool(data)

    def _log_line(self, line: bytes) -> None:
        # The formatter of the log escapes control characters.
        if not line.strip():
            return
        if self._lines < self._most_lines:
            self._lines += 1
            _log.info("hook: %s", line[:_LONGEST_BYTES].decode(errors="replace"))
        else:
            self._suppressed += 1


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command has ended. It is not reaped: until then, no other process gets the number of its group."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the command may have changed its user
        os.killpg(process.pid, signal.SIGKILL)


def _reap(process: subprocess.Popen[bytes]) -> bool:
    """Wait until the killed command has ended; returns False if it hangs in the kernel, for example on a disk."""
    try:
        process.wait(_KILL_S)
    except subprocess.TimeoutExpired:
        return False
    return True
