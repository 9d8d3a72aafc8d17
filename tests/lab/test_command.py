"""`python -m lab` on a machine that cannot run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rig import ROOT
from tests.support.tools import find_tool
from tests.support.waiting import WITHIN_S


def test_without_root_it_says_so_and_starts_nothing(tmp_path: Path) -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:
        [setpriv] = find_tool(("setpriv",), install="sudo apt-get install util-linux")
        prefix = [setpriv, "--reuid=65534", "--clear-groups"]
        if not os.access(ROOT, os.X_OK) or any(not folder.stat().st_mode & 0o001 for folder in ROOT.parents):
            pytest.skip("another user cannot read the project here")
    done = subprocess.run(
        [*prefix, sys.executable, "-B", "-m", "lab", "--cuts", "1"], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S,
        check=False, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python/src'}", "PATH": os.environ["PATH"], "LAB_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "make machine: only root can make a network for the guest: sudo make machine\n",
    )
    assert not (tmp_path / "cache").exists()
