"""Many clients: no client delays another, no resource leaks, and clients that do not read are disconnected.

`make load` runs the same load for a minute and prints figures.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.asyncio.client import connect

from benchmarks import crowd
from benchmarks.load import largest
from server import limits
from simulator.client import Control
from simulator.process import SimulatorProcess
from tests.support.in_process import InProcess
from tests.support.rig import ROOT, TOKEN, Client, Server
from tests.support.waiting import BUSY_MACHINE, WITHIN_S, until

SPARE = 2  # the index of a camera that the shared server does not use
DISCONNECT_S = 20.0 * BUSY_MACHINE
# The lowest accepted frame rate. The camera sends 30 frames per second, but the machine may be busy. `make load` measures
# the exact rate.
MIN_FPS = 1.0
# Memory that may remain in use after the load: the allocator keeps some memory, independent of the number of clients.
MAX_GROWTH_BYTES = 12 * 2**20
# A client in a separate process, which can be stopped with SIGSTOP.
VIEWER = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], max_size=None) as socket:
    socket.send(json.dumps({"token": sys.argv[2]}))
    socket.send(json.dumps({"command": "start_live_view", "payload": {"port": sys.argv[3]}}))
    print(socket.recv(), flush=True)
    while True:
        socket.recv()
"""


@dataclass
class Usage:
    """The memory in bytes and the number of descriptors that the server's process used before the load."""

    process: psutil.Process
    memory: int
    descriptors: int

    @classmethod
    def of(cls, server: Server) -> Usage:
        """The current usage."""
        process = psutil.Process(server.process.pid)
        return cls(process, process.memory_info().rss, process.num_fds())

    async def has_not_grown(self) -> None:
        """Check that all descriptors of the load are closed, and that memory has not grown by more than the limit."""
        await until(lambda: self.process.num_fds() <= self.descriptors, DISCONNECT_S)
        growth = self.process.memory_info().rss - self.memory
        assert growth < MAX_GROWTH_BYTES, f"{growth / 2**20:.1f} MiB more than before"


@asynccontextmanager
async def viewer_during(server: Server, port: str, seconds: float) -> AsyncIterator[None]:
    """Watch live view for at least `seconds` while the test runs. Fails if the frame rate is not above MIN_FPS."""
    watching = asyncio.create_task(crowd.watch(server.uri, TOKEN, port, seconds))
    yield
    assert await watching > MIN_FPS


@pytest.fixture(scope="module")
def warmed_up_server(shared_server: Server, shared_cameras: SimulatorProcess) -> Server:
    """The shared server, after some load. Its modules and caches are loaded, so that they are not counted as growth."""

    async def warm_up() -> None:
        await crowd.come_and_go(shared_server.uri, TOKEN, 50, 2)
        await crowd.watch(shared_server.uri, TOKEN, shared_cameras.cameras[0].address, 0.5)

    asyncio.run(warm_up())
    return shared_server


@pytest.fixture
def warm_server(warmed_up_server: Server, server: Server) -> Server:
    """The warmed-up server, with its cameras in factory state."""
    return server


@pytest.fixture
def stopped_viewer(warm_server: Server, ports: list[str]) -> Iterator[Callable[[], None]]:
    """A function that stops the process of a viewer with SIGSTOP."""
    command = [sys.executable, "-c", VIEWER, warm_server.uri, TOKEN, ports[0]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as viewer:

        def stop() -> None:
            assert viewer.stdout is not None
            assert b"ok" in viewer.stdout.readline()
            viewer.send_signal(signal.SIGSTOP)

        yield stop
        viewer.kill()


def _start(port: str, form: str = "base64") -> str:
    return json.dumps({"command": "start_live_view", "payload": {"port": port, "format": form}})


async def test_50_connections_per_second_leak_nothing(warm_server: Server, ports: list[str]) -> None:
    usage = Usage.of(warm_server)
    async with viewer_during(warm_server, ports[0], 7):
        visits = await crowd.come_and_go(warm_server.uri, TOKEN, 50, 7)
    assert (visits.answered + visits.refused, visits.broken) == (350, [])
    # On a busy machine, the server may reject some logins. `make load` requires that all logins succeed.
    assert visits.answered > 0
    await usage.has_not_grown()


async def test_64_simultaneous_viewers_all_get_frames(warm_server: Server, ports: list[str]) -> None:
    usage = Usage.of(warm_server)
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(await crowd.log_in(warm_server.uri, TOKEN))
            for _ in range(limits.CONNECTIONS)
        ]
        for socket in sockets:
            await socket.send(_start(ports[0], "binary"))
        for socket in sockets:
            async with asyncio.timeout(WITHIN_S):
                assert json.loads(await socket.recv())["status"] == "ok"
                for _ in range(10):
                    assert isinstance(await socket.recv(), bytes)
    await usage.has_not_grown()


async def test_a_high_rate_of_largest_messages_does_not_delay_other_clients(
    warm_server: Server, ports: list[str]
) -> None:
    usage = Usage.of(warm_server)
    async with viewer_during(warm_server, ports[0], 5), asyncio.TaskGroup() as group:
        pings = group.create_task(crowd.shout(warm_server.uri, TOKEN, 4, largest("ping"), 300))
        for message in (largest("x" * 60_000), '{"ack": {"stream": 1, "seq": 1}}'.ljust(limits.MESSAGE_BYTES)):
            group.create_task(crowd.shout(warm_server.uri, TOKEN, 4, message, 300))
    assert set(pings.result()) <= {4429}
    await usage.has_not_grown()


async def test_connections_without_login_do_not_block_other_clients(warm_server: Server, ports: list[str]) -> None:
    usage = Usage.of(warm_server)
    async with viewer_during(warm_server, ports[0], 5), asyncio.TaskGroup() as group:
        for _ in range(2 * limits.CONNECTIONS_NOT_LOGGED_IN):
            group.create_task(crowd.keep_silent(warm_server.uri, 5))
        visits = await crowd.come_and_go(warm_server.uri, TOKEN, 20, 4)
        assert (visits.answered + visits.refused, visits.broken) == (80, [])
        assert visits.answered > 0
    await usage.has_not_grown()


async def test_a_client_that_does_not_read_is_disconnected_within_20_s_with_bounded_memory(
    warm_server: Server, ports: list[str], simulator: Control, stopped_viewer: Callable[[], None]
) -> None:
    usage = Usage.of(warm_server)
    await asyncio.to_thread(stopped_viewer)
    all_settings = json.dumps({"command": "get_config", "id": 1, "payload": {"port": ports[1]}})
    async with AsyncExitStack() as stack:
        for messages in (
            [],  # an idle client, detected only by pings
            [_start(ports[0])],
            [_start(ports[0], "binary"), _start(ports[1], "binary")],
            ['{"command": "subscribe", "payload": {"events": ["*"]}}', *[largest("x" * 60_000)] * 190],
            [largest("x" * 60_000)] * 190,
            [all_settings] * 30,
        ):
            await stack.enter_async_context(crowd.deaf(warm_server.uri, TOKEN, *messages))
        async with viewer_during(warm_server, ports[0], 3), await Client.connect(warm_server) as other_client:
            await other_client.command("ping")
        growth = usage.process.memory_info().rss - usage.memory
        assert growth < MAX_GROWTH_BYTES, f"{growth / 2**20:.1f} MiB for seven clients"
        # The clients exist until here and have not closed their sockets, so the server must have disconnected them.
        await until(lambda: usage.process.num_fds() <= usage.descriptors, DISCONNECT_S)
    await usage.has_not_grown()


async def test_a_slow_reader_gets_all_its_downloads(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(limits, "READ_STALL_SECONDS", 1)
    server = await in_process(ports[SPARE])
    small_buffer = socket.socket()
    small_buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small_buffer.connect(("127.0.0.1", urlsplit(server.uri).port))
    async with connect(server.uri, sock=small_buffer, max_size=None, max_queue=1) as connection:
        await connection.send(json.dumps({"token": TOKEN}))
        await connection.send('{"command": "capture_image"}')
        assert json.loads(await connection.recv())["status"] == "ok"
        downloads = 6
        for _ in range(downloads):
            await connection.send('{"command": "download_last_image", "payload": {"transfer": "binary"}}')
        start, complete = time.monotonic(), 0
        while complete < downloads:
            message = await connection.recv()
            if isinstance(message, bytes):
                await asyncio.sleep(0.1)  # this pause makes the reader slow
            else:
                complete += json.loads(message).get("event") == "transfer_complete"
        assert time.monotonic() - start > 3 * limits.READ_STALL_SECONDS


async def test_an_http_request_to_a_busy_camera_gets_504_after_a_timeout(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("server.http._ANSWER_S", 0.5)
    server = await in_process(ports[SPARE])
    async with await server.connect() as client:
        await client.command("capture_preview")
        simulator.fault("late", "0x9128", seconds=2, camera=SPARE)
        await client.socket.send('{"command": "capture_image"}')
        await until(lambda: simulator.state(SPARE)["operations"].get("0x9128", 0) > 0)
        status, body = await asyncio.to_thread(_restart, server.uri)
        assert (status, body["code"], body["retryable"]) == (504, "camera_timeout", True)
        assert (await client.reply())["message"] == "Image captured successfully"


def _restart(uri: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(urlsplit(uri).netloc, timeout=WITHIN_S)
    try:
        connection.request("POST", "/camera/restart", headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        body = json.loads(response.read())
        assert isinstance(body, dict)
        return response.status, body
    finally:
        connection.close()
