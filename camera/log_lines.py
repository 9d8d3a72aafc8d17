"""Log formatting. Text from cameras and clients cannot start a new log line, and cannot control the terminal."""

from __future__ import annotations

import logging
import re
from datetime import datetime

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# The format for camera processes. The server recognizes their log lines by the control character at the start. Messages
# never contain this character, because OneLine escapes it.
PASSED_ON_FORMAT = "\x1e%(levelno)d %(name)s: %(message)s"
# Control characters of ASCII and Latin-1, Unicode line separators, characters that change the writing direction, and
# surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Writes control characters as escapes such as \\n. Tracebacks keep their line breaks."""

    def format(self, record: logging.LogRecord) -> str:
        """The formatted line, followed by a traceback if there is one."""
        line = logging.LogRecord(
            record.name, record.levelno, record.pathname, record.lineno, _escaped(record.getMessage()), (), None
        )
        line.created, line.msecs = record.created, record.msecs
        line.exc_info, line.exc_text, line.stack_info = record.exc_info, record.exc_text, record.stack_info
        return super().format(line)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The local time with its UTC offset (ISO 8601), so that it is unambiguous in any time zone."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)
