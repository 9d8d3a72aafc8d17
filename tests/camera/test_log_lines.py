"""Log lines, whatever a camera calls its files."""

from __future__ import annotations

import io
import logging

import pytest

from camera.log_lines import LOG_FORMAT, OneLine


def written(message: str, error: Exception | None = None) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(OneLine(LOG_FORMAT))
    logger = logging.getLogger("test of log lines")
    logger.handlers, logger.propagate = [handler], False  # what collects logs for reports takes no surrogates
    logger.warning("captured %s", message, exc_info=error)
    return out.getvalue()


def test_a_name_with_control_characters_stays_on_its_line() -> None:
    line = written("a\n2026-01-01 ERROR\r\x1b[2J\x9b\u2028\u202eb\udc80")
    assert line.count("\n") == 1
    assert line.endswith("captured a\\n2026-01-01 ERROR\\r\\x1b[2J\\x9b\\u2028\\u202eb\\udc80\n")


def test_other_letters_stay_as_they_are_and_tracebacks_keep_their_lines() -> None:
    with pytest.raises(ValueError, match="no number") as caught:
        int("no number")
    text = written("Übung 写真", caught.value)
    assert "Übung 写真\nTraceback" in text
    assert text.endswith("ValueError: invalid literal for int() with base 10: 'no number'\n")
