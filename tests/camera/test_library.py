"""The warning about a libgphoto2 version with known bugs is logged only once."""

from __future__ import annotations

import pytest

from camera import detection
from camera.options import SessionOptions
from camera.registry import Registry
from simulator.process import SimulatorProcess
from tests.support.waiting import until


@pytest.mark.parametrize("version", ["2.5.33", "2.5.33.1", "2.5.9", "2.4.40", "1.99", "2.5.31-dev"])
def test_versions_before_2_5_34_are_old(version: str) -> None:
    assert detection.is_old(version)


@pytest.mark.parametrize("version", ["2.5.34", "2.5.34.1", "2.5.100", "2.6.0", "3.0", "2.5.35.dev", "unknown", ""])
def test_other_versions_are_not_old(version: str) -> None:
    assert not detection.is_old(version)


@pytest.mark.parametrize(("oldest", "warning_count"), [((2, 5, 34), 0), ((99, 0, 0), 1)], ids=["current", "old"])
async def test_an_old_library_in_the_camera_processes_is_logged_once(
    shared_cameras: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    oldest: tuple[int, ...],
    warning_count: int,
) -> None:
    monkeypatch.setattr(detection, "OLDEST", oldest)
    detection.warn_if_old.cache_clear()
    registry = Registry([camera.address for camera in shared_cameras.cameras], SessionOptions(), lambda event: None)
    registry.start()
    try:
        await until(lambda: len(registry.known) == 2 and all(camera.status.connected for camera in registry.known), 30)
    finally:
        await registry.stop()
        detection.warn_if_old.cache_clear()
    warnings = [record.getMessage() for record in caplog.records if "is older than" in record.getMessage()]
    assert len(warnings) == warning_count
    assert all("pip install" in warning for warning in warnings)
