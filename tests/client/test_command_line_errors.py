"""Errors of gphoto-ws: a message without a traceback, the right exit code, and no lost files."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable

import pytest

from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.client.shell import Shell, finish, interrupt
from tests.support.program import Program
from tests.support.rig import Server
from tests.support.waiting import WITHIN_S


def test_a_wrong_token(bare_shell: Shell) -> None:
    done = bare_shell.run("cameras", GPHOTO_WS_TOKEN="wrong")
    assert done.code == 3
    assert "refused the token. Set GPHOTO_WS_TOKEN" in done.err


def test_no_token(bare_shell: Shell) -> None:
    done = bare_shell.run("cameras", GPHOTO_WS_TOKEN="")
    assert (done.code, "There is no token. Set GPHOTO_WS_TOKEN" in done.err) == (2, True)


def test_the_token_may_come_from_api_token_or_a_file(bare_shell: Shell) -> None:
    token = bare_shell.environment["GPHOTO_WS_TOKEN"]
    assert bare_shell.succeed("cameras", GPHOTO_WS_TOKEN="", API_TOKEN=token).text == "No camera is connected."
    (bare_shell.folder / "token").write_text(f"{token}\n")
    bare_shell.succeed("cameras", "--token-file", "token", GPHOTO_WS_TOKEN="")
    assert bare_shell.run("cameras", "--token-file", "nothing").code == 2


def test_no_server(bare_shell: Shell) -> None:
    done = bare_shell.run("cameras", "--url", "ws://127.0.0.1:1")
    assert (done.code, done.err) == (
        3, "gphoto-ws: Cannot connect to ws://127.0.0.1:1: nothing is listening there. Is the server running?\n",
    )  # fmt: skip
    assert bare_shell.run("cameras", "--url", "not an address").code == 3


def test_no_camera(bare_shell: Shell) -> None:
    done = bare_shell.run("capture")
    assert done.code == 1
    assert "No camera is connected." in done.err


def test_several_cameras(shell: Shell, ports: list[str]) -> None:
    done = shell.run("info")
    assert (done.code, done.err) == (
        1,
        f"gphoto-ws: There are several cameras. Choose one with --port: {', '.join(ports)}.\n",
    )


def test_a_value_out_of_range_shows_the_allowed_values(shell: Shell, ports: list[str]) -> None:
    done = shell.run("config", "set", "iso", "201", "--port", ports[0])
    assert (done.code, done.out) == (1, b"")
    assert "Allowed: Auto, 100, 200, 400" in done.err
    done = shell.run("config", "set", "iso", "201", "--port", ports[0], "--json")
    error = json.loads(done.err)
    assert (error["code"], "200" in error["details"]["choices"]) == ("invalid_value", True)


def test_a_wrong_setting_takes_no_picture(shell: Shell, ports: list[str], simulator: Control) -> None:
    shots = simulator.state()["shots"]
    done = shell.run("capture", "-o", "a.jpg", "--set", "iso=7", "--port", ports[0])
    assert done.code == 1
    assert shell.run("capture", "--set", "iso").code == 2
    assert simulator.state()["shots"] == shots
    assert list(shell.folder.iterdir()) == []


def test_an_existing_file_is_kept_and_no_picture_is_taken(shell: Shell, ports: list[str], simulator: Control) -> None:
    shots = simulator.state()["shots"]
    photo = shell.folder / "photo-1.jpg"
    photo.write_text("precious")
    for command in (("capture", "-o", "photo-1.jpg"), ("live", "-o", "photo-%d.jpg"), ("get", "/a/photo-1.jpg")):
        done = shell.run(*command, "--port", ports[0])
        assert (done.code, "exists already" in done.err) == (2, True)
    assert (photo.read_text(), simulator.state()["shots"]) == ("precious", shots)
    shell.succeed("capture", "-o", "photo-1.jpg", "--force", "--port", ports[0])
    assert photo.read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("fly",), ("get", "IMG_0001.JPG"), ("watch", "birds"), ("live", "-o", "same.jpg"), ("live", "-o", "f-%q.jpg"),
        ("live", "-o", "-", "--count", "0"), ("capture", "-o", "no/such/folder/a.jpg"), ("live", "-o", "-", "--json"),
        ("cameras", "--reconnect", "soon"),
    ],
)  # fmt: skip
def test_wrong_usage_is_reported_before_connecting(bare_shell: Shell, arguments: tuple[str, ...]) -> None:
    done = bare_shell.run(*arguments, GPHOTO_WS_URL="ws://127.0.0.1:1")
    assert (done.code, done.out) == (2, b"")
    assert done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("camera",), "There is no command 'camera'. Did you mean cameras? Commands: cameras, info, "),
        (("config", "lst"), "There is no command 'lst'. Did you mean list or set? Commands: get, set, list."),
        (("xyz",), "There is no command 'xyz'. Commands: "),
    ],
)
def test_a_mistyped_command_suggests_the_nearest(bare_shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    done = bare_shell.run(*arguments)
    assert (done.code, words in done.err) == (2, True), done.err


def test_a_mistyped_setting_suggests_the_nearest(shell: Shell, ports: list[str]) -> None:
    done = shell.run("config", "get", "isso", "--port", ports[0])
    assert (done.code, done.err) == (
        1,
        "gphoto-ws: The camera has no setting 'isso'. Did you mean iso? gphoto-ws config list shows all settings.\n",
    )


@pytest.mark.parametrize("fps", ["0", "121", "nan", "fast"])
def test_a_frame_rate_out_of_range_is_wrong_usage(bare_shell: Shell, fps: str) -> None:
    done = bare_shell.run("live", "-o", "-", "--fps", fps)
    assert (done.code, "is not a number from 0.1 to 120" in done.err) == (2, True)


def test_a_missing_file_on_the_camera(shell: Shell, ports: list[str]) -> None:
    done = shell.run("get", "/store_00020001/DCIM/IMG_0999.JPG", "--port", ports[0])
    assert done.code == 1
    assert done.err.startswith("gphoto-ws: ")
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_live_view(
    shell: Shell, ports: list[str], simulator: Control, number: signal.Signals, code: int
) -> None:
    watching = shell.start("live", "-o", "-", "--port", ports[0])
    watching.stdout.read(10_000)
    assert interrupt(watching, number).code == code


def test_a_closed_stdout_is_not_an_error(shell: Shell, ports: list[str]) -> None:
    watching = shell.start("live", "-o", "-", "--port", ports[0])
    watching.stdout.read(10_000)
    watching.stdout.close()
    assert watching.stderr.read() == b""
    assert watching.wait(WITHIN_S) == 0
    watching.stderr.close()
    listing = shell.start("config", "list", "--port", ports[0])
    listing.stdout.close()
    assert listing.stderr.read() == b""
    assert listing.wait(WITHIN_S) == 0
    listing.stderr.close()


def test_a_server_killed_during_live_view(
    restartable_server: Callable[..., Server],
    installed_shell: Callable[[Server], Shell],
    restart_cameras: SimulatorProcess,
) -> None:
    server = restartable_server()
    shell = installed_shell(server)
    watching = shell.start("live", "-o", "-", "--reconnect", "0.5")
    watching.stdout.read(10_000)
    server.kill()
    done = finish(watching)
    assert done.code == 3
    assert "Trying again for 0.5 s." in done.err
    assert "nothing is listening there" in done.err.splitlines()[-1]


def test_a_camera_that_is_switched_off_is_reported(shell: Shell, ports: list[str], simulator: Control) -> None:
    watching = shell.start("live", "-o", "-", "--port", ports[0])
    watching.stdout.read(10_000)
    simulator.power(False)
    error_line = _first_stderr_line(watching)
    assert "no frame at the moment" in error_line
    simulator.power(True)
    assert interrupt(watching).code == 130


def _first_stderr_line(process: Program) -> str:
    """The first line of stderr. Reads stdout too, because the process blocks if nobody reads its stdout."""
    while True:
        ready, _, _ = select.select([process.stdout, process.stderr], [], [], 20)
        if process.stderr in ready:
            return process.stderr.readline().decode()
        assert ready, "it said nothing"
        os.read(process.stdout.fileno(), 2**16)


def test_a_download_at_a_terminal_draws_a_bar(shell: Shell, ports: list[str], simulator: Control) -> None:
    (path,) = simulator.shutter()
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [shell.program, "get", path, "-o", "a.jpg", "--port", ports[0]], cwd=shell.folder,
        env=shell.environment | {"TERM": "xterm", "COLUMNS": "100"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    drawn = b""
    try:
        while part := os.read(main, 4096):
            drawn += part
    except OSError:  # Linux raises this error after the last process has closed the terminal
        pass
    os.close(main)
    assert process.communicate(timeout=WITHIN_S)[0] == b"a.jpg\n"
    assert process.returncode == 0
    assert b"a.jpg" in drawn
    assert "━".encode() in drawn
