"""Run gphoto-ws as users do: the installed program in its own process."""

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
        self._started: list[subprocess.Popen[bytes]] = []
        # Warnings are errors, as in the test process. The import path and the settings of the test process are not
        # passed to gphoto-ws.
        self.environment = {
            "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "GPHOTO_WS_URL": server.uri,
            "GPHOTO_WS_TOKEN": server.token,
        }  # fmt: skip

    def start(self, *arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[bytes]:
        """Start gphoto-ws. A variable with an empty value is removed from the environment."""
        return self._start(arguments, environment, stdout)

    def _start(self, arguments: Sequence[str], environment: dict[str, str], stdout: int) -> subprocess.Popen[bytes]:
        merged = {name: value for name, value in (self.environment | environment).items() if value}
        process = subprocess.Popen(
            [self.program, *arguments], cwd=self.folder, env=merged, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
        )  # fmt: skip
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill the processes that are still running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def run(self, *arguments: str, **environment: str) -> Done:
        """Run gphoto-ws until it ends. Fails if it prints a traceback."""
        return finish(self._start(arguments, environment, subprocess.PIPE))

    def succeed(self, *arguments: str, **environment: str) -> Done:
        """Run gphoto-ws until it ends. Fails if the exit code is not 0 or if it prints anything to stderr."""
        done = self.run(*arguments, **environment)
        assert (done.code, done.err) == (0, "")
        return done


def line_of(process: subprocess.Popen[bytes], meanwhile: Callable[[], object], wanted: bytes) -> bytes:
    """The next line of stdout that contains `wanted`. Calls `meanwhile` repeatedly until this line arrives."""
    assert process.stdout is not None
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


def finish(process: subprocess.Popen[bytes]) -> Done:
    """Wait until the process ends. Fails if it has printed a traceback."""
    try:
        out, err = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    text = err.decode()
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    return Done(process.returncode, out or b"", text)


def interrupt(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> Done:
    """Send a signal and wait until the process ends. The default is SIGINT, the signal that Ctrl-C sends."""
    process.send_signal(number)
    return finish(process)
