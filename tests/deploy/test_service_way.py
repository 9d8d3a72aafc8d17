"""Start the server with the command and the environment of the systemd unit. The test does the work of systemd."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from websockets.asyncio.client import connect

from tests.support.cameras import QUICK, Simulator
from tests.support.marks import decoded
from tests.support.ports import free_port
from tests.support.rig import ROOT, TOKEN, Client, Json

UNIT = ROOT / "deploy" / "gphoto-ws-server.service"
SECONDS = 30.0


def unit_values(name: str) -> list[str]:
    """All values of a name in the unit file, in their order."""
    return [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


async def capture_and_save(address: str) -> Json:
    """Log in and capture a picture with `save`. Returns the file entry of the reply."""
    async with asyncio.timeout(SECONDS):
        connection = await connect(address, max_size=None)
        await connection.send(json.dumps({"token": TOKEN}))
        async with Client(connection) as client:
            (file,) = (await client.command("capture_image", save=True))["files"]
            return dict(file)


def test_the_service_reports_ready_saves_a_picture_and_stops(tmp_path: Path) -> None:
    (command,) = unit_values("ExecStart")
    opt, var = "/opt/gphoto-ws-server", f"/var/lib/{unit_values('StateDirectory')[0]}"
    arguments = command.replace(f"{opt}/.venv/bin/python", sys.executable).replace(opt, str(ROOT)).split()
    unit_environment = dict(line.replace(var, str(tmp_path)).split("=", 1) for line in unit_values("Environment"))
    credential, _, _ = unit_values("LoadCredential")[0].partition(":")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / credential).write_text(TOKEN + "\n")
    port = free_port()
    with (
        Simulator(*QUICK) as simulator,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        environment = unit_environment | {
            "PATH": os.environ["PATH"], "WS_PORT": str(port), "NETWORK_CAMERAS": simulator.cameras[0].address,
            "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "STATE_DIRECTORY": str(tmp_path),
            "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000",
        }  # fmt: skip
        with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as service:
            try:
                while b"READY=1" not in manager.recv(4096).splitlines():
                    pass
                file = asyncio.run(capture_and_save(f"ws://127.0.0.1:{port}"))
                service.send_signal(signal.SIGTERM)
                assert service.wait(20) == 0
            finally:
                service.kill()
    picture = Path(file["saved_path"])
    assert picture.parent == tmp_path / "photos"
    assert decoded(picture.read_bytes()).size == (1296, 864)
