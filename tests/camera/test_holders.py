"""The error for a camera that another program uses names this program, if its open files can be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from camera import ports
from camera.device.gp_codes import from_gp
from camera.errors import CameraClaimed, CameraError
from camera.processes.holders import Holder, holders
from camera.reconnect import open_error
from protocol.errors import RequestError

PORT = "usb:001,004"
ENDING = "exec 3<{}; echo opened; read end"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The device file of PORT."""
    monkeypatch.setattr(ports, "_NODES", tmp_path)
    (tmp_path / "001").mkdir()
    node = tmp_path / "001" / "004"
    node.touch()
    return node


@contextmanager
def running(*command: str | Path) -> Iterator[int]:
    """A process that has printed a line; yields its id."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"opened\n"
            yield process.pid
        finally:
            process.kill()


def claimed() -> CameraError:
    return from_gp(-53, "", "open")


async def test_the_program_that_uses_the_camera_is_named(node: Path) -> None:
    code = f"file = open({str(node)!r}); print('opened', flush=True); input()"
    with running(sys.executable, "-c", code) as pid:
        error = await open_error(PORT, claimed())
    program = Path(os.path.realpath(sys.executable)).name
    assert error.message.startswith(f"Another program uses the camera: {program} (process {pid}). ")
    assert error.message.endswith(f": kill {pid}")
    assert "gvfs" not in error.message
    request = RequestError.from_camera(error)
    assert (request.code, request.details["holders"]) == ("camera_claimed", [f"{program} (process {pid})"])


async def test_the_volume_monitor_is_named_only_if_it_uses_the_camera(node: Path, tmp_path: Path) -> None:
    monitor = tmp_path / "gvfs-gphoto2-volume-monitor"
    shutil.copy("/bin/sh", monitor)
    with running(monitor, "-c", ENDING.format(node)) as pid:
        error = await open_error(PORT, claimed())
    assert f"{monitor.name} (process {pid})" in error.message
    assert error.message.endswith("systemctl --user mask --now gvfs-gphoto2-volume-monitor.service")


def test_a_script_is_named_by_its_own_name(node: Path, tmp_path: Path) -> None:
    script = tmp_path / "booth"
    script.write_text(f"#!/bin/sh\n{ENDING.format(node)}\n")
    script.chmod(0o755)
    with running(script) as pid:
        assert holders(node) == [Holder("booth", pid)]


async def test_without_a_visible_program_the_message_names_the_possible_ones(node: Path) -> None:
    error = await open_error(PORT, claimed())
    assert isinstance(error, CameraClaimed)
    assert error.holders is None
    assert "gvfs-gphoto2-volume-monitor" in error.message
    assert "a program of another user" in error.message
    assert str(node) in error.message
