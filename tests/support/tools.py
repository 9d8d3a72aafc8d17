"""Programs that some tests run and that not every machine has: where they are, or the test is skipped with the reason."""

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

# What pip, git and apt-get say where no network is.
OFFLINE = re.compile(r"name resolution|NewConnectionError|Could not resolve|Network is unreachable")
NPM_PROGRAMS = ROOT / "tests" / "npm" / "node_modules" / ".bin"


def find_tool(*commands: tuple[str, ...], install: str) -> list[str]:
    """The first of some spellings of a command that is there.

    Args:
        commands: a program and words of its own, such as `("docker", "compose")`; tried with `version` after two words or
            more, because a program may lack the second word.
        install: how to get it, for the reason of the skip.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), str(NPM_PROGRAMS), os.environ["PATH"]])
    for program, *words in commands:
        found = shutil.which(program, path=path)
        if found and not (words and broken(found, *words, "version")):
            return [found, *words]
    pytest.skip(f"{' or '.join(' '.join(words) for words in commands)} is not there: {install}")


def broken(*command: str | Path) -> str | None:
    """Why a command does not run here: the last line that it wrote; None where it ends well."""
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
