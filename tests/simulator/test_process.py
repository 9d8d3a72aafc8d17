"""The process of the simulator: the line that it prints when it is ready, its options, and its exit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.simulator.rig import ROOT, Simulator, running_simulator
from tests.support.ports import free_port
from tests.support.waiting import BUSY_MACHINE, WITHIN_S

pytestmark = pytest.mark.timeout(20)

SMALL = ("--still", "160x112", "--frame", "160x112")


def test_it_prints_its_addresses_soon() -> None:
    begin = time.monotonic()
    with running_simulator("--cameras", "3", "--serial", "TEST", "--model", "Canon EOS 600D") as simulator:
        assert time.monotonic() - begin < 1 * BUSY_MACHINE
        assert [camera["serial"] for camera in simulator.ready["cameras"]] == [
            "TEST0000001",
            "TEST0000002",
            "TEST0000003",
        ]
        assert len(set(simulator.addresses)) == 3
        assert simulator.control.state(camera=2)["model"] == "Canon EOS 600D"


def test_cameras_use_consecutive_ports() -> None:
    port = free_port()
    with running_simulator("--cameras", "2", "--port", str(port)) as simulator:
        assert simulator.addresses == [f"ptpip:127.0.0.1:{number}:{number}" for number in (port, port + 1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(number: signal.Signals) -> None:
    simulator = Simulator(*SMALL)
    begin = time.monotonic()
    simulator.process.send_signal(number)
    simulator.process.wait(5)  # stop() sends a signal, and a second signal during the exit would kill the process
    errors = simulator.stop()
    assert time.monotonic() - begin < 1
    assert (simulator.process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cameras", "0"], "'0' is not allowed: the number of cameras is a whole number from 1 to 64"),
        (["--port", "99999"], "'99999' is not allowed: a port is a whole number from 0 to 65535"),
        (["--fps", "fast"], "'fast' is not allowed: frames/s from 1 to 1000, or 0 for no limit"),
        (["--still", "huge"], "'huge' is not allowed: WIDTHxHEIGHT from 160x112 to 10000x10000"),
        (["--frame", "16x16"], "'16x16' is not allowed: WIDTHxHEIGHT from 160x112 to 10000x10000"),
        (["--shutter", "-1"], "'-1' is not allowed: seconds from 0 to 60"),
        (
            ["--port", "65535", "--cameras", "2"],
            "2 cameras need ports up to 65536, and the last one is 65535",
        ),
        (["--usbip", "0", "--port", "4000"], "with --usbip, cameras have no ports of their own"),
        (["--usbip", "99999"], "'99999' is not allowed: a port is a whole number from 0 to 65535"),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
    ],
)
def test_the_error_of_an_invalid_option_explains_what_is_allowed(options: list[str], sentence: str) -> None:
    command = [sys.executable, "-m", "simulator", *options]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "simulator", "--port", port]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux")
def test_it_ends_with_its_parent() -> None:
    script = (
        "import subprocess, sys, time\n"
        "command = [sys.executable, '-m', 'simulator', '--die-with-parent']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{child}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                return
    pytest.fail("the simulator outlived its parent")


def test_connections_without_ptpip_do_not_affect_the_camera() -> None:
    with running_simulator(*SMALL, "--log-level", "error") as simulator:
        port = int(simulator.address.rpartition(":")[2])
        for garbage in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x08\0\0\0\x63\0\0\0",
            b"\xff" * 64,
            b"\x1a\0\0\0\x01\0\0\0",
        ):
            with socket.create_connection(("127.0.0.1", port), WITHIN_S) as raw:
                raw.sendall(garbage)
                raw.shutdown(socket.SHUT_WR)
                assert raw.recv(64) == b""
        assert simulator.control.state()["connected"] == 0
