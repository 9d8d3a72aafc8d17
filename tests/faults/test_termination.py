"""After SIGTERM, the server finishes work in progress and stops within 10 s, or within 20 s if a camera hangs."""

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

SPARE = 2  # the index of a camera that the shared server does not use
STOP_S, STOP_WITH_HUNG_CAMERA_S = 10.0 * BUSY_MACHINE, 20.0 * BUSY_MACHINE
CLOSE, READ_FILE, RELEASE, LIVE_VIEW = "0x1003", "0x1009", "0x9128", "0x9153"


async def stops_on_sigterm(server: Server, within: float) -> None:
    """Send SIGTERM. Fails if the server or one of its processes is still running after `within` seconds."""
    assert await asyncio.to_thread(server.stop, signal.SIGTERM, within) == 0
    server.wait_for_log("gphoto_ws_server: Stopped")
    assert "Traceback" not in server.log


class OpenCamera:
    """A server with one open camera, and a client of the server."""

    def __init__(self, server: Server, client: Client, port: str, control: Control) -> None:
        self.server, self.client, self.port, self.control = server, client, port, control

    def operation_count(self, operation: str) -> int:
        """The number of requests with this operation that the camera has received. Some may still have no response."""
        return int(self.control.state(SPARE)["operations"].get(operation, 0))

    async def send_command(self, command: str, **payload: object) -> None:
        """Send a command without waiting for its reply."""
        await self.client.socket.send(json.dumps({"command": command, "payload": {"port": self.port, **payload}}))

    async def start_live_view(self) -> None:
        """Start live view and wait for a frame."""
        await self.client.command("start_live_view", port=self.port)
        await self.client.event("live_view_frame")


@pytest.fixture
async def open_camera(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> AsyncIterator[OpenCamera]:
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.command("get_config", name="iso", port=ports[SPARE])
        yield OpenCamera(server, client, ports[SPARE], simulator)


async def test_the_server_stops_while_a_camera_does_not_open(
    new_server: Callable[..., Server], simulator: Control, ports: list[str]
) -> None:
    simulator.fault("init_silent", times=None, camera=SPARE)
    server = new_server(NETWORK_CAMERAS=ports[SPARE])
    async with await Client.connect(server, close_timeout=0.2) as client:
        await client.socket.send(json.dumps({"command": "get_camera_info", "payload": {"port": ports[SPARE]}}))
        await until(lambda: any("camera.device.worker" in child.cmdline() for child in server.children()))
        await stops_on_sigterm(server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_while_a_camera_does_not_respond_to_live_view(open_camera: OpenCamera) -> None:
    await open_camera.start_live_view()
    open_camera.control.fault("silent", LIVE_VIEW, times=None, camera=SPARE)
    before = open_camera.operation_count(LIVE_VIEW)
    await until(lambda: open_camera.operation_count(LIVE_VIEW) > before)
    await stops_on_sigterm(open_camera.server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_while_libgphoto2_loops_in_live_view(open_camera: OpenCamera) -> None:
    await open_camera.start_live_view()
    open_camera.control.fault("malformed_live_view", variety="zero_length", times=None, camera=SPARE)
    before = open_camera.operation_count(LIVE_VIEW)
    await until(lambda: open_camera.operation_count(LIVE_VIEW) > before)
    await stops_on_sigterm(open_camera.server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_while_a_camera_does_not_respond_to_a_capture(open_camera: OpenCamera) -> None:
    open_camera.control.fault("silent", RELEASE, times=None, camera=SPARE)
    await open_camera.send_command("capture_image")
    await until(lambda: open_camera.operation_count(RELEASE) > 0)
    await stops_on_sigterm(open_camera.server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_while_a_download_stalls(open_camera: OpenCamera) -> None:
    captured = await open_camera.client.command("capture_image", port=open_camera.port)
    before = open_camera.operation_count(READ_FILE)
    open_camera.control.fault("stall_mid_data", READ_FILE, times=None, camera=SPARE)
    await open_camera.send_command("download_last_image", camera_filepath=captured["camera_filepath"])
    await until(lambda: open_camera.operation_count(READ_FILE) > before)
    await stops_on_sigterm(open_camera.server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_if_a_camera_does_not_respond_to_closing(open_camera: OpenCamera) -> None:
    await open_camera.start_live_view()
    open_camera.control.fault("silent", CLOSE, times=None, camera=SPARE)
    await stops_on_sigterm(open_camera.server, STOP_WITH_HUNG_CAMERA_S)


async def test_the_server_stops_while_clients_do_not_read(open_camera: OpenCamera) -> None:
    """For each of these clients, two frames and some events are waiting to be sent."""
    host, _, port = open_camera.server.uri.removeprefix("ws://").partition(":")
    async with AsyncExitStack() as stack:
        for form in ("base64", "binary"):
            small_buffer = socket.socket()
            small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            small_buffer.connect((host, int(port)))
            stalled = await stack.enter_async_context(
                connect(open_camera.server.uri, sock=small_buffer, max_size=None, close_timeout=0)
            )
            stack.callback(stalled.transport.abort)
            await stalled.send(json.dumps({"token": open_camera.server.token}))
            await Client(stalled).command("start_live_view", port=open_camera.port, format=form)
            stalled.transport.pause_reading()
        await open_camera.start_live_view()
        for _ in range(40):  # during these frames, the sockets of the clients that do not read become full
            await open_camera.client.event("live_view_frame")
        await stops_on_sigterm(open_camera.server, STOP_S)


async def test_the_server_stops_while_replies_to_wrong_tokens_are_delayed(open_camera: OpenCamera) -> None:
    guesses = limits.CONNECTIONS_NOT_LOGGED_IN - 1  # each of these clients must wait a second for its reply
    address = ("127.77.0.1", 0)
    async with AsyncExitStack() as stack:
        for _ in range(auth.FAILURES_A_MINUTE):
            guesser = await stack.enter_async_context(connect(open_camera.server.uri, local_addr=address))
            await guesser.send('{"token": "guess"}')
            with suppress(ConnectionClosed):
                while await guesser.recv():
                    pass
        for _ in range(guesses):
            guesser = await stack.enter_async_context(
                connect(open_camera.server.uri, local_addr=address, close_timeout=0.2)
            )
            await guesser.send('{"token": "guess"}')
        await open_camera.client.command("ping")
        await stops_on_sigterm(open_camera.server, STOP_S)


async def test_a_shot_in_progress_is_answered_and_no_other_is_started(open_camera: OpenCamera) -> None:
    open_camera.control.fault("late", RELEASE, seconds=0.8, camera=SPARE)
    await open_camera.send_command("capture_image")
    await open_camera.send_command("capture_image")
    await until(lambda: open_camera.operation_count(RELEASE) > 0)
    open_camera.server.process.send_signal(signal.SIGTERM)
    open_camera.server.wait_for_log("Stopping")
    await open_camera.client.socket.send(json.dumps({"command": "list_cameras", "id": "late"}))
    with pytest.raises(CommandError, match="shutting_down") as error:
        await open_camera.client.reply()
    assert (error.value.reply["id"], error.value.reply["retryable"]) == ("late", True)
    assert (await open_camera.client.reply())["files"]
    with pytest.raises(CommandError, match="shutting_down"):
        await open_camera.client.reply()
    with pytest.raises(ConnectionClosed):
        await open_camera.client.reply()
    assert open_camera.client.socket.close_code == closing.SHUTTING_DOWN
    assert open_camera.server.process.wait(STOP_S) == 0
    assert open_camera.control.state(SPARE)["shots"] == 1
