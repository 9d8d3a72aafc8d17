"""Cameras that raise their mirror first are released together with others, or refused before they raise it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest

from tests.fire.rig import IN_MS, Rig, codes, opened
from tests.support.cameras import QUICK, one_camera
from tests.support.rig import Client, Server
from tests.support.waiting import until

# After this time, the simulated Nikon takes the picture by itself.
MIRROR_UP_S = 5


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A Canon with mirror lock-up, and a Nikon with that drive mode."""
    nikon = ("--maker", "nikon", "--mirror-up", str(MIRROR_UP_S))
    with one_camera(*QUICK) as left, one_camera(*nikon, *QUICK) as right:
        left.control.set("mirrorlock", "1")
        right.control.set("capturemode", "Mirror Up")
        yield Rig((left, right))


@pytest.fixture
def server(new_server: Callable[..., Server], rig: Rig) -> Server:
    return new_server(NETWORK_CAMERAS=rig.setting, WRITE_TIME="1")


async def test_the_mirrors_are_up_before_the_deadline(server: Server, rig: Rig) -> None:
    async with await Client.connect(server) as client:
        await opened(client, rig)
        for in_ms in (0, IN_MS):
            reply = await client.command("fire", in_ms=in_ms)
            assert codes(reply) == ["ok", "ok"]
            for entry, camera in zip(reply["cameras"], rig.cameras, strict=True):
                assert [file["camera_filepath"] for file in entry["files"]] == [
                    file["path"] for file in camera.control.releases()[-1]["files"]
                ]
    assert rig.releases() == [2, 2]


async def test_a_camera_without_enough_time_for_its_mirror_is_left_out(server: Server, rig: Rig) -> None:
    async with await Client.connect(server) as client:
        await opened(client, rig)
        reply = await client.command("fire", in_ms=600)
        assert codes(reply) == ["not_ready", "not_ready"]
        assert all("mirror" in entry["message"] and "in_ms" in entry["message"] for entry in reply["cameras"])
        assert [camera.control.state()["mirror_up"] for camera in rig.cameras] == [False, False]
        for camera in rig.cameras:
            await client.command("get_config", name="iso", port=camera.port)
    assert rig.releases() == [0, 0]


async def test_a_nikon_that_has_raised_its_mirror_takes_the_picture_by_itself(server: Server, rig: Rig) -> None:
    left, right = rig.cameras
    async with await Client.connect(server) as client, await Client.connect(server) as other:
        await opened(client, rig)
        await client.command("subscribe", events=["capture_checked"])
        half_press = {"command": "half_press", "payload": {"hold_ms": 4000, "port": left.port}}
        await other.socket.send(json.dumps(half_press))
        await until(lambda: left.control.state()["focus"]["half_pressed"])
        volley = asyncio.create_task(client.command("fire", in_ms=IN_MS, missing="stop"))
        await until(lambda: right.control.state()["mirror_up"])
        reply = await volley
        assert codes(reply)[0] in ("not_ready", "cancelled")
        assert codes(reply)[1] == "capture_unknown"
        assert "mirror" in reply["cameras"][1]["message"]
        checked = await client.event("capture_checked")
        (release,) = right.control.releases()
        assert checked["files"] == [file["path"] for file in release["files"]]
        assert (await client.command("get_shot", shot=checked["shot"]))["outcome"] == "done"
    assert left.control.releases() == []
