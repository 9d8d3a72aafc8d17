"""Logging without the token: one place that sets up logs and takes the token out of every line."""

from __future__ import annotations

import json
import logging
import re
import sys
from urllib.parse import quote

from camera.log_lines import OneLine

SHOW_TOKEN = {"show_token": True}
_MARK = "[token]"
# Log lines shorten what clients sent, so the end of a token may be cut off. As many characters at its start give it
# away; fewer than that could be any word, so a token that short is only taken out where it stands in quotes.
_GIVEN_AWAY = 8


class _Formatter(OneLine):
    def __init__(self, text: str, token: str) -> None:
        super().__init__(text)
        # As it is, and as it stands in JSON, in a repr (with either kind of quotes around it) and in a URL.
        forms = {token, json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1], quote(token)}
        for plain in (repr(token)[1:-1], ascii(token)[1:-1]):
            forms |= {plain, plain.replace("\\'", "'"), plain.replace("\\'", "'").replace("'", "\\'")}
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the token replaced unless the record is the one that tells it."""
        line = super().format(record)
        if not getattr(record, "show_token", False):
            for form in self._forms:
                line = _without(line, form)
        return line


def _without(line: str, form: str) -> str:
    """The line with the mark in place of the form, and of as much of its beginning as stands there."""
    if len(form) < _GIVEN_AWAY:
        return re.sub(rf"""(?<=["'`]){re.escape(form)}(?=\\*["'`])""", _MARK, line)
    start = form[:_GIVEN_AWAY]
    at = line.find(start)
    while at >= 0:
        length = len(start)
        while length < len(form) and line.startswith(form[length], at + length):
            length += 1
        line = line[:at] + _MARK + line[at + length :]
        at = line.find(start, at + len(_MARK))
    return line


def configure(level: str, text: str, token: str) -> None:
    """Log to stderr from `level` up.

    The websockets library stays at WARNING: at INFO it logs several lines for each request of anybody, at DEBUG messages,
    shortened, so that a part of the token could pass the search for the whole.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(text, token))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
