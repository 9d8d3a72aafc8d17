"""Cameras on USB: detection, the main commands, unplug and replug, halts, resets and claims."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.marks import decoded, from_base64, mark
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.usb import UsbCamera, UsbMachine, connected_by_port, selected
from tests.support.waiting import until, until_answers


def usb(camera: UsbCamera) -> Json:
    """The USB side of the camera, as the simulator reports it."""
    state: Json = camera.control.state()["usb"]
    return state


async def test_cameras_of_two_makers_are_detected(server: Server, machine: UsbMachine) -> None:
    canon, nikon = machine.cameras
    async with await Client.connect(server) as client:
        for camera in machine.cameras:
            await selected(client, camera)
        listed = {camera["port"]: camera for camera in (await client.command("list_cameras"))["cameras"]}
    assert {port: (found["name"], found["serial"]) for port, found in listed.items()} == {
        canon.port: ("Canon EOS 550D", "SIM0000001"),
        nikon.port: ("Nikon DSC D7100", "NIK0000001"),
    }


async def test_a_setting_is_changed_on_the_camera(client: Client, camera: UsbCamera) -> None:
    await client.command("set_config", name="iso", value="800")
    assert (await client.command("get_config", name="iso"))["value"] == "800"


async def test_a_picture_is_captured_and_downloaded(client: Client, camera: UsbCamera) -> None:
    captured = await client.command("capture_image")
    downloaded = await client.command("download_last_image", camera_filepath=captured["camera_filepath"])
    picture = base64.b64decode(downloaded["image_b64"], validate=True)
    (stored,) = camera.control.state(sha256=True)["files"]
    assert (stored["path"], stored["size"]) == (captured["camera_filepath"], len(picture))
    assert decoded(picture).size == (1296, 864)


async def test_cameras_are_released_together(client: Client, machine: UsbMachine) -> None:
    for camera in machine.cameras:
        await selected(client, camera)
    ports = [camera.port for camera in machine.cameras]
    fired = await client.command("fire", ports=ports, in_ms=3000, settings={"iso": "800"})
    assert [(camera["port"], camera["status"]) for camera in fired["cameras"]] == [(port, "ok") for port in ports]
    for camera, entry in zip(machine.cameras, fired["cameras"], strict=True):
        (release,) = camera.control.releases()
        assert [file["camera_filepath"] for file in entry["files"]] == [file["path"] for file in release["files"]]
        assert release["settings"]["iso"] == "800"
    assert not any(camera.control.state()["focus"]["half_pressed"] for camera in machine.cameras)


async def test_live_view_shows_each_frame_once(client: Client) -> None:
    await client.command("start_live_view")
    frames = [await client.event("live_view_frame") for _ in range(5)]
    await client.command("stop_live_view")
    numbers = [mark(from_base64(frame["image_b64"]), "frame") for frame in frames]
    assert numbers == sorted(set(numbers))


async def live_view_ended(client: Client) -> None:
    """Wait until live view is off, 1 s after the last viewer left."""

    async def ended() -> bool:
        return (await client.command("get_camera_info"))["state"] == "ready"  # type: ignore[no-any-return]

    await until_answers(ended)


async def test_the_focus_is_moved_and_a_focus_point_is_set(client: Client, camera: UsbCamera) -> None:
    await live_view_ended(client)
    with pytest.raises(CommandError, match="live_view_needed"):
        await client.command("drive_focus", steps=-2, size="large")
    await client.command("start_live_view", rotation=180)
    assert (await client.command("drive_focus", steps=-2, size="large"))["moved"] == -2
    assert camera.control.state()["focus"]["moves"] == 2
    await client.command("autofocus", x=0.25, y=0.5)
    focus = camera.control.state()["focus"]
    assert focus["point"][0] / focus["picture"][0] == pytest.approx(0.75, abs=0.01)
    await client.command("stop_live_view")
    await live_view_ended(client)


async def test_a_canon_on_usb_is_half_pressed(client: Client, camera: UsbCamera) -> None:
    if camera.control.state()["model"] == "D7100":
        with pytest.raises(CommandError, match="not_supported"):
            await client.command("half_press", hold_ms=100)
        return
    await client.command("half_press", hold_ms=100)
    focus = camera.control.state()["focus"]
    assert (focus["half_pressed"], focus["half_presses"]) == (False, 1)


async def test_the_button_of_the_camera_is_reported(client: Client, camera: UsbCamera) -> None:
    await client.command("subscribe", events=["file_added"])
    (path,) = camera.control.shutter()
    event = await client.event("file_added")
    assert (event["port"], event["camera_filepath"]) == (camera.port, path)


async def test_a_replugged_camera_continues_under_its_new_number(client: Client, camera: UsbCamera) -> None:
    before = camera.port
    await client.command("set_config", name="iso", value="400")
    await client.command("subscribe", events=["camera_connected", "camera_disconnected"])
    await client.command("start_live_view")
    first = await client.event("live_view_frame")
    camera.control.unplug()
    assert (await client.event("camera_disconnected"))["port"] == before

    async def is_absent() -> bool:
        return await connected_by_port(client, before) is None

    await until_answers(is_absent)
    with pytest.raises(CommandError, match="camera_disconnected"):
        await client.command("get_config", name="iso")
    camera.control.plug()
    assert camera.port != before
    assert (await client.event("camera_connected"))["port"] == camera.port
    client.events.clear()
    frame = await client.event("live_view_frame")
    assert frame["stream"] == first["stream"]
    assert frame["seq"] > first["seq"]
    await client.command("stop_live_view")
    assert (await client.command("get_config", name="iso"))["value"] == "400"


async def test_libgphoto2_ends_the_halt_of_an_out_endpoint_and_repeats_the_request(
    client: Client, server: Server, camera: UsbCamera
) -> None:
    before, logged = usb(camera)["clear_halts"], len(server.log)
    camera.control.fault("halt", endpoint="bulk_out")
    await until(lambda: not camera.control.state()["faults"])
    await client.command("set_config", name="iso", value="200")
    assert (camera.control.state()["properties"]["iso"], usb(camera)["clear_halts"]) == ("200", before + 1)
    assert f"Camera disconnected: {camera.port}" not in server.log[logged:]


@pytest.mark.parametrize("camera", ["canon"], indirect=True)  # takes 6 s: the time until a silent process is killed
async def test_a_camera_that_has_lost_its_answer_in_a_halt_is_opened_again(
    client: Client, server: Server, camera: UsbCamera
) -> None:
    before, process = usb(camera)["clear_halts"], await camera_process(server.process.pid, camera.port)
    camera.control.fault("halt", endpoint="bulk_in")
    await camera_process(server.process.pid, camera.port, other_than=process.pid)
    await until(lambda: usb(camera)["clear_halts"] == before + 1)
    await selected(client, camera)
    await client.command("capture_image")
    assert camera.control.state()["shots"] == 1


async def test_a_camera_that_cannot_be_opened_is_reset(client: Client, server: Server, camera: UsbCamera) -> None:
    port, before = camera.port, usb(camera)["resets"]
    camera.control.fault("init_fail", times=2)
    with pytest.raises(CommandError):
        await client.command("restart_camera")
    await selected(client, camera)
    server.wait_for_log(f"USB device reset: {port}")
    assert usb(camera)["resets"] == before + 1


async def test_a_camera_that_another_process_has_claimed_is_reported(
    new_server: Callable[..., Server], client: Client, machine: UsbMachine, camera: UsbCamera
) -> None:
    settings: dict[str, Any] = {**machine.settings, "RESTART_DELAY": "0.3"}
    async with await Client.connect(second := new_server(**settings)) as other:
        claimed: list[CommandError] = []

        async def is_claimed() -> bool:
            try:
                await other.command("get_config", name="iso", port=camera.port)
            except CommandError as error:
                claimed.append(error)
                return error.code == "camera_claimed"
            return False

        await until_answers(is_claimed)
        assert (await client.command("get_config", name="iso"))["value"]  # the first process still has the camera
    assert second.stop() == 0
