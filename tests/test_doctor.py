"""`python gphoto_ws_server.py --doctor`: each thing that can be wrong is named, with what mends it; nothing is changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from camera import usb
from doctor import cameras, machine
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.conftest import QUICK
from tests.rig import ROOT, TOKEN, Server

SECONDS = 50


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatorProcess]:
    """One simulated camera."""
    with SimulatorProcess(*QUICK) as simulator:
        yield simulator


def examined(folder: Path, *options: str, **settings: str) -> tuple[int, str]:
    """The exit code and the report."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "WS_PORT": "0", "API_TOKEN": TOKEN} | settings
    done = subprocess.run(
        [sys.executable, str(ROOT / "gphoto_ws_server.py"), "--doctor", *options],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def test_a_good_camera_has_nothing_to_mend_and_nothing_is_changed(tmp_path: Path, simulated: SimulatorProcess) -> None:
    code, report = examined(tmp_path, NETWORK_CAMERAS=simulated.cameras[0].address)
    assert (code, report.splitlines()[-1]) == (0, "Nothing to mend.")
    assert "Canon EOS 550D" in report
    assert list(tmp_path.iterdir()) == []


def test_without_a_camera_it_says_so(tmp_path: Path) -> None:
    code, report = examined(tmp_path)
    assert code == 1
    assert "PROBLEM no camera is seen" in report
    assert "make demo" in report


def test_a_camera_that_is_off_an_empty_battery_and_a_full_card_are_named(
    tmp_path: Path, simulated: SimulatorProcess
) -> None:
    address = simulated.cameras[0].address
    with Control(simulated.control) as control:
        control.battery(0)
        code, report = examined(tmp_path, NETWORK_CAMERAS=address)
        assert code == 0
        assert "battery" in report
        control.battery(100)
        control.power(False)
        code, report = examined(tmp_path, NETWORK_CAMERAS=address)
        assert code == 1
        assert f"PROBLEM PTP/IP Camera on {address}" in report
        control.power(True)


def test_a_taken_port_is_named_and_a_running_server_keeps_its_cameras(
    tmp_path: Path, simulated: SimulatorProcess
) -> None:
    server = Server("--simulate", cwd=tmp_path)
    try:
        port = server.uri.rpartition(":")[2]
        code, report = examined(
            tmp_path, WS_HOST="127.0.0.1", WS_PORT=port, NETWORK_CAMERAS=simulated.cameras[0].address
        )
    finally:
        server.stop()
    assert code == 0
    assert f"ok      port {port}: this server is running" in report
    told = report.partition("It says: ")[2].splitlines()[0]
    assert json.loads(told)["cameras"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        _, report = examined(tmp_path, WS_HOST="127.0.0.1", WS_PORT=str(other.getsockname()[1]))
    assert "PROBLEM port" in report
    assert "is taken" in report


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WS_HOST": "0.0.0.0", "API_TOKEN": ""}, "set API_TOKEN"),
        ({"WS_HOST": "0.0.0.0"}, "without TLS"),
        ({"PREVIEW_FPS": "fast"}, "PREVIEW_FPS='fast' is not allowed"),
        ({"WS_HOST": "203.0.113.9"}, "cannot listen on 203.0.113.9"),
        ({"PHOTO_DIR": "/proc/photos"}, "/proc"),
    ],
)
def test_settings_that_will_not_do_are_named(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    assert words in examined(tmp_path, **settings)[1]


def test_the_desktops_volume_monitor_is_named_with_its_number() -> None:
    with subprocess.Popen(["gvfs-gphoto2-volume-monitor", "60"], executable="/bin/sleep") as monitor:
        try:
            words = [str(finding) for finding in machine.volume_monitors()]
        finally:
            monitor.kill()
    (line,) = (line for line in words if f"process {monitor.pid}" in line)
    assert "gvfs-gphoto2-volume-monitor" in line
    assert "systemctl --user mask" in line


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A USB bus as the kernel would show it, with one camera that may be put to sleep."""
    device = tmp_path / "devices" / "1-4"
    (device / "power").mkdir(parents=True)
    interface = tmp_path / "devices" / "1-4:1.0"
    interface.mkdir()
    for name, text in {"busnum": "1", "devnum": "4", "product": "Alpha", "power/control": "auto"}.items():
        (device / name).write_text(text + "\n")
    (interface / "bInterfaceClass").write_text("06\n")
    monkeypatch.setattr(usb, "DEVICES", tmp_path / "devices")
    return device


def test_a_camera_on_the_bus_that_libgphoto2_does_not_see_is_in_the_wrong_mode(bus: Path) -> None:
    (finding,) = machine.bus(0)
    assert "Alpha" in finding.words
    assert "PTP" in finding.fix
    assert machine.bus(1) == []


def test_a_camera_that_the_kernel_may_put_to_sleep_is_named_with_its_switch(bus: Path) -> None:
    assert usb.suspends("usb:001,004") == bus / "power/control"
    assert usb.suspends("usb:001,005") is None
    (finding,) = cameras.sleep("usb:001,004")
    assert str(bus / "power/control") in finding.fix
