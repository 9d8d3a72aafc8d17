"""Log lines that stay lines: what a camera or a client named cannot begin a new one or speak to the terminal."""

from __future__ import annotations

import logging
import re
from datetime import datetime

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Of a camera process, whose lines the server logs. The mark at the start is in no message: it is a control character.
PASSED_ON_FORMAT = "\x1e%(levelno)d %(name)s: %(message)s"
# Control characters of ASCII and Latin-1, the line separators of Unicode, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Writes control characters as escapes such as \\n; tracebacks below a line keep theirs."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it a traceback where there is one."""
        line = logging.LogRecord(
            record.name, record.levelno, record.pathname, record.lineno, _escaped(record.getMessage()), (), None
        )
        line.created, line.msecs = record.created, record.msecs
        line.exc_info, line.exc_text, line.stack_info = record.exc_info, record.exc_text, record.stack_info
        return super().format(line)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The local time with its offset from UTC, ISO 8601: it stays the same moment wherever the log is read."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)
