"""Sets up logging and removes the token from every line."""

from __future__ import annotations

import json
import logging
import re
import sys
from urllib.parse import quote

from camera.log_lines import OneLine

SHOW_TOKEN = {"show_token": True}
_MARK = "[token]"
# Some log lines are shortened, so the end of a token may be missing. Therefore the start of the token is also removed,
# if it has at least this many characters. A token with fewer characters could be an ordinary word, so it is removed
# only between quotes.
_RECOGNIZED_CHARACTERS = 8


class _Formatter(OneLine):
    def __init__(self, text: str, token: str) -> None:
        super().__init__(text)
        # The token itself, and the token as it is written in JSON, in a repr (with both kinds of quotes) and in a URL.
        forms = {token, json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1], quote(token)}
        for plain in (repr(token)[1:-1], ascii(token)[1:-1]):
            forms |= {plain, plain.replace("\\'", "'"), plain.replace("\\'", "'").replace("'", "\\'")}
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line of a log record. The token in it is replaced by a mark, unless the record has SHOW_TOKEN."""
        line = super().format(record)
        if not getattr(record, "show_token", False):
            for form in self._forms:
                line = _without(line, form)
        return line


def _without(line: str, form: str) -> str:
    """Replace the token by the mark. If the line has only the start of the token, replace this start.

    Args:
        line: the log line.
        form: the token as it is written in JSON, in a repr, or in a URL.
    """
    if len(form) < _RECOGNIZED_CHARACTERS:
        return re.sub(rf"""(?<=["'`]){re.escape(form)}(?=\\*["'`])""", _MARK, line)
    start = form[:_RECOGNIZED_CHARACTERS]
    at = line.find(start)
    while at >= 0:
        length = len(start)
        while length < len(form) and line.startswith(form[length], at + length):
            length += 1
        line = line[:at] + _MARK + line[at + length :]
        at = line.find(start, at + len(_MARK))
    return line


def configure(level: str, text: str, token: str) -> None:
    """Log messages of `level` and above to stderr, with lines in the format `text`. Remove `token` from the lines.

    The level of the websockets library is never below WARNING. At INFO it would log several lines for each request. At
    DEBUG it would log shortened messages, which could contain a part of the token that is not recognized.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(text, token))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
