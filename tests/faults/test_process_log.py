"""What dying camera processes write: seen in the log, and never much of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from simulator.client import Control
from tests.faults.processes import camera_process
from tests.support.in_process import InProcess

SPARE = 2  # the camera that the shared server does not have
LINES = 60


def traces(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that were not the process's own log."""
    return [record.getMessage() for record in caplog.records if record.name == "camera.process_log"]


async def test_a_camera_process_that_dies_again_and_again_writes_few_lines_and_their_number_is_told(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("camera.process_log._WINDOW_S", 10.0)
    port = ports[SPARE]
    running = await in_process(port)
    async with await running.connect() as client:
        await client.command("subscribe", events=["camera_state"])
        await client.command("get_config", name="iso")
        while not any("were suppressed" in line for line in traces(caplog)):
            (await camera_process(os.getpid(), port)).send_signal(signal.SIGABRT)
            await client.event(lambda event: event["state"] == "ready")
    assert any(line.startswith(f"{port}: Fatal Python error: Aborted") for line in traces(caplog))
    told = traces(caplog)
    first = next(number for number, line in enumerate(told) if "were suppressed" in line)
    assert first <= LINES
    assert all(line.startswith(f"{port}: ") for line in told)
    # None of it past the log.
    assert "Fatal Python error" not in "".join(
        line for line in capfd.readouterr().err.splitlines(True) if "camera.process_log" not in line
    )


async def test_a_camera_processs_own_lines_keep_their_level_and_their_module(
    in_process: Callable[..., Awaitable[InProcess]],
    caplog: pytest.LogCaptureFixture,
    simulator: Control,
    ports: list[str],
) -> None:
    port = ports[SPARE]
    running = await in_process(port, capture_target="Somewhere else")
    async with await running.connect() as client:
        await client.command("get_config", name="iso")
    lines = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    name, level, words = next(line for line in lines if "Capture target" in line[2])
    assert (name, level) == ("camera.device.worker", "WARNING")
    assert words.startswith(f"{port}: Capture target was rejected: ")
    assert traces(caplog) == []
