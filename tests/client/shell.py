"""Run gphoto-ws as users do: the installed program in its own process.

If possible, this process is a fork of one that has loaded the modules of the installed program (tests/support/forked.py).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client.strange import Strange
from tests.support.forked import fork_server, forking_is_allowed
from tests.support.program import Program
from tests.support.rig import Server
from tests.support.waiting import WITHIN_S

RUN_S = WITHIN_S


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run of gphoto-ws."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """stdout as text, without newlines at the end."""
        return self.out.decode().rstrip("\n")

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


class Shell:
    """Runs the installed gphoto-ws in a folder, with the address and the token of one server."""

    def __init__(self, programs: Path, folder: Path, server: Server | Strange) -> None:
        self.folder = folder
        self.programs = programs
        self.program = str(programs / "gphoto-ws")
        self._started: list[Program] = []
        # Warnings are errors, as in the test process. The import path and the settings of the test process are not
        # passed to gphoto-ws.
        self.environment = {
            "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "GPHOTO_WS_URL": server.uri,
            "GPHOTO_WS_TOKEN": server.token,
        }  # fmt: skip

    def start(self, *arguments: str, **environment: str) -> Program:
        """Start gphoto-ws. A variable with an empty value is removed from the environment."""
        return self._start(arguments, environment)

    def _start(self, arguments: Sequence[str], environment: dict[str, str]) -> Program:
        merged = {name: value for name, value in (self.environment | environment).items() if value}
        # Python reads its own variables only when it starts.
        usual = not any(name.startswith("PYTHON") for name in environment)
        process = self._fork(arguments, merged) if usual and forking_is_allowed() else self._execute(arguments, merged)
        self._started.append(process)
        return process

    def _fork(self, arguments: Sequence[str], environment: dict[str, str]) -> Program:
        server = fork_server("tests.client.forked_program", "-W", "error", python=self.programs / "python")
        return Program.fork(server, arguments, self.folder, environment)

    def _execute(self, arguments: Sequence[str], environment: dict[str, str]) -> Program:
        (stdout, out), (stderr, err) = os.pipe(), os.pipe()
        try:
            process = subprocess.Popen(
                [self.program, *arguments], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(out)
            os.close(err)
        return Program(process, stdout, stderr)

    def end(self) -> None:
        """Kill the processes that are still running."""
        for program in self._started:
            if program.poll() is None:
                program.kill()
                program.wait()
            program.close()

    def run(self, *arguments: str, **environment: str) -> Done:
        """Run gphoto-ws until it ends. Fails if it prints a traceback."""
        return finish(self._start(arguments, environment))

    def succeed(self, *arguments: str, **environment: str) -> Done:
        """Run gphoto-ws until it ends. Fails if the exit code is not 0 or if it prints anything to stderr."""
        done = self.run(*arguments, **environment)
        assert (done.code, done.err) == (0, "")
        return done


def line_of(process: Program, meanwhile: Callable[[], object], wanted: bytes) -> bytes:
    """The next line of stdout that contains `wanted`. Calls `meanwhile` repeatedly until this line arrives."""
    deadline = time.monotonic() + RUN_S
    line = b""
    while wanted not in line:
        assert time.monotonic() < deadline, f"no line with {wanted!r}"
        assert process.poll() is None, "it ended"
        if select.select([process.stdout], [], [], 0.3)[0]:
            line = process.stdout.readline()
        else:
            meanwhile()
    return line


def finish(process: Program) -> Done:
    """Wait until the process ends. Fails if it has printed a traceback."""
    try:
        out, err = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    text = err.decode()
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    return Done(process.wait(), out, text)


def interrupt(process: Program, number: signal.Signals = signal.SIGINT) -> Done:
    """Send a signal and wait until the process ends. The default is SIGINT, the signal that Ctrl-C sends."""
    process.send_signal(number)
    return finish(process)
