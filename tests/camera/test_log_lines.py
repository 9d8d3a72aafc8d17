"""Log lines are well-formed for all file names that a camera may send."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from camera.log_lines import LOG_FORMAT, OneLine
from tests.support.rig import Client, Server


def formatted(message: str, error: Exception | None = None) -> str:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(OneLine(LOG_FORMAT))
    logger = logging.getLogger("test of log lines")
    logger.handlers, logger.propagate = [handler], False  # the log capture of pytest cannot handle surrogates
    logger.warning("captured %s", message, exc_info=error)
    return output.getvalue()


def test_control_characters_in_a_name_are_escaped() -> None:
    line = formatted("a\n2026-01-01 ERROR\r\x1b[2J\x9b\u2028\u202eb\udc80")
    assert line.count("\n") == 1
    assert line.endswith("captured a\\n2026-01-01 ERROR\\r\\x1b[2J\\x9b\\u2028\\u202eb\\udc80\n")


def test_other_letters_are_unchanged_and_tracebacks_keep_their_lines() -> None:
    with pytest.raises(ValueError, match="no number") as error_info:
        int("no number")
    text = formatted("Übung 写真", error_info.value)
    assert "Übung 写真\nTraceback" in text
    assert text.endswith("ValueError: invalid literal for int() with base 10: 'no number'\n")


@pytest.mark.parametrize(
    ("zone", "offset"), [("UTC0", "+00:00"), ("IST-5:30", "+05:30"), ("NST3:30NDT,M1.1.0,M12.5.0", "-02:30")]
)
def test_a_line_has_a_timestamp_with_the_offset_from_utc(
    monkeypatch: pytest.MonkeyPatch, zone: str, offset: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        if "NDT" in zone and not time.localtime().tm_isdst:
            offset = "-03:30"
        timestamp = formatted("a picture").split()[0]
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}{re.escape(offset)}", timestamp)
        assert abs(datetime.fromisoformat(timestamp) - datetime.now(UTC)) < timedelta(minutes=5)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_every_line_of_the_log_of_a_server_has_a_timestamp(new_server: Callable[..., Server]) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        await client.command("capture_image")
    server.wait_for_log("captured /store")
    assert server.stop() == 0
    lines = server.log.splitlines()
    # The timestamps of the simulator's log lines have no milliseconds.
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?[+-]\d\d:?\d\d (DEBUG|INFO|WARNING|ERROR) "
    assert [line for line in lines if not re.match(stamp, line)] == []
    assert len(lines) > 5
