"""A process that is forked for the tests is like one that was started by itself."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import psutil
import pytest

from tests.support.forked import FORK, ROOT, ForkServer, forking_is_allowed, inherited_environment
from tests.support.rig import ExecutedServer, Server

MODULE = "tests.support.process_state"
OPTIONS = ("-W", "error")


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer(MODULE, *OPTIONS)
    yield server
    server.stop()


@pytest.mark.parametrize("new_session", [False, True])
def test_a_forked_program_has_the_state_of_one_that_was_started(
    fork_server: ForkServer, tmp_path: Path, new_session: bool
) -> None:
    arguments = ["--one", "two three"]
    environment = inherited_environment() | {"API_TOKEN": "schl\u00fcssel", "PYTHONPATH": str(ROOT), "TZ": "JST-9"}
    started = subprocess.run(
        [sys.executable, *OPTIONS, "-m", MODULE, *arguments], cwd=tmp_path, env=environment, capture_output=True,
        stdin=subprocess.DEVNULL, start_new_session=new_session, check=False,
    )  # fmt: skip
    with TemporaryFile() as errors, socket.socket():  # the socket must not be in the forked process
        other = fork_server.start([], tmp_path, {}, piped=True)
        process = fork_server.start(
            arguments, tmp_path, environment, piped=True, stderr=errors.fileno(), new_session=new_session
        )
        assert other.stdout is not None
        assert process.stdout is not None
        with other.stdout, process.stdout:
            expected = json.loads(started.stdout)
            # `python -m` puts the working directory there, and `python gphoto_ws_server.py` the folder of the program.
            assert json.loads(process.stdout.read()) == expected | {"path": str(ROOT)}
            assert expected["leads its session"] == new_session
            assert expected["input"] == ""
            other.stdout.read()  # else it may write when nobody reads any more, which is an error
        assert process.wait(10) == started.returncode == 7
        assert other.wait(10) == 7
        errors.seek(0)
        assert errors.read() == started.stderr == b"This is stderr.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_signal_that_ended_a_forked_server_is_reported(tmp_path: Path, number: signal.Signals) -> None:
    server = Server(cwd=tmp_path)
    assert server.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(0)
    assert server.stop(number) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not psutil.pid_exists(server.process.pid)
    server.process.kill()  # does nothing, because the process id may belong to another process now


@pytest.mark.skipif(not forking_is_allowed(), reason=f"{FORK} is 0")
def test_a_server_of_the_tests_is_forked_unless_it_needs_its_own_python(tmp_path: Path) -> None:
    usual = Server(cwd=tmp_path, WS_ORIGINS="https://booth.example")
    executed = [
        ExecutedServer(cwd=tmp_path),
        Server(cwd=tmp_path, through=["env"]),
        Server(cwd=tmp_path, PYTHONFAULTHANDLER="1"),
    ]
    try:
        commands = [psutil.Process(server.process.pid).cmdline() for server in (usual, *executed)]
        assert [str(ROOT / "gphoto_ws_server.py") in command for command in commands] == [False, True, True, True]
    finally:
        assert [server.stop() for server in (usual, *executed)] == [0] * 4
