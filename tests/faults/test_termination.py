"""SIGTERM: begun work is finished, nothing is begun, and the server is gone within 10 s, 20 s with a camera that hangs."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import auth
from protocol import closing
from server import limits
from simulator.client import Control
from tests.support.rig import Client, CommandError, Server
from tests.support.waiting import BUSY_MACHINE, until

SPARE = 2  # the camera that the shared server does not have
GONE_S, GONE_WITH_A_HUNG_CAMERA_S = 10.0 * BUSY_MACHINE, 20.0 * BUSY_MACHINE
CLOSE, READ_FILE, RELEASE, LIVE_VIEW = "0x1003", "0x1009", "0x9128", "0x9153"


async def ends(server: Server, within: float) -> None:
    """SIGTERM; fails when the server is still there after so many seconds, or leaves a process behind."""
    assert await asyncio.to_thread(server.stop, signal.SIGTERM, within) == 0
    server.wait_for_log("gphoto_ws_server: Stopped")
    assert "Traceback" not in server.log


class Booth:
    """A server with one camera of its own, which is open, and its client."""

    def __init__(self, server: Server, client: Client, port: str, control: Control) -> None:
        self.server, self.client, self.port, self.control = server, client, port, control

    def asked(self, operation: str) -> int:
        """How often the camera was asked for an operation, answered or not."""
        return int(self.control.state(SPARE)["operations"].get(operation, 0))

    async def order(self, command: str, **payload: object) -> None:
        """Send a command and do not wait for its answer."""
        await self.client.socket.send(json.dumps({"command": command, "payload": {"port": self.port, **payload}}))

    async def watch(self) -> None:
        """Start live view and see a frame."""
        await self.client.command("start_live_view", port=self.port)
        await self.client.event("live_view_frame")


@pytest.fixture
async def booth(new_server: Callable[..., Server], simulator: Control, ports: list[str]) -> AsyncIterator[Booth]:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        yield Booth(server, client, ports[SPARE], simulator)


async def test_a_camera_that_does_not_open(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    simulator.fault("init_silent", times=None, camera=SPARE)
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.socket.send(json.dumps({"command": "get_camera_info", "payload": {"port": ports[SPARE]}}))
        await until(lambda: any("camera.device.worker" in child.cmdline() for child in server.children()))
        await ends(server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_live_view_that_the_camera_does_not_answer(booth: Booth) -> None:
    await booth.watch()
    booth.control.fault("silent", LIVE_VIEW, times=None, camera=SPARE)
    before = booth.asked(LIVE_VIEW)
    await until(lambda: booth.asked(LIVE_VIEW) > before)
    await ends(booth.server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_live_view_that_libgphoto2_never_comes_back_from(booth: Booth) -> None:
    await booth.watch()
    booth.control.fault("malformed_live_view", variety="zero_length", times=None, camera=SPARE)
    before = booth.asked(LIVE_VIEW)
    await until(lambda: booth.asked(LIVE_VIEW) > before)
    await ends(booth.server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_a_shot_that_the_camera_does_not_answer(booth: Booth) -> None:
    booth.control.fault("silent", RELEASE, times=None, camera=SPARE)
    await booth.order("capture_image")
    await until(lambda: booth.asked(RELEASE) > 0)
    await ends(booth.server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_a_download_that_stops_in_the_middle(booth: Booth) -> None:
    shot = await booth.client.command("capture_image", port=booth.port)
    before = booth.asked(READ_FILE)
    booth.control.fault("stall_mid_data", READ_FILE, times=None, camera=SPARE)
    await booth.order("download_last_image", camera_filepath=shot["camera_filepath"])
    await until(lambda: booth.asked(READ_FILE) > before)
    await ends(booth.server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_a_camera_that_does_not_answer_its_good_bye(booth: Booth) -> None:
    await booth.watch()
    booth.control.fault("silent", CLOSE, times=None, camera=SPARE)
    await ends(booth.server, GONE_WITH_A_HUNG_CAMERA_S)


async def test_clients_that_do_not_read(booth: Booth) -> None:
    """Two frames and a queue are stuck behind their sockets."""
    host, _, port = booth.server.uri.removeprefix("ws://").partition(":")
    async with AsyncExitStack() as stack:
        for form in ("base64", "binary"):
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            small.connect((host, int(port)))
            stuck = await stack.enter_async_context(
                connect(booth.server.uri, sock=small, max_size=None, close_timeout=0)
            )
            stack.callback(stuck.transport.abort)
            await stuck.send(json.dumps({"token": booth.server.token}))
            await Client(stuck).command("start_live_view", port=booth.port, format=form)
            stuck.transport.pause_reading()
        await booth.watch()
        for _ in range(40):  # by then their sockets are full
            await booth.client.event("live_view_frame")
        await ends(booth.server, GONE_S)


async def test_guesses_that_wait_behind_the_login_brake(booth: Booth) -> None:
    guesses = limits.CONNECTIONS_NOT_LOGGED_IN - 1  # each waits a second for its answer
    address = ("127.77.0.1", 0)
    async with AsyncExitStack() as stack:
        for _ in range(auth.FAILURES_A_MINUTE):
            guesser = await stack.enter_async_context(connect(booth.server.uri, local_addr=address))
            await guesser.send('{"token": "guess"}')
            with suppress(ConnectionClosed):
                while await guesser.recv():
                    pass
        for _ in range(guesses):
            guesser = await stack.enter_async_context(connect(booth.server.uri, local_addr=address, close_timeout=0.2))
            await guesser.send('{"token": "guess"}')
        await booth.client.command("ping")
        await ends(booth.server, GONE_S)


async def test_a_shot_under_way_is_answered_and_no_other_is_begun(booth: Booth) -> None:
    booth.control.fault("late", RELEASE, seconds=0.8, camera=SPARE)
    await booth.order("capture_image")
    await booth.order("capture_image")
    await until(lambda: booth.asked(RELEASE) > 0)
    booth.server.process.send_signal(signal.SIGTERM)
    booth.server.wait_for_log("Stopping")
    await booth.client.socket.send(json.dumps({"command": "list_cameras", "id": "late"}))
    with pytest.raises(CommandError, match="shutting_down") as late:
        await booth.client.reply()
    assert (late.value.reply["id"], late.value.reply["retryable"]) == ("late", True)
    assert (await booth.client.reply())["files"]
    with pytest.raises(CommandError, match="shutting_down"):
        await booth.client.reply()
    with pytest.raises(ConnectionClosed):
        await booth.client.reply()
    assert booth.client.socket.close_code == closing.SHUTTING_DOWN
    assert booth.server.process.wait(GONE_S) == 0
    assert booth.control.state(SPARE)["shots"] == 1
