"""PREVIEW_ISO and CAPTURE_ISO never stop the booth, and the camera has its own ISO again in the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from simulator.client import Control
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until


async def watch(client: Client) -> None:
    await client.command("start_live_view", format="binary")
    while not client.binary:
        await client.receive()


def iso(camera: Control) -> str:
    """What the body itself has."""
    return str(camera.state()["properties"]["iso"])


async def test_a_camera_that_refuses_the_operators_iso_is_watched_and_released_all_the_same(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="1600", CAPTURE_ISO="200")) as client:
        await client.command("list_cameras")
        camera.veto("iso")
        await watch(client)
        reply = await client.command("capture_image")
    assert "iso was not set" in reply["warnings"][0]
    assert camera.state()["shots"] == 1


async def test_the_iso_is_put_back_when_the_server_ends_while_somebody_watches(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    server = new_booth(PREVIEW_ISO="1600")
    before = iso(camera)
    client = await Client.connect(server, close_timeout=0.5)
    await watch(client)
    assert iso(camera) != before
    assert server.stop() == 0
    assert iso(camera) == before
    await client.close()


async def test_the_iso_is_put_back_after_a_loss_that_nobody_waited_out(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    before = iso(camera)
    async with await Client.connect(new_booth(PREVIEW_ISO="1600", RESTART_DELAY="0.2")) as client:
        await watch(client)
        camera.power(False)
        await client.command("subscribe", events=["camera_state"])
        await client.event(lambda event: event.get("state") in ("recovering", "needs_attention"))
        await client.command("stop_live_view")
        camera.power(True)
        await until(lambda: iso(camera) == before)


async def test_a_clients_own_iso_outlives_the_preview(new_booth: Callable[..., Server], camera: Control) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="1600")) as client:
        await watch(client)
        await client.command("set_config", name="iso", value="800")
        await client.command("subscribe", events=["camera_state"])
        await client.command("stop_live_view")
        await client.event(lambda event: event.get("state") == "ready")
        assert (await client.command("get_config", name="iso"))["value"] == "800"


async def test_a_stream_outlives_a_camera_that_drops_twice(new_booth: Callable[..., Server], camera: Control) -> None:
    async with await Client.connect(new_booth(RESTART_DELAY="0.2")) as client:
        await watch(client)
        camera.fault("drop", "0x9153", times=2)
        await until(lambda: not camera.state()["faults"])
        client.binary.clear()
        while len(client.binary) < 5:
            await client.receive()
    assert not [event for event in client.events if event["event"] == "live_view_stopped"]


async def test_a_camera_that_is_lost_while_its_preview_iso_is_set_shows_its_frames_once_it_is_back(
    new_booth: Callable[..., Server], camera: Control
) -> None:
    async with await Client.connect(new_booth(PREVIEW_ISO="800", RESTART_DELAY="0.3")) as client:
        await client.command("get_config", name="iso")
        camera.fault("silent", "0x9110")
        with suppress(CommandError):
            await client.command("start_live_view")
        await client.command("start_live_view")
        await client.event("live_view_frame")
