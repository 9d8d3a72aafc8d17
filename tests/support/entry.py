"""Run the server's command with options or invalid settings that make it end by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.forked import forking_is_allowed, inherited_environment
from tests.support.program import Program
from tests.support.rig import FORKABLE, PYTHON_OPTIONS, ROOT, forked_server
from tests.support.waiting import WITHIN_S


def run(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python gphoto_ws_server.py`. The program must end by itself."""
    environment = inherited_environment() | {"WS_HOST": "127.0.0.1", "WS_PORT": "0"}
    return run_with(environment, folder, *options, **settings)


def run_with(
    environment: Mapping[str, str], folder: Path, *options: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """The same with another environment, to which the settings are added."""
    environment = {**environment, **settings}
    if settings.keys() <= FORKABLE and forking_is_allowed():
        program = Program.fork(forked_server(), options, folder, environment)
        out, err = program.communicate(WITHIN_S)
        return subprocess.CompletedProcess(options, program.wait(), out.decode(), err.decode())
    return subprocess.run(
        [sys.executable, *PYTHON_OPTIONS, str(ROOT / "gphoto_ws_server.py"), *options],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN_S,
        check=False,
    )  # fmt: skip
