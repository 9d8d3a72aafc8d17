"""A camera is released by a wire: its files are those of the shot, and no contact stays closed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fire.chip import HALF_PRESS, RELEASE, python_with_chip
from tests.fire.rig import IN_MS, Rig, as_new, codes, new_rig, opened
from tests.support.processes import camera_process
from tests.support.rig import ROOT, Client, Json, Server
from tests.support.waiting import until, until_answers

CHIP = "gpiochip7"
WIRE = f"LEFT0000001:{CHIP}/{RELEASE}/{HALF_PRESS}"
OPEN, HALF, CLOSED = "17 INACTIVE, 27 INACTIVE", "17 INACTIVE, 27 ACTIVE", "17 ACTIVE, 27 ACTIVE"


@pytest.fixture(scope="module")
def shared_rig() -> Iterator[Rig]:
    with new_rig() as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    with as_new(shared_rig):
        yield shared_rig


@pytest.fixture
def wired(rig: Rig, tmp_path: Path) -> Iterator[Server]:
    """A server with a wire to the first camera."""
    python = python_with_chip(tmp_path / "python", f"/dev/{CHIP}", rig.cameras[0].process.control)
    server = Server(cwd=tmp_path, python=python, NETWORK_CAMERAS=rig.setting, SHUTTER_LINES=WIRE, PYTHONPATH=str(ROOT))
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


def contacts(server: Server) -> list[str]:
    """The states of the lines, one after the other."""
    return re.findall(r"lines: (.*)", server.log)


async def fire(client: Client, rig: Rig, **payload: Any) -> Json:
    await opened(client, rig)
    return await client.command("fire", in_ms=IN_MS, **payload)


async def test_a_wire_releases_the_camera_and_its_files_belong_to_the_shot(wired: Server, rig: Rig) -> None:
    async with await Client.connect(wired) as client:
        reply = await fire(client, rig, save=True)
    assert codes(reply) == ["ok", "ok", "ok"]
    (release,) = rig.cameras[0].control.releases()
    (file,) = reply["cameras"][0]["files"]
    assert (release["button"], file["camera_filepath"]) == (True, release["files"][0]["path"])
    assert Path(file["saved_path"]).stat().st_size == file["size"]
    assert 0 <= reply["cameras"][0]["accepted_ms"] - reply["cameras"][0]["commanded_ms"] < 100
    assert contacts(wired) == [OPEN, CLOSED, OPEN]
    assert rig.releases() == [1, 1, 1]


async def test_a_second_line_half_presses_the_button(wired: Server, rig: Rig) -> None:
    async with await Client.connect(wired) as client:
        reply = await fire(client, rig, ports=rig.ports[:2], prepare="half_press")
    assert codes(reply) == ["ok", "ok"]
    assert contacts(wired) == [OPEN, HALF, CLOSED, OPEN]


async def test_after_the_kill_of_a_camera_process_the_contacts_are_open(wired: Server, rig: Rig) -> None:
    async with await Client.connect(wired) as client:
        await opened(client, rig)
        payload = {"ports": rig.ports[:1], "in_ms": 10_000, "prepare": "half_press"}
        await client.socket.send(json.dumps({"command": "fire", "payload": payload}))
        await until(lambda: contacts(wired) == [OPEN, HALF])
        (await camera_process(wired.process.pid, rig.ports[0])).kill()
        assert codes(await client.reply()) == ["capture_unknown"]
        await until(lambda: contacts(wired) == [OPEN, HALF, OPEN])
    assert rig.releases() == [0, 0, 0]


async def test_without_a_chip_the_camera_is_not_released(new_server: Callable[..., Server], rig: Rig) -> None:
    server = new_server(NETWORK_CAMERAS=rig.setting, SHUTTER_LINES=f"LEFT0000001:gpiochip99/{RELEASE}")
    assert "/dev/gpiochip99" in server.wait_for_log("of SHUTTER_LINES")  # also if no camera is there
    async with await Client.connect(server) as client:
        await opened(client, rig)

        async def warned() -> bool:
            info = await client.command("get_camera_info", port=rig.ports[0])
            return any("gpiochip99/17" in warning for warning in info.get("warnings", ()))

        await until_answers(warned)
        assert not (await client.command("get_camera_info", port=rig.ports[1])).get("warnings")
        assert codes(await fire(client, rig)) == ["camera_error", "ok", "ok"]
        reply = await fire(client, rig, ports=rig.ports[:1], prepare="half_press")
        assert codes(reply) == ["not_supported"]  # there is no line for it
        assert not any(rig.pressed())
        await client.command("capture_image", port=rig.ports[0])  # needs no wire
    assert "gpiochip99/17" in server.wait_for_log("wire to the camera")
    assert rig.releases() == [1, 1, 1]
