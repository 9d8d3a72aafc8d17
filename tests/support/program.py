"""A running program and what it prints. It was executed, or forked from a process that has loaded its modules."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Protocol, Self

from tests.support.forked import ForkServer


class Running(Protocol):
    """What a Program needs of its process. subprocess.Popen and ForkedProcess have it."""

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...

    def send_signal(self, sig: int) -> None: ...


class Program:
    """A running program, with pipes without buffers. The methods are those of subprocess.Popen."""

    def __init__(self, process: Running, stdout: int, stderr: int) -> None:
        self.stdout, self.stderr = FileIO(stdout), FileIO(stderr)
        self._process = process
        self.poll, self.wait = process.poll, process.wait
        self.kill, self.send_signal = process.kill, process.send_signal

    @classmethod
    def fork(cls, server: ForkServer, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Self:
        """Start a program of a fork server, in a session of its own."""
        stderr, end = os.pipe()
        try:
            process = server.start(arguments, folder, environment, piped=True, stderr=end, new_session=True)
        finally:
            os.close(end)
        assert process.stdout is not None
        with process.stdout as text:
            return cls(process, os.dup(text.fileno()), stderr)

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        """Wait for the end; returns the rest of stdout and stderr. Raises subprocess.TimeoutExpired."""
        texts = {self.stdout.fileno(): b"", self.stderr.fileno(): b""}
        deadline = time.monotonic() + timeout
        still_open = set(texts)
        while still_open:
            ready, _, _ = select.select(still_open, [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired("the program", timeout)
            for pipe in ready:
                data = os.read(pipe, 2**16)
                texts[pipe] += data
                if not data:
                    still_open.remove(pipe)
        self.wait(max(0.0, deadline - time.monotonic()))
        out, err = texts.values()
        self.close()
        return out, err

    def close(self) -> None:
        """Close the pipes."""
        self.stdout.close()
        self.stderr.close()
