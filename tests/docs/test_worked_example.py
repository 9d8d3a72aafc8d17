"""Apply the changes of the example in CONTRIBUTING.md to a copy of the project, and send the new command to it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cameras import QUICK, Simulator
from tests.support.rig import ROOT, Client, Server

# The files that the server and the generator of the documents need.
PARTS = (
    "*.py",
    "camera",
    "clients/javascript/src",
    "doctor",
    "docs",
    "protocol",
    "server",
    "service",
    "settings",
    "simulator",
    "store",
    ".env.example",
)
MAX_FILES = 6
SECTION = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Add a command in six steps\n")[1].split("\n## ")[0]


@pytest.fixture
def changed_copy(tmp_path: Path) -> Path:
    """A copy of the project with the changes of the example."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for part in PARTS:
        for path in ROOT.glob(part):
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, copy / path.relative_to(ROOT), symlinks=True, ignore=ignored)
            else:
                shutil.copy(path, copy / path.name)
    changes = "".join(re.findall(r"^```diff\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL))
    applied = subprocess.run(
        ["git", "apply", "--verbose", "-"], cwd=copy, input=changes, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, (
        f"The code around the example in CONTRIBUTING.md has changed; adapt its diff:\n{applied.stderr}"
    )
    return copy


def test_the_example_changes_few_files() -> None:
    files = re.findall(r"^\+\+\+ b/(\S+)$", SECTION, re.MULTILINE)
    assert len(files) == len(set(files)) <= MAX_FILES


def test_the_command_of_the_example_is_documented(changed_copy: Path) -> None:
    page = changed_copy / "docs" / "protocol.md"
    assert "### get_summary" not in page.read_text()
    # Without the npm programs, which are not copied, only the types of the JavaScript client are not written.
    subprocess.run([sys.executable, "-m", "docs.generator"], cwd=changed_copy, check=False)
    assert "### get_summary" in page.read_text()


async def test_the_command_of_the_example_works(changed_copy: Path, tmp_path: Path) -> None:
    with Simulator(*QUICK) as simulator:
        port = simulator.cameras[0].address
        server = Server(cwd=tmp_path, root=changed_copy, NETWORK_CAMERAS=port)
        try:
            async with await Client.connect(server) as client:
                reply = await client.command("get_summary", port=port)
                assert "Model: Canon EOS 550D" in reply["text"]
                commands = (await client.command("list_commands"))["commands"]
            assert "get_summary" in [command["command"] for command in commands]
        finally:
            assert server.stop() == 0
