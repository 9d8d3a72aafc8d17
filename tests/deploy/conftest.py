"""A layer over this machine, below which commands are run as root as they stand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.layer import LAYERED
from tests.support.tools import find_tool


@pytest.fixture
def run_layered(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a bash script by tests/deploy/layered, its errors among its output; skips where no layer can be laid."""
    if os.geteuid() != 0:
        pytest.skip("lays a layer over the whole machine, which only root can: sudo make test")
    for program in ("unshare", "findmnt", "chroot"):
        find_tool((program,), install="sudo apt-get install util-linux")

    def run(script: str, seconds: float) -> subprocess.CompletedProcess[str]:
        layer, file = tmp_path / "layer", tmp_path / "script"
        layer.mkdir()
        file.write_text(script)
        done = subprocess.run(
            [LAYERED, layer, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip
        if done.returncode == 125:
            pytest.skip(f"no layer can be laid over this machine: {done.stdout.strip()}")
        assert list(layer.iterdir()) == []  # nothing of it stayed
        return done

    return run
