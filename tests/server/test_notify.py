"""Notifications to the service manager, received on a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.cameras import QUICK, one_camera
from tests.support.rig import REPLY_S, Client, ExecutedServer, Server
from tests.support.waiting import WITHIN_S, until

# The operation that reads a live-view frame from the simulated camera.
LIVE_VIEW = "0x9153"


@pytest.fixture
def server_class() -> type[Server]:
    return ExecutedServer


class Manager:
    """The notification socket of a service manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    async def message_with(self, wanted: str) -> list[str]:
        """Wait for a message with the line `wanted`. Returns the lines of the message.

        If `wanted` ends with "=", the value in the line may be anything.
        """
        async with asyncio.timeout(WITHIN_S):
            while True:
                lines = (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode().split("\n")
                if any(line == wanted or (wanted.endswith("=") and line.startswith(wanted)) for line in lines):
                    return lines

    def unread(self) -> list[str]:
        """All lines that have arrived and have not been read."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify")) as manager:
        yield manager


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract name"])
async def test_the_server_notifies_when_it_listens_and_when_it_stops(
    new_server: Callable[..., Server], tmp_path: Path, abstract: bool
) -> None:
    address = f"@gphoto-ws-server-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with Manager(address) as manager:
        server = new_server(NOTIFY_SOCKET=address)
        await manager.message_with("READY=1")
        async with await Client.connect(server) as client:
            assert (await client.command("ping"))["message"] == "pong"
        assert "STOPPING=1" not in manager.unread()
        assert await asyncio.to_thread(server.stop) == 0
        assert "STOPPING=1" in manager.unread()


async def test_a_server_that_cannot_listen_does_not_notify_ready(
    new_server: Callable[..., Server], manager: Manager
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used_port, pytest.raises(AssertionError, match="in use"):
        new_server(NOTIFY_SOCKET=manager.address, WS_PORT=str(used_port.getsockname()[1]))
    assert "READY=1" not in manager.unread()


async def test_watchdog_notifications_continue_while_a_camera_hangs(
    new_server: Callable[..., Server], manager: Manager
) -> None:
    with one_camera(*QUICK) as camera:
        port = camera.port
        server = new_server(NETWORK_CAMERAS=port, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000")
        async with await Client.connect(server) as client:
            await client.command("get_config", name="iso", port=port)
            camera.control.fault("malformed_live_view", variety="zero_length", times=None)  # libgphoto2 loops endlessly
            await client.socket.send(f'{{"command": "capture_preview", "payload": {{"port": "{port}"}}}}')
            await until(lambda: LIVE_VIEW in camera.control.state()["operations"], REPLY_S)
            worker = next(child for child in server.children() if "camera.device.worker" in child.cmdline())
            manager.unread()
            for _ in range(3):
                await manager.message_with("WATCHDOG=1")
            assert worker.is_running()
        assert await asyncio.to_thread(server.stop) == 0


async def test_the_status_has_the_number_of_cameras_and_clients(
    new_server: Callable[..., Server], manager: Manager
) -> None:
    server = new_server("--simulate", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    async with await Client.connect(server) as client:
        await client.command("list_cameras")
        await manager.message_with("STATUS=cameras: 1, open: 1, clients: 1")
    await manager.message_with("STATUS=cameras: 1, open: 1, clients: 0")
    assert await asyncio.to_thread(server.stop) == 0


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}],
    ids=["no watchdog", "for another process", "zero", "no number"],
)
async def test_without_a_watchdog_there_are_no_watchdog_notifications(
    new_server: Callable[..., Server], manager: Manager, watchdog: dict[str, str]
) -> None:
    server = new_server(NOTIFY_SOCKET=manager.address, **watchdog)
    assert await asyncio.to_thread(server.stop) == 0
    lines = manager.unread()
    assert [line for line in lines if line.startswith("STATUS=")]
    assert "WATCHDOG=1" not in lines


def test_a_missing_service_manager_is_logged_once_and_the_server_continues(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = new_server(NOTIFY_SOCKET=str(tmp_path / "nobody"), WATCHDOG_USEC="20000")
    server.wait_for_log("The service manager could not be notified")
    assert server.stop() == 0
    assert server.log.count("could not be notified") == 1


def test_the_server_continues_if_the_service_manager_does_not_read(
    new_server: Callable[..., Server], manager: Manager
) -> None:
    server = new_server(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="2000")
    server.wait_for_log("The service manager could not be notified")  # logged when the queue of the socket is full
    assert server.stop() == 0


def test_without_a_service_manager_nothing_is_sent(new_server: Callable[..., Server], manager: Manager) -> None:
    server = new_server(WATCHDOG_USEC="20000", LOG_LEVEL="DEBUG")
    assert server.stop() == 0
    assert manager.unread() == []
    assert "service manager" not in server.log
