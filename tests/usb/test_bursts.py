"""Bursts of cameras on USB: the button is held and released, also after the loss of the camera process."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.usb import UsbCamera
from tests.support.waiting import until


async def test_a_burst_reports_every_picture(client: Client, camera: UsbCamera) -> None:
    if "capturemode" in camera.control.state()["properties"]:
        camera.control.set("capturemode", "Burst")
    burst = await client.command("capture_burst", frames=3)
    state = camera.control.state()
    assert [file["camera_filepath"] for file in burst["files"]] == [file["path"] for file in state["files"]]
    assert burst["frames"] == len(camera.control.releases()) >= 3
    assert not state["button_held"]
    assert not state["focus"]["half_pressed"]
    assert state["properties"].get("drivemode") in ("Single", None)


@pytest.mark.parametrize("camera", ["canon"], indirect=True)
async def test_after_the_kill_of_the_camera_process_the_next_one_releases_the_button(
    client: Client, server: Server, camera: UsbCamera
) -> None:
    camera.control.card(prefix="KEPT")  # the server knows files of earlier tests, which had the usual names
    await client.command("subscribe", events=["capture_checked"])
    await client.info_with_card()
    await client.socket.send(json.dumps({"command": "capture_burst", "payload": {"hold_ms": 10_000}}))
    await until(lambda: camera.control.state()["button_held"] and len(camera.control.releases()) > 1)
    (await camera_process(server.process.pid, camera.port)).kill()
    with pytest.raises(CommandError, match="capture_unknown"):
        await client.reply()
    checked = await client.event("capture_checked")
    state = camera.control.state()
    assert (state["button_held"], state["focus"]["half_pressed"]) == (False, False)
    assert sorted(checked["files"]) == sorted(file["path"] for file in state["files"])
    assert len(checked["files"]) == len(camera.control.releases())
