"""PREVIEW_ISO and CAPTURE_ISO never cause a command to fail, and the camera's own ISO is restored afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from simulator.client import Control
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until


async def start_live_view(client: Client) -> None:
    await client.command("start_live_view", format="binary")
    while not client.binary:
        await client.receive()


def iso(camera: Control) -> str:
    """The current ISO, read at the simulated camera."""
    return str(camera.state()["properties"]["iso"])


async def test_live_view_and_capture_work_with_a_camera_that_rejects_the_configured_iso(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="1600", CAPTURE_ISO="200")) as client:
        await client.command("list_cameras")
        camera.veto("iso")
        await start_live_view(client)
        reply = await client.command("capture_image")
    assert "iso was not set" in reply["warnings"][0]
    assert camera.state()["shots"] == 1


async def test_the_iso_is_restored_when_the_server_stops_during_live_view(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    server = new_booth(PREVIEW_ISO="1600")
    before = iso(camera)
    client = await Client.connect(server, close_timeout=0.5)
    await start_live_view(client)
    assert iso(camera) != before
    assert server.stop() == 0
    assert iso(camera) == before
    await client.close()


async def test_the_iso_is_restored_after_a_disconnect_during_which_live_view_was_stopped(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    before = iso(camera)
    async with await Client.connect(new_booth(PREVIEW_ISO="1600", RESTART_DELAY="0.2")) as client:
        await start_live_view(client)
        camera.power(False)
        await client.command("subscribe", events=["camera_state"])
        await client.event(lambda event: event.get("state") in ("recovering", "needs_attention"))
        await client.command("stop_live_view")
        camera.power(True)
        await until(lambda: iso(camera) == before)


async def test_an_iso_set_by_a_client_is_kept_after_live_view(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="1600")) as client:
        await start_live_view(client)
        await client.command("set_config", name="iso", value="800")
        await client.command("subscribe", events=["camera_state"])
        await client.command("stop_live_view")
        await client.event(lambda event: event.get("state") == "ready")
        assert (await client.command("get_config", name="iso"))["value"] == "800"


async def test_a_stream_continues_after_two_disconnects_of_the_camera(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(RESTART_DELAY="0.2")) as client:
        await start_live_view(client)
        camera.fault("drop", "0x9153", times=2)
        await until(lambda: not camera.state()["faults"])
        client.binary.clear()
        while len(client.binary) < 5:
            await client.receive()
    assert not [event for event in client.events if event["event"] == "live_view_stopped"]


async def test_live_view_works_after_a_disconnect_while_the_preview_iso_is_set(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="800", RESTART_DELAY="0.3")) as client:
        await client.command("get_config", name="iso")
        camera.fault("silent", "0x9110")
        with suppress(CommandError):
            await client.command("start_live_view")
        await client.command("start_live_view")
        await client.event("live_view_frame")
