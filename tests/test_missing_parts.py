"""Tests that need a missing program are skipped with a reason; other tests run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rig import ROOT
from tests.support.tools import find_tool

_USB_TEST = "tests/usb/test_usb_cameras.py::test_cameras_of_two_makers_are_detected"
_PAGE_TEST = "tests/console/test_console.py::test_a_wrong_token_shows_an_error_and_the_right_one_logs_in"


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def _skip_reason(test: str, **environment: str) -> str:
    """Run one test in a changed environment and return its skip reason. Fails if the test is not skipped."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", test],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    reasons = re.findall(r"^SKIPPED \[1\] \S+: (.+)$", done.stdout, re.MULTILINE)
    assert (done.returncode, len(reasons)) == (0, 1), done.stdout
    return str(reasons[0])


def test_tests_of_pages_are_skipped_if_playwrights_node_lacks_a_library(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="playwright has no wheel for this machine")
    loader_error = "node: error while loading shared libraries: libatomic.so.1: cannot open shared object file"
    node = _program(tmp_path, "node", f"echo '{loader_error}' >&2; exit 127")
    _program(tmp_path, "chromium", "echo Chromium 1")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    reason = _skip_reason(_PAGE_TEST, PATH=path, PLAYWRIGHT_NODEJS_PATH=str(node))
    assert reason == f"playwright's Node.js does not start ({loader_error}): sudo apt-get install libatomic1"


def test_tests_of_pages_are_skipped_without_chromium(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="playwright has no wheel for this machine")
    assert _skip_reason(_PAGE_TEST, PATH=str(tmp_path)) == "Chromium is not installed: sudo apt-get install chromium"


def test_tests_of_usb_cameras_are_skipped_without_a_c_compiler(tmp_path: Path) -> None:
    reason = _skip_reason(_USB_TEST, PATH=str(tmp_path))
    assert reason == "no C compiler: sudo apt-get install gcc libc6-dev"


@pytest.mark.parametrize("docker", ["", 'echo "docker: unknown command: docker $1" >&2; exit 1'], ids=["none", "bare"])
def test_the_docker_compose_program_is_found(docker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _program(tmp_path, "docker-compose", "exit 0")
    if docker:
        _program(tmp_path, "docker", docker)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tool(("docker", "compose"), ("docker-compose",), install="x") == [str(program)]


def test_the_compose_plugin_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "docker-compose", "exit 0")
    docker = _program(tmp_path, "docker", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tool(("docker", "compose"), ("docker-compose",), install="x") == [str(docker), "compose"]


def test_a_missing_program_skips_the_test_with_its_installation_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"^no-such-program is not there: make npm$"):
        find_tool(("no-such-program",), install="make npm")
