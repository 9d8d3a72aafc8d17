"""The states and events of a camera that is lost and reconnected, and the steps of the recovery."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from camera import ports
from camera.errors import CameraError, CameraIO, GpFailure
from camera.reconnect import open_error, reset_device
from protocol.errors import RequestError
from simulator.client import Control
from tests.support.processes import camera_process
from tests.support.rig import ROOT, Client, CommandError, Json, Server
from tests.support.waiting import WITHIN_S

SPARE = 2  # the index of a camera that the shared server does not use


@pytest.fixture
def server(new_server: Callable[..., Server], simulator: Control, ports: list[str]) -> Server:
    """A new server for the spare camera, with only one quick reconnect attempt."""
    return new_server(NETWORK_CAMERAS=ports[SPARE], MAX_RESTART_ATTEMPTS="1", RESTART_DELAY="0.2")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of the new server."""
    async with await Client.connect(server) as client:
        yield client


def health(server: Server) -> Json:
    """The JSON response to GET /health with the token."""
    address = server.uri.replace("ws://", "http://") + "/health"
    try:
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {server.token}"})
        with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))


async def test_a_lost_camera_is_reported_with_attempts_and_errors(
    client: Client, server: Server, simulator: Control
) -> None:
    before = await client.command("get_camera_info")
    assert "attempts" not in before
    await client.command("subscribe", events=["camera_state", "camera_connected", "camera_disconnected"])
    simulator.power(False, camera=SPARE)
    await client.event("camera_disconnected")
    event = await client.event(lambda event: event.get("state") == "needs_attention")
    assert event["attempts"] >= 2
    assert event["last_error"]
    (camera_health,) = (await asyncio.to_thread(health, server))["cameras"]
    assert (camera_health["state"], camera_health["last_error"]) == ("needs_attention", "camera_io")
    assert camera_health["attempts"] >= 2
    details = await client.command("get_camera_info")
    assert (details["connected"], details["last_io"]) >= (False, before["last_io"])
    simulator.power(True, camera=SPARE)
    assert (await client.event("camera_connected", 30))["model"] == "Canon EOS 550D"
    assert "last_error" not in await client.command("get_camera_info")


async def test_a_requested_restart_does_not_count_as_a_loss(client: Client, server: Server) -> None:
    await client.command("get_config", name="iso")
    await client.command("subscribe", events=["camera_state", "camera_connected", "camera_disconnected"])
    await client.command("restart_camera")
    await client.event(lambda event: event.get("state") == "ready")
    assert {event["event"] for event in client.events} <= {"camera_state"}
    assert "WARNING" not in server.log


async def test_repeated_losses_of_a_camera_are_logged_with_a_possible_reason(
    client: Client, server: Server, ports: list[str]
) -> None:
    pid = None
    for _ in range(4):
        process = await camera_process(server.process.pid, ports[SPARE], other_than=pid)
        await client.command("get_config", name="iso")
        pid = process.pid
        process.kill()
    await asyncio.to_thread(server.wait_for_log, "soon after it was opened: .* Does another program use it")
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_commands_to_a_camera_that_is_off_cause_few_attempts(
    client: Client, server: Server, simulator: Control
) -> None:
    await client.command("get_config", name="iso")
    await client.command("subscribe", events=["camera_state"])
    simulator.power(False, camera=SPARE)
    await client.event(lambda event: event.get("state") == "needs_attention")
    before = (await client.command("get_camera_info"))["attempts"]
    for _ in range(3):
        with pytest.raises(CommandError, match="camera_disconnected"):
            await client.command("get_config", name="iso")
    assert (await client.command("get_camera_info"))["attempts"] <= before + 4
    simulator.power(True, camera=SPARE)


def test_a_failed_usb_reset_prints_its_reason(tmp_path: Path) -> None:
    node = tmp_path / "004"
    node.touch()
    result = subprocess.run(
        [sys.executable, "-m", "camera.device.program", str(os.getpid()), "camera.device.usb_reset", str(node)], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S,
        check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout.strip()) == (1, f"{node}: Inappropriate ioctl for device")


async def test_a_usb_reset_uses_the_node_of_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ports, "_NODES", tmp_path)
    (tmp_path / "001").mkdir()
    (tmp_path / "001" / "004").touch()
    assert not await reset_device("usb:001,005")
    assert not await reset_device("ptpip:127.0.0.1")
    assert not await reset_device("usb:001,004")
    assert "USB device reset failed: usb:001,004" in caplog.text
    assert "Inappropriate ioctl" in caplog.text


async def test_the_error_for_a_missing_permission_explains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_NODES", tmp_path)
    (tmp_path / "001").mkdir()
    node = tmp_path / "001" / "004"
    node.touch()
    original = CameraIO("The transfer broke.", gp=GpFailure(-7))
    assert await open_error("usb:001,004", original) is original
    # os.access is replaced, because the tests may run as root, and root always has permission.
    monkeypatch.setattr("camera.ports.os.access", lambda *_: False)
    explained: CameraError = await open_error("usb:001,004", original)
    assert str(node) in explained.message
    request = RequestError.from_camera(explained)
    assert "group" in request.message
    assert (request.code, request.details) == ("camera_io", {"gp_error": -7, "node": str(node)})
