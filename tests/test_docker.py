"""The container's files: checked by the field's tools where they are there, and the image's tree started without an engine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from settings import Settings
from tests.rig import ROOT, Client, Server
from tests.tools import find_tool

_SECONDS = 60


def _copied() -> list[tuple[str, str]]:
    """What the Dockerfile copies: source and target below /app."""
    pairs = []
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            pairs += [(source, target) for source in sources]
    return pairs


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [*find_tool(("hadolint",), install="no wheel for this machine"), str(ROOT / "Dockerfile")],
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_understands_its_file() -> None:
    # The plugin of Docker's own packages, and the program of Debian's.
    compose = find_tool(("docker", "compose"), ("docker-compose",), install="sudo apt-get install docker-compose")
    command = [*compose, "--file", str(ROOT / "compose.yaml"), "config"]
    environment = {**os.environ, "API_TOKEN": "a-token-for-the-check"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=_SECONDS)
    assert done.returncode == 0, done.stderr
    assert "privileged: true" not in done.stdout
    assert 'WS_PLAIN: "yes"' in done.stdout  # without it the server would not start


def test_the_pages_tell_the_port_that_compose_publishes() -> None:
    [port] = re.findall(r'^ +- "(\d+):\d+"$', (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    assert port != str(Settings().ws_port)
    for page in ("README.md", "docs/photobooth.md"):
        _, command, after = (ROOT / page).read_text().partition("docker compose up")
        assert command
        assert {port, str(Settings().ws_port)} <= set(re.findall(r"\b\d{4}\b", after[:200])), page


def test_the_image_holds_all_that_the_server_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "app"
    image.mkdir()
    for source, target in _copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target)
        else:
            shutil.copy(ROOT / source, image / target)
    monkeypatch.setattr("tests.rig.ROOT", image)

    async def first_words(server: Server) -> str:
        async with await Client.connect(server) as client:
            return str((await client.command("get_config", name="cameramodel"))["value"])

    server = Server("--simulate", cwd=image, PHOTO_DIR=str(tmp_path / "photos"))
    try:
        assert asyncio.run(first_words(server)) == "Canon EOS 550D"
    finally:
        assert server.stop() == 0
