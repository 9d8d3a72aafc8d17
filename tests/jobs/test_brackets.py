"""Brackets on simulated cameras, by settings and by the camera itself; settings are put back, also after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.jobs.orders import ended
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until_answers

_EXIF, _SHUTTER = 0x8769, 0x829A


async def bracket(client: Client, **payload: Any) -> int:
    """Start a bracket; returns its number."""
    return int((await client.command("start_job", kind="bracket", **payload))["job"]["job"])


async def value(client: Client, name: str) -> object:
    """The value of a setting."""
    return (await client.command("get_config", name=name))["value"]


async def test_a_bracket_changes_a_setting_from_shot_to_shot(client: Client, camera: OneCamera) -> None:
    await client.command("set_config", name="iso", value="400")
    job = await bracket(client, by="iso", ev=[-1, 0, 1], filename="hdr")
    status = await ended(client, job)
    assert (status["kind"], status["shots"], status["failed"], status["progress"]) == ("bracket", 3, 0, 1.0)
    assert [release["settings"]["iso"] for release in camera.control.releases()] == ["200", "400", "800"]
    assert await value(client, "iso") == "400"
    shots = [event for event in client.events if event["event"] == "job_shot"]
    assert [Path(event["files"][0]["saved_path"]).stem for event in shots] == ["hdr-00000", "hdr-00001", "hdr-00002"]


async def test_a_bracket_by_shutter_speed_is_in_order(client: Client, camera: OneCamera) -> None:
    before = await value(client, "shutterspeed")
    await ended(client, await bracket(client, ev=[-2, 0, 2]))
    names = [
        name for name in ("shutterspeed", "exptime", "shutterspeed2") if name in camera.control.state()["properties"]
    ]
    used = [[release["settings"][name] for name in names] for release in camera.control.releases()]
    assert len(used) == 3
    assert used[0] != used[1] != used[2] != used[0]
    assert await value(client, "shutterspeed") == before


async def test_the_cameras_own_bracketing_takes_three_pictures_with_one_release(
    client: Client, camera: OneCamera
) -> None:
    if "aeb" not in camera.control.state()["properties"]:
        with pytest.raises(CommandError, match="not_supported"):
            await bracket(client, by="native", ev=[-1, 0, 1])
        return
    drive = await value(client, "drivemode")
    status = await ended(client, await bracket(client, by="native", ev=[-1, 0, 1]))
    assert (status["shots"], status["failed"]) == (1, 0)
    event = next(event for event in client.events if event["event"] == "job_shot")
    speeds = []
    for file in event["files"]:
        with Image.open(file["saved_path"]) as picture:
            speeds.append(float(picture.getexif().get_ifd(_EXIF)[_SHUTTER]))
    assert [speed / speeds[0] for speed in speeds] == pytest.approx([1, 0.5, 2], rel=0.05)
    assert (await value(client, "aeb"), await value(client, "drivemode")) == ("off", drive)
    with pytest.raises(CommandError, match="invalid_value"):
        await bracket(client, by="native", ev=[-5, 0, 5])


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"interval_s": 1.0}, "invalid_payload"),
        ({"ev": [1]}, "invalid_payload"),
        ({"by": "native", "ev": [-1, 0, 2]}, "invalid_payload"),
        ({"by": "iso", "ev": [0, 10]}, "invalid_value"),
        ({"by": "shutterspeed", "ev": [0, -10], "settings": {"shutterspeed": "1/1000"}}, "invalid_value"),
    ],
)
async def test_an_impossible_bracket_is_refused(client: Client, payload: Json, code: str) -> None:
    with pytest.raises(CommandError) as error:
        await bracket(client, **payload)
    assert error.value.code == code


async def test_a_bracket_goes_on_after_a_kill_and_the_settings_are_put_back(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1")
    ev = [-3, -2, -1, 0, 1, 2, 3]
    async with await Client.connect(server) as client:
        await client.info_with_card()
        await client.command("set_config", name="iso", value="800")
        await client.command("subscribe", events=["job_shot"])
        job = await bracket(client, by="iso", ev=ev)
        await client.event("job_shot")
    server.kill()
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1"))
    async with await Client.connect(server) as client:

        async def done() -> bool:
            return str((await client.command("get_job", job=job))["job"]["state"]) == "done"

        await until_answers(done)
        status = (await client.command("get_job", job=job))["job"]
        assert await value(client, "iso") == "800"
    assert status["shots"] + status["failed"] == len(ev)
    used = [release["settings"]["iso"] for release in camera.control.releases()]
    assert used == sorted(set(used), key=int)  # in order, and none twice
    assert len(used) == status["shots"]
