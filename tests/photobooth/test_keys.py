"""A capture with a key can be requested again without a second shot.

If a client disconnects, those of its captures that have no key and have not started are cancelled.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from simulator.client import Control
from tests.support.rig import Client, CommandError, Json, Server
from tests.support.waiting import until, until_answers

CAPTURE, FULL_PRESS = "0x9128", 1


def without_picture(reply: Json) -> Json:
    return {key: value for key, value in reply.items() if key not in ("repeated", "image_b64")}


async def test_a_repeated_request_gets_the_reply_of_the_first(booth_client: Client, camera: Control) -> None:
    order: Json = {"key": "guest-17", "settings": {"iso": "800"}, "save": True, "download": "full"}
    first = await booth_client.command("capture_image", **order)
    again = await booth_client.command("capture_image", **order)
    assert ("repeated" in first, again["repeated"]) == (False, True)
    assert without_picture(again) == without_picture(first)
    assert again["image_b64"] == first["image_b64"]
    assert camera.state()["shots"] == 1
    other = await booth_client.command("capture_image", **order | {"key": "guest-18"})
    assert (other["shot"], camera.state()["shots"]) == (first["shot"] + 1, 2)


async def test_two_clients_with_one_key_get_the_same_picture(new_booth: Callable[..., Server], camera: Control) -> None:
    server = new_booth()
    async with await Client.connect(server) as one, await Client.connect(server) as other:
        replies = await asyncio.gather(
            *(client.command("capture_image", key="both", download="full") for client in (one, other))
        )
    assert camera.state()["shots"] == 1
    assert sorted("repeated" in reply for reply in replies) == [False, True]
    assert replies[0]["image_b64"] == replies[1]["image_b64"]


async def test_a_key_belongs_to_one_request(booth_client: Client, camera: Control) -> None:
    await booth_client.command("capture_image", key="guest-17")
    with pytest.raises(CommandError) as rejected:
        await booth_client.command("capture_image", key="guest-17", save=True)
    assert (rejected.value.code, rejected.value.details["key"]) == ("key_reused", "guest-17")
    assert camera.state()["shots"] == 1


async def test_the_outcome_is_known_after_a_restart(new_booth: Callable[..., Server], camera: Control) -> None:
    server = new_booth()
    async with await Client.connect(server) as guest:
        first = await guest.command("capture_image", key="guest-17", save=True)
    assert server.stop() == 0
    async with await Client.connect(new_booth()) as guest:
        again = await guest.command("capture_image", key="guest-17", save=True)
        assert without_picture(again) == without_picture(first)
        assert (await guest.command("get_shot", shot=first["shot"]))["outcome"] == "done"
    assert camera.state()["shots"] == 1


async def test_a_shot_of_a_killed_server_is_found_by_its_key(new_booth: Callable[..., Server], camera: Control) -> None:
    server = new_booth()
    async with await Client.connect(server) as guest:
        await guest.info_with_card()
        camera.fault("late", CAPTURE, after=FULL_PRESS, seconds=5)
        shot = asyncio.create_task(guest.command("capture_image", key="guest-17"))
        await until(lambda: camera.state()["shots"] == 1)
        server.kill()
        with suppress(ConnectionClosed):
            await shot
    async with await Client.connect(new_booth()) as guest:
        again = await guest.command("capture_image", key="guest-17")
        assert again["repeated"] is True
        (path,) = camera.state()["files"]
        assert again["camera_filepath"] == path["path"]
        assert camera.state()["shots"] == 1


async def test_a_shot_that_failed_fails_again_with_the_same_key(booth_client: Client, camera: Control) -> None:
    camera.fault("focus_failed", times=None)
    for _ in range(2):
        with pytest.raises(CommandError) as failed:
            await booth_client.command("capture_image", key="guest-17")
        assert failed.value.code == "camera_busy"
        camera.clear()
    assert "new key" in str(failed.value)
    assert camera.state()["shots"] == 0
    assert await booth_client.command("capture_image", key="guest-18")


async def test_the_last_shots_are_listed(booth_client: Client, camera: Control) -> None:
    before = (await booth_client.command("server_info"))["time"]
    shots = [await booth_client.command("capture_image", key=f"guest-{number}") for number in range(3)]
    listed = (await booth_client.command("list_shots", limit=2))["shots"]
    assert [shot["shot"] for shot in listed] == [shots[2]["shot"], shots[1]["shot"]]
    assert (listed[0]["key"], listed[0]["outcome"], listed[0]["state"]) == ("guest-2", "done", "closed")
    assert listed[0]["files"][0]["camera_filepath"] == shots[2]["camera_filepath"]
    assert len((await booth_client.command("list_shots", since=before))["shots"]) == 3
    assert (await booth_client.command("list_shots", since="2999-01-01T00:00:00Z"))["shots"] == []
    with pytest.raises(CommandError, match="such as 2030"):
        await booth_client.command("list_shots", since="yesterday")
    with pytest.raises(CommandError) as unknown:
        await booth_client.command("get_shot", shot=10**9)
    assert unknown.value.code == "shot_not_found"


@pytest.mark.parametrize(("keys", "most"), [(False, 2), (True, 6)])
async def test_captures_that_have_not_started_end_with_their_client_unless_they_have_a_key(
    new_booth: Callable[..., Server], camera: Control, keys: bool, most: int
) -> None:
    server = new_booth()
    async with await Client.connect(server) as guest:
        await guest.command("get_config", name="iso")
        for number in range(6):
            payload = {"key": f"guest-{number}"} if keys else {}
            await guest.socket.send(json.dumps({"command": "capture_image", "payload": payload, "id": number}))
        await until(lambda: camera.state()["shots"] >= 1)
    async with await Client.connect(server) as other:
        shots = [shot["outcome"] for shot in (await other.command("list_shots"))["shots"]]
        await other.command("capture_image")  # waits for all captures in the queue
    taken = camera.state()["shots"] - 1
    assert 1 <= taken <= most
    assert taken == most or not keys
    assert len(shots) <= taken


async def test_without_a_database_keys_work_until_the_server_ends(
    new_booth: Callable[..., Server], camera: Control, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    async with await Client.connect(new_booth(STATE_DIR=str(tmp_path / "file"))) as guest:
        first = await guest.command("capture_image", key="guest-17")
        assert (await guest.command("capture_image", key="guest-17"))["shot"] == first["shot"]
    assert camera.state()["shots"] == 1


async def test_the_picture_of_a_repeated_request_is_that_of_its_own_camera(
    new_server: Callable[..., Server], pair: list[str]
) -> None:
    server = new_server(NETWORK_CAMERAS=",".join(pair))
    order: Json = {"key": "guest-17", "download": "full"}
    async with await Client.connect(server) as booth:
        await booth.command("select_camera", port=pair[1])
        first = await booth.command("capture_image", **order)
    async with await Client.connect(server) as booth:
        assert await booth.command("capture_image", **order | {"key": "other"}, port=pair[0])
        await booth.command("select_camera", port=pair[0])
        assert (await booth.command("capture_image", **order))["image_b64"] == first["image_b64"]
    async with await Client.connect(server) as booth:  # this client has not selected a camera
        assert (await booth.command("capture_image", **order))["image_b64"] == first["image_b64"]


async def test_an_order_that_cannot_be_recorded_is_not_done(
    new_booth: Callable[..., Server], camera: Control, tmp_path: Path
) -> None:
    server = new_booth()
    async with await Client.connect(server) as booth:
        await booth.command("capture_image", key="guest-17")
        other = sqlite3.connect(tmp_path / "state" / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # now the server cannot write to the database
        with pytest.raises(CommandError) as rejected:
            await booth.command("capture_image", key="guest-18")
        assert rejected.value.code == "not_recorded"
        assert camera.state()["shots"] == 1
        assert await booth.command("capture_image")  # without a key, the record is not necessary
        other.execute("ROLLBACK")
        other.close()

        async def recorded() -> bool:
            with suppress(CommandError):
                return "shot" in await booth.command("capture_image", key="guest-18")
            return False

        await until_answers(recorded)
