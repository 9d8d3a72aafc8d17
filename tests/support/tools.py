"""Find the programs that some tests need. If a program is not installed, the test is skipped with a reason."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S

# Error messages of pip, git and apt-get when there is no network.
OFFLINE = re.compile(r"name resolution|NewConnectionError|Could not resolve|Network is unreachable")
NPM_PROGRAMS = ROOT / "tests" / "npm" / "node_modules" / ".bin"


def find_tool(*commands: tuple[str, ...], install: str) -> list[str]:
    """The first of these alternative commands that is installed. Skips the test if none is installed.

    Args:

        commands: each is a program with optional arguments, such as `("docker", "compose")`. A command with arguments
            is run with `version`, because a program may be installed without its subcommand.

        install: the command that installs the program. It is shown in the skip reason.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), str(NPM_PROGRAMS), os.environ["PATH"]])
    for program, *words in commands:
        found = shutil.which(program, path=path)
        if found and not (words and broken(found, *words, "version")):
            return [found, *words]
    pytest.skip(f"{' or '.join(' '.join(words) for words in commands)} is not there: {install}")


def broken(*command: str | Path) -> str | None:
    """Run a command. Returns None if it succeeds, otherwise the reason of its failure: its last line on stderr."""
    try:
        done = subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=WITHIN_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
