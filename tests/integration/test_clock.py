"""The clock of a camera: it is set to local time, also in summer, and to the time of the server."""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import system_clock
from simulator.client import Control
from tests.support.cameras import QUICK, OneCamera
from tests.support.in_process import InProcess
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import WITHIN_S, until, until_answers

# One of them has summer time now.
ZONES = ("Europe/Berlin", "Australia/Sydney")
CAMERAS = [("--maker", "canon"), ("--maker", "canon", "--model", "Canon EOS R10"), ("--maker", "nikon")]
WRONG_S = -100_000
Start = Callable[..., Awaitable[InProcess]]


def shown_by(control: Control) -> int:
    """The time that the camera shows, in seconds since 1970 as if it were UTC."""
    value = control.state()["properties"]["datetime"]
    return value if isinstance(value, int) else timegm(time.strptime(value, "%Y%m%dT%H%M%S"))


@pytest.mark.parametrize("maker", ["canon", "nikon"])
@pytest.mark.parametrize(
    ("time_utc", "local_time"),
    [
        ("2030-01-01T12:00:00+00:00", "2030-01-01T13:00:00+00:00"),
        ("2030-07-01T12:00:00+00:00", "2030-07-01T14:00:00+00:00"),
        ("2030-10-27T00:30:00+00:00", "2030-10-27T02:30:00+00:00"),  # summer time; half an hour later, it ends
        ("2030-10-27T01:30:00+00:00", "2030-10-27T02:30:00+00:00"),
    ],
)
async def test_a_time_that_is_set_becomes_the_local_time_of_the_server(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], maker: str, time_utc: str, local_time: str
) -> None:
    camera = own_camera("--maker", maker, *QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, TZ="Europe/Berlin")
    async with await Client.connect(server) as client:
        await client.command("set_config", name="datetime", value=time_utc)
        off = shown_by(camera.control) - datetime.fromisoformat(local_time).timestamp()
        assert 0 <= off < WITHIN_S


def make_wrong(control: Control) -> None:
    """Put the camera's clock back."""
    shown = shown_by(control) + WRONG_S
    is_text = isinstance(control.state()["properties"]["datetime"], str)
    control.set("datetime", time.strftime("%Y%m%dT%H%M%S", time.gmtime(shown)) if is_text else shown)


def is_right(control: Control) -> bool:
    return abs(shown_by(control) - local_now(None)) < WITHIN_S


def local_now(zone: str | None) -> float:
    """The local time in a zone, in seconds since 1970 as if it were UTC. Without a zone: that of this machine."""
    here = datetime.now(ZoneInfo(zone)) if zone else datetime.now().astimezone()
    offset = here.utcoffset()
    assert offset is not None
    return here.timestamp() + offset.total_seconds()


@pytest.mark.parametrize("options", CAMERAS, ids=" ".join)
@pytest.mark.parametrize("zone", ZONES)
async def test_the_clock_gets_the_time_of_the_server(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], options: tuple[str, ...], zone: str
) -> None:
    camera = own_camera(*options, *QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, TZ=zone)
    utc = "datetimeutc" in camera.control.state()["properties"]
    async with await Client.connect(server) as client:
        await client.command("subscribe", events=["config_changed"])
        reply = await client.command("sync_clock")
        name = "datetimeutc" if utc else "datetime"
        await client.event(lambda event: event["event"] == "config_changed" and event["config_name"] == name)
    assert reply["config_name"] == name
    assert abs(datetime.fromisoformat(reply["set_to"]).timestamp() - time.time()) < WITHIN_S
    # A camera with a clock in UTC calculates the local time in its own zone, which is that of the simulator.
    assert abs(shown_by(camera.control) - local_now(None if utc else zone)) < WITHIN_S


@pytest.mark.parametrize("options", CAMERAS, ids=" ".join)
async def test_the_reply_says_how_far_the_clock_was_off(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server], options: tuple[str, ...]
) -> None:
    camera = own_camera(*options, *QUICK)
    make_wrong(camera.control)
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        assert abs((await client.command("sync_clock"))["was_off_s"] - WRONG_S) <= 2
        assert abs((await client.command("sync_clock"))["was_off_s"]) <= 2


async def test_the_time_since_a_camera_was_opened_does_not_count(
    own_camera: Callable[..., OneCamera], new_server: Callable[..., Server]
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:

        async def is_old() -> bool:  # the driver does not read the clock again
            return time.time() - float((await client.command("get_config", name="datetime"))["value"]) > 4

        await until_answers(is_old)
        assert abs((await client.command("sync_clock"))["was_off_s"]) <= 2


async def test_the_clock_of_each_opened_camera_is_set(own_camera: Callable[..., OneCamera], in_process: Start) -> None:
    camera = own_camera(*QUICK)
    make_wrong(camera.control)
    server = await in_process(camera.port, sync_clock=True, clock_trust=lambda: "synchronized")
    await until(lambda: is_right(camera.control))
    make_wrong(camera.control)
    async with await server.connect() as client:
        await client.command("restart_camera")
        await until(lambda: is_right(camera.control))
        await client.command("get_camera_info")


async def test_the_clock_is_not_set_before_that_of_the_server_is_synchronized(
    own_camera: Callable[..., OneCamera], in_process: Start, caplog: pytest.LogCaptureFixture
) -> None:
    camera = own_camera(*QUICK)
    make_wrong(camera.control)
    trust = "unsynchronized"
    await in_process(camera.port, sync_clock=True, clock_trust=lambda: trust)
    await until(lambda: "clock of this machine is not synchronized" in caplog.text)
    assert not is_right(camera.control)
    trust = "synchronized"
    await until(lambda: is_right(camera.control))
    assert len(re.findall("not synchronized", caplog.text)) == 1


async def test_a_clock_is_not_set_from_a_wrong_clock(own_camera: Callable[..., OneCamera], in_process: Start) -> None:
    camera = own_camera(*QUICK)
    make_wrong(camera.control)
    server = await in_process(camera.port, sync_clock=True, clock_trust=lambda: "wrong")
    async with await server.connect() as client:
        with pytest.raises(CommandError, match="Set it first") as error:
            await client.command("sync_clock")
    assert error.value.code == "clock_wrong"
    assert not is_right(camera.control)


async def test_a_clock_that_may_be_wrong_is_a_warning(own_camera: Callable[..., OneCamera], in_process: Start) -> None:
    camera = own_camera(*QUICK)
    for trust, warned in (("unsynchronized", True), ("synchronized", False)):
        server = await in_process(camera.port, clock_trust=lambda trust=trust: trust)
        async with await server.connect() as client:
            assert ("warnings" in await client.command("sync_clock")) == warned
        await server.app.stop()


async def test_a_camera_that_keeps_its_time_is_an_error_and_stays_usable(
    own_camera: Callable[..., OneCamera], in_process: Start, caplog: pytest.LogCaptureFixture
) -> None:
    camera = own_camera(*QUICK)
    make_wrong(camera.control)
    camera.control.veto("datetime")
    server = await in_process(camera.port, sync_clock=True, clock_trust=lambda: "synchronized")
    await until(lambda: "clock not set: The camera kept datetime" in caplog.text)
    async with await server.connect() as client:
        with pytest.raises(CommandError) as error:
            await client.command("sync_clock")
        assert error.value.code == "invalid_value"
        await client.command("capture_image")
    camera.control.veto("datetime", on=False)


async def test_the_setting_is_used(own_camera: Callable[..., OneCamera], new_server: Callable[..., Server]) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, SYNC_CLOCK="open")
    synchronized = system_clock.trust() == "synchronized"
    server.wait_for_log("clock set" if synchronized else "clock not set: the clock of this machine is not synchronized")


def test_a_time_before_this_version_was_written_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 60.0)
    assert system_clock.trust() == "wrong"


def test_a_machine_whose_time_was_set_from_a_time_server_is_synchronized(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system_clock, "_SYNCHRONIZED", tmp_path)
    assert system_clock.trust() == "synchronized"
