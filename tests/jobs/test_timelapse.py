"""Time-lapses on simulated cameras: their slots, pauses, ends, and what is refused."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.jobs.orders import at, ended, start
from tests.support.cameras import QUICK, OneCamera
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until, until_answers

# Other tests run at the same time, so the allowed lateness is large.
LATE_MS = 500


async def test_a_timelapse_takes_a_picture_in_each_slot(client: Client, camera: OneCamera) -> None:
    """On a busy machine, a slot may be skipped."""
    job = await start(client, count=4, interval_s=2.0)
    status = await ended(client, job)
    slots = [event for event in client.events if event["event"] == "job_shot"]
    shots = [event for event in slots if event["status"] == "ok"]
    assert {event["status"] for event in slots} <= {"ok", "skipped"}
    assert [n for event in slots for n in range(event["n"], (event["last"] or event["n"]) + 1)] == [0, 1, 2, 3]
    assert (status["shots"], status["skipped"], status["failed"]) == (len(shots), 4 - len(shots), 0)
    assert status["progress"] == 1.0
    released = [release["at"] for release in camera.control.releases()]
    assert len(released) == len(shots) > 0
    first = released[0] - shots[0]["n"] * 2.0
    assert [round((at - first) / 2.0) for at in released] == [event["n"] for event in shots]
    saved = [Path(file["saved_path"]) for event in shots for file in event["files"]]
    assert len({path.read_bytes() for path in saved}) == len(shots)


async def test_a_mirror_that_is_raised_first_has_the_time_that_it_needs(client: Client, camera: OneCamera) -> None:
    nikon = "capturemode" in camera.control.state()["properties"]
    camera.control.set(*(("capturemode", "Mirror Up") if nikon else ("mirrorlock", "1")))
    status = await ended(client, await start(client, count=2, interval_s=6.0))
    reasons = [event.get("message") for event in client.events if event["event"] == "job_shot"]
    assert (status["shots"], status["skipped"], status["failed"]) == (2, 0, 0), reasons


async def test_the_same_key_starts_no_second_job(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=1, interval_s=2.0, key="roof")
    again = await client.command("start_job", kind="timelapse", interval_s=2.0, count=1, key="roof")
    assert (again["job"]["job"], again["repeated"]) == (job, True)
    with pytest.raises(CommandError, match="key_reused"):
        await start(client, count=2, key="roof")
    await ended(client, job)
    assert camera.control.state()["shots"] == 1


async def test_a_job_for_later_waits_until_its_time(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=1, interval_s=4.0, start_at=at(2.0))
    assert (await client.command("get_job", job=job))["job"]["state"] == "scheduled"
    assert camera.control.state()["shots"] == 0
    assert (await ended(client, job))["shots"] == 1


async def test_until_ends_a_job(client: Client, camera: OneCamera) -> None:
    status = await ended(client, await start(client, until=at(2.5)))
    assert 2 <= status["shots"] + status["skipped"] <= 3


async def test_slots_during_a_pause_are_skipped_and_counted(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=8)
    await client.event("job_shot")
    await client.command("pause_job", job=job)
    taken = camera.control.state()["shots"]
    skipped = await client.event(lambda event: event.get("status") == "skipped")
    assert camera.control.state()["shots"] == taken
    await client.command("resume_job", job=job)
    status = await ended(client, job)
    assert skipped["n"] > 0
    assert status["skipped"] >= 1
    assert status["shots"] + status["skipped"] + status["failed"] == 8
    assert status["shots"] == camera.control.state()["shots"]


async def test_after_a_stop_no_picture_is_taken(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=100)
    await client.event("job_shot")
    stopped = await client.command("stop_job", job=job)
    taken = camera.control.state()["shots"]
    assert stopped["job"]["state"] == "stopped"
    assert stopped["job"]["shots"] == taken
    await ended(client, await start(client, count=1, interval_s=2.0))  # more than an interval later
    assert camera.control.state()["shots"] == taken + 1
    with pytest.raises(CommandError, match="job_not_found"):
        await client.command("stop_job", job=job)


async def test_settings_apply_to_each_shot_only(client: Client, camera: OneCamera) -> None:
    await ended(client, await start(client, count=2, interval_s=3.0, settings={"iso": "400"}))
    assert [release["settings"]["iso"] for release in camera.control.releases()] == ["400", "400"]
    assert (await client.command("get_config", name="iso"))["value"] == "100"


async def test_bulb_exposures_in_a_timelapse(client: Client, camera: OneCamera) -> None:
    status = await ended(client, await start(client, count=2, interval_s=2.5, bulb_s=0.3))
    assert status["shots"] == 2
    assert all(0.2 < release["exposed_s"] < 0.8 for release in camera.control.releases())


async def test_a_camera_that_is_away_is_waited_for(client: Client, camera: OneCamera) -> None:
    job = await start(client, interval_s=1.0, count=1000)
    await client.event("job_shot")
    camera.control.power(False)
    await client.event(lambda event: event.get("state") == "waiting")
    camera.control.power(True)
    await client.event(lambda event: event.get("state") == "running")
    await client.event(lambda event: event.get("status") == "ok")
    status = (await client.command("stop_job", job=job))["job"]
    assert status["skipped"] + status["failed"] >= 1


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"count": 1, "until": "2030-01-01T00:00:00Z"}, "invalid_payload"),
        ({}, "invalid_payload"),
        ({"count": 0}, "invalid_payload"),
        ({"count": 1, "interval_s": 0.1}, "invalid_payload"),
        ({"count": 1, "bulb_s": 2.0}, "invalid_payload"),
        ({"until": "2001-01-01T00:00:00Z"}, "invalid_payload"),
        ({"until": "tomorrow"}, "invalid_payload"),
        ({"count": 1, "start_at": "0001-01-01T00:00:00+14:00"}, "invalid_payload"),
        ({"count": 1, "start_at": "9999-12-31T23:59:59Z"}, "invalid_payload"),
        ({"count": 1, "kind": "film"}, "invalid_payload"),
        ({"count": 1, "settings": {"iso": "7"}}, "invalid_value"),
        ({"count": 1, "settings": {"nothing": "7"}}, "config_not_found"),
        ({"count": 1, "port": "usb:009,009"}, "camera_not_found"),
    ],
)
async def test_an_impossible_job_is_refused(client: Client, payload: Json, code: str) -> None:
    with pytest.raises(CommandError) as error:
        await start(client, **payload)
    assert error.value.code == code


async def test_clients_cannot_use_the_keys_of_jobs(client: Client) -> None:
    with pytest.raises(CommandError, match="job/"):
        await client.command("capture_image", key="job/1/0")


async def test_jobs_that_cannot_be_read_end_and_the_others_go_on(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera], tmp_path: Path
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port)
    async with await Client.connect(server) as client:
        await client.info_with_card()
        job = await start(client, count=5, start_at=at(600))
    assert await asyncio.to_thread(server.stop) == 0
    database = sqlite3.connect(tmp_path / "state" / "store.db")
    columns = "request, port, model, serial, state, starts_at, boot, starts_uptime_s, progress, message"
    for request, progress in (('{"kind": "opera"}', "{}"), ("not JSON", "[]")):
        database.execute(
            f"INSERT INTO jobs ({columns}) SELECT ?, port, model, serial, state, starts_at, boot, starts_uptime_s, ?, message"
            " FROM jobs WHERE job = ?",
            (request, progress, job),
        )
    database.commit()
    database.close()
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port))
    async with await Client.connect(server) as client:

        async def read() -> bool:
            jobs = (await client.command("list_jobs"))["jobs"]
            return [one["state"] for one in jobs] == ["failed", "failed", "scheduled"]

        await until_answers(read)
        assert (await client.command("stop_job", job=job))["job"]["state"] == "stopped"


async def test_a_camera_has_one_job(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=100, start_at=at(600))
    with pytest.raises(CommandError) as error:
        await start(client, count=1)
    assert (error.value.code, error.value.details["job"]) == ("camera_in_use_by_job", job)
    with pytest.raises(CommandError, match="job_not_found"):
        await client.command("get_job", job=job + 1000)


async def test_commands_that_would_make_the_next_picture_late_are_refused(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=2, interval_s=3.0, start_at=at(60))
    for name, payload in (
        ("start_movie", {"max_s": 600}),
        ("capture_image", {"bulb_s": 70}),
        ("capture_image", {"settings": {"shutterspeed": "30"}, "key": "first"}),
        ("capture_burst", {"frames": 5, "settings": {"shutterspeed": "30"}}),
        ("fire", {"settings": {"shutterspeed": "30"}, "in_ms": 10_000, "offsets_ms": {camera.port: 10_000.0}}),
    ):
        if name == "capture_image" and "settings" in payload:
            await client.command("stop_job", job=job)
            job = await start(client, count=2, interval_s=3.0, start_at=at(20))
        with pytest.raises(CommandError) as error:
            await client.command(name, **payload)
        details = error.value.details
        assert (error.value.code, details["job"], details["port"]) == ("camera_in_use_by_job", job, camera.port)
        assert datetime.fromisoformat(details["next_at"]) > datetime.now(UTC)
    assert camera.control.state()["shots"] == 0
    await client.command("capture_image")  # fits before the first picture
    await client.command("stop_job", job=job)
    await client.command("capture_image", key="first")  # nothing was recorded for this key
    assert camera.control.state()["shots"] == 2


async def test_force_takes_a_picture_between_any_slots(client: Client, camera: OneCamera) -> None:
    job = await start(client, count=100)
    await client.event("job_shot")
    with pytest.raises(CommandError, match="camera_in_use_by_job"):
        await client.command("half_press", hold_ms=5000)
    await client.command("capture_image", force=True)
    status = (await client.command("stop_job", job=job))["job"]
    assert camera.control.state()["shots"] == status["shots"] + 1


async def test_the_room_for_the_pictures_is_checked_before_the_start(client: Client, camera: OneCamera) -> None:
    await client.command("capture_image")
    reply = await client.command("start_job", kind="timelapse", interval_s=60, count=1_000_000, start_at=at(600))
    await client.command("stop_job", job=reply["job"]["job"])
    assert reply["job"]["disk_free"] > 0
    assert reply["job"]["card_free"] > 0
    assert any(re.search(r"The card has room for about \d+ of 1000000 pictures", one) for one in reply["warnings"])
    reply = await client.command("start_job", kind="timelapse", interval_s=60, count=2, start_at=at(600))
    await client.command("stop_job", job=reply["job"]["job"])
    assert "warnings" not in reply


async def test_a_job_goes_on_after_the_server_was_stopped_or_killed(
    new_server: Callable[..., Server], own_camera: Callable[..., OneCamera]
) -> None:
    camera = own_camera(*QUICK)
    server = new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1")
    async with await Client.connect(server) as client:
        await client.info_with_card()
        await client.command("subscribe", events=["job_shot"])
        job = await start(client, interval_s=1.0, count=12)
        await client.event("job_shot")
    assert await asyncio.to_thread(server.stop) == 0
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1"))
    taken = camera.control.state()["shots"]
    await until(lambda: camera.control.state()["shots"] > taken)
    server.kill()
    server = await asyncio.to_thread(lambda: new_server(NETWORK_CAMERAS=camera.port, WRITE_TIME="1"))
    async with await Client.connect(server) as client:

        async def done() -> bool:
            return str((await client.command("get_job", job=job))["job"]["state"]) == "done"

        await until_answers(done)
        status = (await client.command("get_job", job=job))["job"]
    assert status["shots"] + status["skipped"] + status["failed"] == 12
    assert status["shots"] == camera.control.state()["shots"]
    # Each slot was served at most once: the pictures are a whole number of intervals apart.
    released = [release["at"] for release in camera.control.releases()]
    slots = [round((one - released[0]) / 1.0) for one in released]
    assert len(set(slots)) == len(slots)
