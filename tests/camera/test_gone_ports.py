"""A camera whose USB port no longer exists is reported as gone, whatever error libgphoto2 returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camera import detection, ports
from camera.device.driver import Driver
from camera.errors import CameraDisconnected, CameraIO, CameraRefused, GpFailure, PortGone
from camera.model import Capabilities, Detected, DetectedCamera
from camera.options import SessionOptions
from camera.reconnect import open_error
from camera.registry import Registry
from protocol.errors import RequestError
from tests.support.waiting import until

PORT = "usb:001,099"
MODEL = "Canon EOS 550D"


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the device file of PORT. It does not exist, but its folder does."""
    (tmp_path / "001").mkdir()
    monkeypatch.setattr(ports, "_NODES", tmp_path)
    monkeypatch.setattr(ports, "DEVICES", tmp_path / "no such folder")
    return tmp_path / "001" / "099"


def test_an_error_of_libgphoto2_for_a_port_that_is_gone_says_so(node: Path) -> None:
    with pytest.raises(PortGone, match="no longer exists") as error:
        Driver(PORT, MODEL)
    assert error.value.gp == GpFailure(-2)
    request = RequestError.from_camera(error.value)
    assert (request.code, request.details["state"]) == ("camera_disconnected", "absent")


def test_the_same_error_for_a_port_that_exists_is_unchanged(node: Path) -> None:
    node.touch()
    with pytest.raises(CameraRefused) as error:
        Driver(PORT, MODEL)
    assert error.value.gp == GpFailure(-2)


def test_without_device_files_sysfs_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_NODES", tmp_path / "no such folder")
    monkeypatch.setattr(ports, "DEVICES", tmp_path / "no such folder")
    assert not ports.is_gone(PORT)
    device = tmp_path / "devices" / "1-4"
    device.mkdir(parents=True)
    monkeypatch.setattr(ports, "DEVICES", device.parent)
    assert ports.is_gone(PORT)
    (device / "busnum").write_text("1\n")
    (device / "devnum").write_text("99\n")
    assert not ports.is_gone(PORT)


async def test_a_network_port_is_never_gone(node: Path) -> None:
    error = CameraIO("The transfer failed.", gp=GpFailure(-7))
    assert await open_error("ptpip:192.168.1.20", error) is error
    assert isinstance(await open_error(PORT, error), PortGone)


@pytest.fixture
async def registry(node: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registry]:
    """A registry that has found a camera. It would find the camera again, as in the moment after it was unplugged."""
    node.touch()

    async def detect(drives: bool) -> Detected:
        return Detected("2.5.34", [DetectedCamera(MODEL, PORT, Capabilities(config=True))])

    monkeypatch.setattr(detection, "detect", detect)
    monkeypatch.setattr(ports, "signature", frozenset)
    registry = Registry((), SessionOptions(restart_delay=0.1), lambda event: None)
    registry.start()
    yield registry
    await registry.stop()


async def test_a_session_of_a_port_that_is_gone_is_absent(node: Path, registry: Registry) -> None:
    await until(lambda: bool(registry.known))
    camera = registry.known[0]
    node.unlink()
    await until(lambda: camera.status.state == "absent")
    with pytest.raises(CameraDisconnected, match=r"unplugged|no longer exists") as error:
        async with camera.exclusive() as remote:
            await remote.get_config("iso")
    assert error.value.state == "absent"
    assert camera.status.state == "absent"
