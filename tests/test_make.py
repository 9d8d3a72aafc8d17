"""What `make demo` prints before the server runs: each step when it starts, and each package when pip processes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.rig import ROOT
from tests.support.tools import find_tool


def _wheel(folder: Path, name: str) -> None:
    """Write a minimal package that pip can install."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.mark.timeout(180)
def test_steps_and_packages_are_printed_in_order(tmp_path: Path) -> None:
    find_tool(("make",), install="sudo apt-get install make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("one\ntwo\n")
    for name in ("one", "two"):
        _wheel(tmp_path, name)
    # `make test` passes its variables to child processes in MAKEFLAGS. The make that this test runs must not get them.
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "MAKEFLAGS": ""}
    done = subprocess.run(
        ["make", ".venv/.run"], cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=150,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    positions = [done.stdout.find(words) for words in (
        "== Creating the environment .venv", "== Installing the packages of the server", "Processing ./one-1.0",
        "Processing ./two-1.0", "Successfully installed one-1.0 two-1.0",
    )]  # fmt: skip
    assert -1 not in positions, done.stdout
    assert positions == sorted(positions)
