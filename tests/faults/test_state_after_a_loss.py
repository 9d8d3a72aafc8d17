"""The state of a lost camera is never "ready": its state and `connected` are consistent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tests.support.cameras import QUICK, one_camera
from tests.support.rig import Client, CommandError, Server

ROUNDS = 6


async def test_a_camera_lost_during_a_shot_is_not_reported_ready_before_it_is(
    new_server: Callable[..., Server],
) -> None:
    wrong = []
    with one_camera(*QUICK) as camera:
        server = new_server(NETWORK_CAMERAS=camera.port, RESTART_DELAY="0.5")
        async with await Client.connect(server) as client:
            await client.command("get_config", name="iso")
            await client.command("subscribe", events=["camera_state", "camera_connected", "camera_disconnected"])
            await client.command("start_live_view", fps=5)
            for _round in range(ROUNDS):
                # After two frames, live view runs, and the events about the opening of the camera have been sent.
                for _ in range(2):
                    await client.event("live_view_frame")
                camera.control.power(False)
                with suppress(CommandError):
                    await client.command("capture_image")
                info = await client.command("get_camera_info")
                wrong += [info] * (info["state"] in ("ready", "live") and not info["connected"])
                await client.event("camera_disconnected")
                camera.control.power(True)
                await client.event("camera_connected")
                # An event of an open camera must not have the key `attempts`, the number of failed attempts to open it.
                with_attempts = [
                    event for event in client.events if event["event"] == "camera_state" and "attempts" in event
                ]
                wrong += [event for event in with_attempts if event["state"] in ("ready", "live")]
                client.events.clear()
        assert server.stop() == 0
    assert wrong == []
