"""Run the program and every shell command that clients/python/README.md shows."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable

import pytest
from gphoto_ws_client import errors

from simulator.client import Control
from tests.client.shell import Shell, interrupt, line_of
from tests.support.marks import decoded
from tests.support.rig import ROOT, Server
from tests.support.waiting import WITHIN_S

README = (ROOT / "clients" / "python" / "README.md").read_text()
TOKEN_LINE = "export GPHOTO_WS_TOKEN="


def snippets(language: str) -> list[str]:
    """The code blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def readme_server(restartable_server: Callable[..., Server]) -> Server:
    """A server with one camera, as in the README."""
    server = restartable_server()
    server.wait_for_log("Camera ready")  # the examples show the model, which the server knows then
    return server


def test_the_program_runs_unchanged(installed_shell: Callable[[Server], Shell], readme_server: Server) -> None:
    (source,) = snippets("python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 22
    shell = installed_shell(readme_server)
    program = source.replace("ws://localhost:8765", readme_server.uri)
    program = program.replace("mysecrettoken", readme_server.token)
    (shell.folder / "program.py").write_text(program)
    done = subprocess.run(
        [shell.programs / "python", "-W", "error", "program.py"], cwd=shell.folder, capture_output=True, text=True,
        timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Canon EOS 550D on ptpip:")
    assert re.fullmatch(r"saved picture.jpg \d+ bytes", lines[1])
    assert re.fullmatch(r"frame \d+ \d+ bytes", lines[-1])
    assert decoded((shell.folder / "picture.jpg").read_bytes()).getexif().get_ifd(0x8769)[0x8827] == 200


def test_the_shell_commands_run_unchanged(
    installed_shell: Callable[[Server], Shell], readme_server: Server, restart_control: Control
) -> None:
    shell = installed_shell(readme_server)
    block = next(block for block in snippets("sh") if TOKEN_LINE in block)
    ran = []
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[0] != "gphoto-ws":
            assert line.startswith(TOKEN_LINE)
            continue
        ran.append(words[1])
        if words[1] in ("watch", "tether"):
            watching = shell.start(*words[1:])
            line_of(watching, restart_control.shutter, b"file_added" if words[1] == "watch" else b".JPG")
            assert interrupt(watching).code == 130
        else:
            shell.succeed(*words[1:])
    assert ran == [
        "cameras", "info", "capture", "config", "config", "config", "bulb", "fire", "burst", "movie", "timelapse", "bracket", "stack", "focus", "sync-clock", "job", "files", "get", "live",
        "tether", "watch",
    ]  # fmt: skip
    names = {path.name for path in shell.folder.iterdir()}
    assert {"photo.jpg", "first.jpg", "frame-001.jpg", "frame-010.jpg"} <= names


def test_the_exception_table_is_complete() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds - set(re.findall(r"`(\w+)`", README)) == set()


def test_the_exit_codes_match_the_help(bare_shell: Shell) -> None:
    help_text = bare_shell.succeed("--help").text
    for code in re.findall(r"^\| (\d+)", README, re.MULTILINE):
        assert re.search(rf"\b{code}\b", help_text)
