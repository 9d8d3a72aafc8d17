"""Logging without the token: one place that sets up logs and takes the token out of every line."""

from __future__ import annotations

import json
import logging
import sys

SHOW_TOKEN = {"show_token": True}
_MARK = "[token]"


class _Formatter(logging.Formatter):
    def __init__(self, text: str, token: str) -> None:
        super().__init__(text)
        # As it is, and as it stands in JSON and in a repr.
        forms = {token, json.dumps(token)[1:-1], repr(token)[1:-1]}
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the token replaced unless the record is the one that tells it."""
        line = super().format(record)
        if not getattr(record, "show_token", False):
            for form in self._forms:
                line = line.replace(form, _MARK)
        return line


def configure(level: str, text: str, token: str) -> None:
    """Log to stderr from `level` up.

    The websockets library stays at INFO: at DEBUG it logs messages, shortened, so that a part of the token could
    pass the search for the whole.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(text, token))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
