"""The server, installed as pipx installs it: the wheel contains everything that the server needs to run."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.rig import ROOT, Client, Server

_LEFT_OUT = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests")


def _run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=55, check=False, cwd="/",
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_server_runs(tmp_path: Path) -> None:
    source, installed = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(ROOT, source, ignore=_LEFT_OUT)
    _run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("gphoto_ws_server-*.whl")
    _run(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        str(installed),
        str(wheel),
    )
    program = str(installed / "bin" / "gphoto-ws-server")
    version = _run(program, "--version", PYTHONPATH=str(installed))
    assert version.strip() in wheel.name
    # The help has the right program name, and --settings works although the installation has no .env.example.
    help_text = _run(program, "--help", PYTHONPATH=str(installed))
    assert help_text.startswith("usage: gphoto-ws-server [")
    assert "--settings prints all of them" in " ".join(help_text.split())
    assert _run(program, "--settings", PYTHONPATH=str(installed)) == (ROOT / ".env.example").read_text()
    server = Server("--simulate", cwd=tmp_path, root=installed)

    async def model() -> str:
        async with await Client.connect(server) as client:
            return str((await client.command("get_config", name="cameramodel"))["value"])

    try:
        assert asyncio.run(model()) == "Canon EOS 550D"
    finally:
        assert server.stop() == 0
