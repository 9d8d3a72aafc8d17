"""The output of crashing camera processes is logged, with a limited number of lines."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from simulator.client import Control
from tests.support.in_process import InProcess
from tests.support.processes import camera_process

SPARE = 2  # the index of a camera that the shared server does not use
LINES = 60


def raw_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that camera processes have written and that are not log records."""
    return [record.getMessage() for record in caplog.records if record.name == "camera.process_log"]


async def test_the_lines_of_a_repeatedly_crashing_process_are_limited_and_counted(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("camera.processes.process_log._WINDOW_S", 10.0)
    port = ports[SPARE]
    server = await in_process(port)
    async with await server.connect() as client:
        await client.command("subscribe", events=["camera_state"])
        await client.command("get_config", name="iso")
        while not any("were suppressed" in line for line in raw_lines(caplog)):
            (await camera_process(os.getpid(), port)).send_signal(signal.SIGABRT)
            await client.event(lambda event: event["state"] == "ready")
    assert any(line.startswith(f"{port}: Fatal Python error: Aborted") for line in raw_lines(caplog))
    lines = raw_lines(caplog)
    first = next(number for number, line in enumerate(lines) if "were suppressed" in line)
    assert first <= LINES
    assert all(line.startswith(f"{port}: ") for line in lines)
    # No line is written directly to stderr.
    assert "Fatal Python error" not in "".join(
        line for line in capfd.readouterr().err.splitlines(True) if "camera.process_log" not in line
    )


async def test_log_lines_of_a_camera_process_keep_their_level_and_module(
    in_process: Callable[..., Awaitable[InProcess]],
    caplog: pytest.LogCaptureFixture,
    simulator: Control,
    ports: list[str],
) -> None:
    port = ports[SPARE]
    server = await in_process(port, capture_target="Somewhere else")
    async with await server.connect() as client:
        await client.command("get_config", name="iso")
    lines = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    name, level, message = next(line for line in lines if "Capture target" in line[2])
    assert (name, level) == ("camera.device.worker", "WARNING")
    assert message.startswith(f"{port}: Capture target was rejected: ")
    assert raw_lines(caplog) == []
