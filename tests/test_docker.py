"""The files of the container are checked with hadolint and compose. The server of the image runs without a container."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings.environment import Settings
from tests.support.ports import free_port
from tests.support.rig import ROOT, Client, Server
from tests.support.tools import find_tool

_SECONDS = 60


def _copied() -> list[tuple[str, str]]:
    """The files that the Dockerfile copies, each as a pair: the source, and the target below /app."""
    pairs = []
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            pairs += [(source, target) for source in sources]
    return pairs


def test_every_copied_file_is_in_the_build_context() -> None:
    sent = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert {source for source, _ in _copied()} - sent == set()


def test_hadolint_finds_no_problems() -> None:
    done = subprocess.run(
        [*find_tool(("hadolint",), install="no wheel for this machine"), str(ROOT / "Dockerfile")],
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert (done.returncode, done.stdout) == (0, "")


SECRET = "from-the-secret-file-5d1c"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with compose.yaml, .env and api_token, as in deploy/README.md."""
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    (tmp_path / "api_token").write_text(f"{SECRET}\n")
    return tmp_path


def _service() -> dict[str, Any]:
    """The only service in compose.yaml."""
    [service] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    return dict(service)


def _compose_config(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The output of `compose config`, run with Docker's plugin `docker compose` or with Debian's `docker-compose`."""
    compose = find_tool(("docker", "compose"), ("docker-compose",), install="sudo apt-get install docker-compose")
    return subprocess.run(
        [*compose, "config"], cwd=clone, env={**os.environ, **environment}, check=False, capture_output=True,
        text=True, timeout=_SECONDS,
    )  # fmt: skip


def test_the_compose_file_is_valid(clone: Path) -> None:
    done = _compose_config(clone)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    config = yaml.safe_load(done.stdout)
    [service] = config["services"].values()
    assert "photos" in config["volumes"]
    assert [text for text in map(str, service["volumes"]) if "/app/photos" in text and str(clone) in text] == []
    assert service["environment"]["CAPTURE_TARGET"] == "Memory card"
    assert service["environment"]["WS_HOST"] == "0.0.0.0"  # compose.yaml overrides the value in .env
    assert service["environment"]["WS_PLAIN"] == "yes"  # without this setting, the server would not start


def test_photos_can_be_saved_to_a_folder_of_the_host(clone: Path) -> None:
    done = _compose_config(clone, PHOTOS="./mine")
    assert done.returncode == 0, done.stderr
    assert f"{clone}/mine" in done.stdout


def test_a_missing_env_file_is_reported(clone: Path) -> None:
    (clone / ".env").unlink()
    done = _compose_config(clone)
    assert done.returncode != 0
    assert ".env" in done.stderr


def test_the_container_has_restricted_rights_and_limits() -> None:
    service = _service()
    assert "privileged" not in service
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["mem_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    unit = (ROOT / "deploy" / "gphoto-ws-server.service").read_text()
    assert f"TasksMax={service['pids_limit']}\n" in unit
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_server_starts_with_the_settings_of_compose(clone: Path, new_server: Callable[..., Server]) -> None:
    # In this test, the secret and the folders have local paths. All other settings are those of compose.yaml.
    local_paths = {
        "API_TOKEN_FILE": str(clone / "api_token"),
        "PHOTO_DIR": str(clone / "photos"),
        "STATE_DIR": str(clone / "s"),
    }
    settings = _service()["environment"]
    assert {name: settings[name] for name in local_paths} == {
        "API_TOKEN_FILE": "/run/secrets/api_token", "PHOTO_DIR": "/app/photos", "STATE_DIR": "/app/photos/.state",
    }  # fmt: skip
    server = new_server(API_TOKEN="", **{**settings, **local_paths, "WS_PORT": str(free_port())})
    server.uri = server.uri.replace("0.0.0.0", "127.0.0.1")

    async def pong() -> Any:
        async with await Client.connect(server, SECRET) as client:
            return (await client.command("ping"))["message"]

    assert asyncio.run(pong()) == "pong"
    assert SECRET not in server.log


def test_the_table_of_settings_matches_the_unit_and_compose() -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    [row] = re.findall(r"^\| set already \|.*\|$", page, re.MULTILINE)
    _, _, unit, docker = (re.findall(r"`([A-Z_]+)`", cell) for cell in row.strip("|").split("|"))
    assert set(docker) == set(_service()["environment"])
    set_by_unit = re.findall(
        r"^Environment=(\w+)=", (ROOT / "deploy/gphoto-ws-server.service").read_text(), re.MULTILINE
    )
    assert unit == set_by_unit
    assert {*unit, *docker} <= {name.upper() for name in Settings.model_fields}


def test_the_pages_name_the_port_that_compose_publishes() -> None:
    [port] = re.findall(r'^ +- "(\d+):\d+"$', (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    assert port != str(Settings().ws_port)
    for page in ("README.md", "docs/photobooth.md", "deploy/README.md"):
        _, command, after = (ROOT / page).read_text().partition("docker compose up")
        assert command
        assert {port, str(Settings().ws_port)} <= set(re.findall(r"\b\d{4}\b", after[:200])), page


def test_the_base_image_can_be_set() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [default] = re.findall(r"^ARG BASE_IMAGE=(\S+)\nFROM \$\{BASE_IMAGE\}$", dockerfile, re.MULTILINE)
    assert _service()["build"]["args"] == {"BASE_IMAGE": f"${{BASE_IMAGE:-{default}}}"}


def test_the_image_contains_all_files_that_the_server_needs(tmp_path: Path) -> None:
    image = tmp_path / "app"
    image.mkdir()
    for source, target in _copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target)
        else:
            shutil.copy(ROOT / source, image / target)

    async def model_name(server: Server) -> str:
        async with await Client.connect(server) as client:
            return str((await client.command("get_config", name="cameramodel"))["value"])

    server = Server("--simulate", cwd=image, root=image, PHOTO_DIR=str(tmp_path / "photos"))
    try:
        assert asyncio.run(model_name(server)) == "Canon EOS 550D"
    finally:
        assert server.stop() == 0
