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
# A log line may cut off the end of a token. Therefore a text is also removed if it begins with this many characters of the
# token. A token that has fewer characters could be an ordinary word, so it is removed only between quotes.
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
        """The line, in which the token is replaced unless the record has SHOW_TOKEN."""
        line = super().format(record)
        if not getattr(record, "show_token", False):
            for form in self._forms:
                line = _without(line, form)
        return line


def _without(line: str, form: str) -> str:
    """The line, in which the form is replaced by the mark. If only the start of the form is there, it is replaced."""
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
    """Log to stderr from `level` up, with lines in the format `text`.

    The websockets library stays at WARNING or above. At INFO it logs several lines for each request; at DEBUG it logs
    shortened messages, which could contain a part of the token that is not recognized.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(text, token))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
