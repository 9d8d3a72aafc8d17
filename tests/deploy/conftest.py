"""Run commands as root on a temporary overlay over the file systems of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.overlay import OVERLAY_SCRIPT
from tests.support.tools import find_tool


@pytest.fixture
def run_in_overlay(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs a bash script with tests/deploy/layered, and adds its stderr to its stdout.

    Skips the test if no overlay can be mounted.
    """
    if os.geteuid() != 0:
        pytest.skip("mounts an overlay over the whole machine, which needs root: sudo make test")
    for program in ("unshare", "findmnt", "chroot"):
        find_tool((program,), install="sudo apt-get install util-linux")

    def run(script: str, seconds: float) -> subprocess.CompletedProcess[str]:
        overlay_folder, file = tmp_path / "layer", tmp_path / "script"
        overlay_folder.mkdir()
        file.write_text(script)
        done = subprocess.run(
            [OVERLAY_SCRIPT, overlay_folder, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip
        if done.returncode == 125:
            pytest.skip(f"no overlay can be mounted over this machine: {done.stdout.strip()}")
        assert list(overlay_folder.iterdir()) == []  # the overlay was removed
        return done

    return run
