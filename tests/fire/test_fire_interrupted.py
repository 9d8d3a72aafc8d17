"""No button stays pressed and no camera is released late, whatever happens to the server and its camera processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator

import psutil
import pytest

from tests.fire.rig import IN_MS, Rig, as_new, codes, new_rig, opened
from tests.support.processes import camera_process
from tests.support.rig import Client, Server
from tests.support.waiting import until

# No test waits for this deadline, unless a camera must still be released.
LONG_MS = 10_000


@pytest.fixture(scope="module")
def shared_rig() -> Iterator[Rig]:
    with new_rig() as rig:
        yield rig


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    """The cameras in factory state. Each test has its own server for them."""
    with as_new(shared_rig):
        yield shared_rig


@pytest.fixture
async def armed(new_server: Callable[..., Server], rig: Rig) -> AsyncIterator[tuple[Server, Client]]:
    """A server whose Canons are half pressed and wait for a deadline, and the client that waits for the reply."""
    server = new_server(NETWORK_CAMERAS=rig.setting)
    client = await Client.connect(server, close_timeout=0.2)
    await opened(client, rig)
    fire = {"ports": rig.ports[:2], "in_ms": LONG_MS, "prepare": "half_press"}
    await client.socket.send(json.dumps({"command": "fire", "payload": fire}))
    await until(lambda: rig.pressed()[:2] == [True, True])
    yield server, client
    await client.close()


async def test_after_the_kill_of_a_camera_process_the_next_one_releases_the_button(
    armed: tuple[Server, Client], rig: Rig
) -> None:
    server, client = armed
    (await camera_process(server.process.pid, rig.ports[0])).kill()
    await until(lambda: rig.pressed()[:2] == [False, True])
    reply = await client.reply()
    assert codes(reply) == ["capture_unknown", "ok"]
    assert rig.releases() == [0, 1, 0]
    assert not any(rig.pressed())


async def test_the_end_of_the_server_releases_the_buttons(armed: tuple[Server, Client], rig: Rig) -> None:
    server, _ = armed
    assert await asyncio.to_thread(server.stop) == 0
    assert not any(rig.pressed())
    assert rig.releases() == [0, 0, 0]


async def test_the_kill_of_the_server_releases_the_buttons(armed: tuple[Server, Client], rig: Rig) -> None:
    server, _ = armed
    processes = [await camera_process(server.process.pid, port) for port in rig.ports[:2]]
    await asyncio.to_thread(server.kill)
    await until(lambda: not any(rig.pressed()))
    gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    await until(lambda: all(not one.is_running() or one.status() in gone for one in processes))
    assert rig.releases() == [0, 0, 0]


async def test_after_the_kill_of_all_the_next_server_releases_the_buttons(
    armed: tuple[Server, Client], rig: Rig, new_server: Callable[..., Server]
) -> None:
    server, _ = armed
    for port in rig.ports[:2]:
        (await camera_process(server.process.pid, port)).kill()
    await asyncio.to_thread(server.kill)
    again = new_server(NETWORK_CAMERAS=rig.setting)
    await until(lambda: not any(rig.pressed()))
    async with await Client.connect(again) as client:
        await opened(client, rig)
    assert rig.releases() == [0, 0, 0]


@pytest.mark.parametrize(("released", "expected"), [(1, "capture_unknown"), (2, "ok")])
async def test_a_connection_that_is_lost_after_the_release_does_not_hide_the_shot(
    new_server: Callable[..., Server], rig: Rig, released: int, expected: str
) -> None:
    """The button is released in two parts. Afterwards, no other operation releases it."""
    server = new_server(NETWORK_CAMERAS=rig.setting, RESTART_DELAY="0.3")
    async with await Client.connect(server) as client:
        await opened(client, rig)
        rig.cameras[0].control.fault("drop", "RemoteReleaseOff", after=released)
        reply = await client.command("fire", ports=rig.ports[:1], in_ms=IN_MS, prepare="half_press")
        rig.cameras[0].control.clear()
        assert codes(reply) == [expected]
        assert rig.releases() == [1, 0, 0]
        await until(lambda: not any(rig.pressed()))


async def test_the_others_do_not_wait_for_a_camera_that_is_off(new_server: Callable[..., Server], rig: Rig) -> None:
    server = new_server(NETWORK_CAMERAS=rig.setting)
    async with await Client.connect(server) as client:
        await opened(client, rig)
        rig.cameras[1].control.power(False)
        reply = await client.command("fire", in_ms=IN_MS)
    assert codes(reply)[0::2] == ["ok", "ok"]
    assert codes(reply)[1] in ("camera_disconnected", "capture_unknown", "camera_io", "camera_timeout")
    assert rig.releases() == [1, 0, 1]
