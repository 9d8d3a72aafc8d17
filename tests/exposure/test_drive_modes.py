"""Shots whose exposure starts later than the release: with the self-timer, or after a mirror lock-up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exposure.exposures import MAKERS
from tests.support.cameras import QUICK, OneCamera
from tests.support.processes import camera_process
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import until

LOCKED = {"canon": ("mirrorlock", "1"), "nikon": ("capturemode", "Mirror Up")}
NIKON_TIMER = [("capturemode", "Timer"), ("selftimerdelay", "2 seconds")]
TIMER_S = 2
SINGLE = {"canon": ("mirrorlock", "0"), "nikon": ("capturemode", "Single Shot")}


@pytest.mark.parametrize("kind", MAKERS)
async def test_an_order_raises_the_mirror_and_takes_one_picture(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera], kind: str
) -> None:
    camera = own_camera(*MAKERS[kind])
    maker = kind.partition(" ")[0]
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        for turn, setting in enumerate((LOCKED[maker], SINGLE[maker], LOCKED[maker]), 1):
            camera.control.set(*setting)
            reply = await client.command("capture_image")
            assert [reply["camera_filepath"]] == [file["path"] for file in camera.control.releases()[-1]["files"]]
            assert camera.control.state()["shots"] == turn


async def test_a_bulb_exposure_raises_the_mirror_first(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port)) as client:
        await client.command("set_config", name="mirrorlock", value="1")
        assert (await client.command("capture_image", bulb_s=0.3))["exposed_s"] >= 0.3
    assert [release["exposed_s"] is not None for release in camera.control.releases()] == [True]


async def test_a_mirror_that_a_killed_process_has_left_up_costs_no_second_picture(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1", RESTART_DELAY="0.3")
    async with await Client.connect(server) as client:
        await client.info_with_card()
        await client.command("set_config", name="mirrorlock", value="1")
        shot = asyncio.create_task(client.command("capture_image"))
        await until(lambda: camera.control.state()["properties"]["mirrorlockstatus"] == 1)
        (await camera_process(server.process.pid, camera.port)).kill()
        with pytest.raises(CommandError, match="capture_unknown"):
            await shot
        assert camera.control.state()["shots"] == 0
        reply = await client.command("capture_image")
    assert camera.control.state()["shots"] == 1
    assert reply["camera_filepath"] == camera.control.releases()[0]["files"][0]["path"]


@pytest.mark.parametrize(("kind", "timer"), [("canon", [("drivemode", "Timer 2 sec")]), ("nikon", NIKON_TIMER)])
async def test_the_self_timer_counts_as_part_of_the_exposure(
    new_server: Callable[..., Server],
    own_camera: Callable[..., OneCamera],
    tmp_path: Path,
    kind: str,
    timer: list[tuple[str, str]],
) -> None:
    camera = own_camera(*MAKERS[kind])
    async with await Client.connect(new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1")) as client:
        await client.command("capture_image")
        for name, value in timer:
            camera.control.set(name, value)
        await client.command("capture_image")
    database = sqlite3.connect(tmp_path / "state" / "store.db")
    usual, delayed = [settles_s for (settles_s,) in database.execute("SELECT settles_s FROM shots ORDER BY shot")]
    database.close()
    assert usual < 2 * TIMER_S < delayed
