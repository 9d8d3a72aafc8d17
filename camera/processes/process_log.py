"""Passes the stderr of camera processes to the server's log, with a limit on the lines per minute."""

from __future__ import annotations

import asyncio
import logging
import os
import re

_log = logging.getLogger("camera.process_log")

# Enough for the complete trace of a crash. The limit keeps repeated crashes from filling the disk.
_LINES_A_MINUTE = 60
_WINDOW_S = 60.0
_READ_BYTES = 64 * 1024
_LONGEST_BYTES = 2000
# A line from the process's own logging (log_lines.PASSED_ON_FORMAT). Other lines come from C code or the interpreter.
_OWN_LINE = re.compile(r"\x1e([1-5]0) (camera\.[\w.]+): (.*)")


class LineBudget:
    """Limits the log lines of one camera. The number of suppressed lines is logged once a minute."""

    def __init__(self) -> None:
        self._used = 0
        self._left_out = 0
        self._since = float("-inf")

    def take(self, port: str, lines: int = 1) -> bool:
        """Whether this number of lines may be logged now; if not, they are counted as suppressed."""
        loop = asyncio.get_running_loop()
        if not self._left_out and loop.time() > self._since + _WINDOW_S:
            self._used, self._since = 0, loop.time()
        if self._used + lines <= _LINES_A_MINUTE:
            self._used += lines
            return True
        if not self._left_out:
            loop.call_at(self._since + _WINDOW_S, self._report, port)
        self._left_out += lines
        return False

    @property
    def exhausted(self) -> bool:
        """Whether no more lines are logged in this minute."""
        return self._left_out > 0

    def _report(self, port: str) -> None:
        _log.warning("%s: %d more log lines of the camera process were suppressed", port, self._left_out)
        self._left_out = 0


class ProcessLog:
    """The stderr of one camera process.

    Args:
        port: the port of the camera.
        budget: the limit for the log lines of the camera.

    Attributes:
        write_end: the descriptor that the process gets as its stderr.

    Raises:
        OSError: out of descriptors.
    """

    def __init__(self, port: str, budget: LineBudget) -> None:
        self._port, self._budget = port, budget
        self._rest = b""
        self._read_end, self.write_end = os.pipe()
        self._closed = False
        self._started = False
        os.set_blocking(self._read_end, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._read)

    def started(self) -> None:
        """Close the server's copy of the write end, after the process was started or could not be started."""
        if not self._started:
            self._started = True
            os.close(self.write_end)

    def close(self) -> None:
        """Log the remaining output and stop reading. Called after the process has ended."""
        self.started()
        for _ in range(16):  # a pipe holds 64 KiB; the limit is for a process that cannot be killed and still writes
            if self._closed or not self._read():
                break
        self._end()

    def _read(self) -> bool:
        """Log the available output; returns whether there was any."""
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._end()
            return False
        if self._budget.exhausted:
            self._budget.take(self._port, data.count(b"\n"))  # the lines are only counted, not parsed
            self._rest = b""
            return True
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._write(line)
        return True

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self._write(self._rest)

    def _write(self, line: bytes) -> None:
        if not line.strip():
            return
        text = line[:_LONGEST_BYTES].decode(errors="replace")
        own = _OWN_LINE.fullmatch(text)
        level, name = (int(own.group(1)), own.group(2)) if own else (logging.WARNING, _log.name)
        logger = logging.getLogger(name)
        # DEBUG lines are not limited.
        if logger.isEnabledFor(level) and (level == logging.DEBUG or self._budget.take(self._port)):
            logger.log(level, "%s: %s", self._port, own.group(3) if own else text)
