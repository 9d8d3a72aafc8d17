"""Docker's health check: `python healthcheck.py` with the same settings as the server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.support.rig import ROOT, Server
from tests.support.waiting import WITHIN_S


def healthcheck(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run healthcheck.py as Docker does. The program must end by itself."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "healthcheck.py")],
        cwd=folder, env=environment | settings, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_server_with_a_camera_is_healthy(
    new_server: Callable[..., Server], tmp_path: Path, tls: bool, host: str
) -> None:
    settings = {"WS_HOST": host, "WS_PLAIN": "yes"}
    if tls:
        issued = trustme.CA().issue_cert("booth.example")
        for pem in issued.cert_chain_pems:
            pem.write_to_path(tmp_path / "chain.pem", append=True)
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        settings |= {"WS_TLS_CERT": str(tmp_path / "chain.pem"), "WS_TLS_KEY": str(tmp_path / "key.pem")}
    server = new_server("--simulate", **settings)
    port = str(urlsplit(server.uri).port)
    server.wait_for_log("Camera ready: ")
    assert healthcheck(tmp_path, **settings, WS_PORT=port).returncode == 0
    assert server.stop() == 0


def test_a_server_without_a_camera_is_unhealthy_with_a_reason(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = new_server()
    result = healthcheck(tmp_path, WS_HOST="127.0.0.1", WS_PORT=str(urlsplit(server.uri).port))
    assert (result.returncode, '"unavailable"' in result.stderr) == (1, True)
    assert server.stop() == 0


def test_a_port_without_a_server_is_unhealthy(tmp_path: Path) -> None:
    with socket.socket() as unused_port:
        unused_port.bind(("127.0.0.1", 0))
        result = healthcheck(tmp_path, WS_HOST="127.0.0.1", WS_PORT=str(unused_port.getsockname()[1]))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_invalid_settings_are_unhealthy(tmp_path: Path) -> None:
    result = healthcheck(tmp_path, WS_PORT="http")
    assert (result.returncode, "WS_PORT" in result.stderr) == (1, True)


def test_the_image_contains_and_runs_the_health_check() -> None:
    dockerfile, ignored = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text()
    [copied] = [line for line in dockerfile.splitlines() if line.startswith("COPY gphoto_ws_server.py")]
    assert 'CMD ["python", "healthcheck.py"]' in dockerfile
    modules = sorted(file.name for file in ROOT.glob("*.py"))
    assert [module for module in modules if module not in copied or f"!{module}" not in ignored] == []
