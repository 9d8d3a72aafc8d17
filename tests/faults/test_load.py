"""A crowd around the server: nobody waits for anybody, nothing stays behind, and who does not read is gone.

`make load` does the same for a minute and prints figures.
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

SPARE = 2  # the camera that the shared server does not have
GONE_S = 20.0 * BUSY_MACHINE
# Of the 30 that are offered; a busy machine is not a fault of the server. `make load` measures the rate.
LEAST_FPS = 1.0
# What a crowd may leave: what the allocator keeps, nothing for each client.
KEPT_BYTES = 12 * 2**20
# A client in a process of its own, for what only the kernel can do to a peer.
WATCHER = """
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
class Watched:
    """The server's process, and what it held before the crowd came."""

    process: psutil.Process
    memory: int
    descriptors: int

    @classmethod
    def of(cls, server: Server) -> Watched:
        """The server as it is now."""
        process = psutil.Process(server.process.pid)
        return cls(process, process.memory_info().rss, process.num_fds())

    async def is_as_before(self) -> None:
        """Fails where something stayed behind."""
        await until(lambda: self.process.num_fds() <= self.descriptors, GONE_S)
        grown = self.process.memory_info().rss - self.memory
        assert grown < KEPT_BYTES, f"{grown / 2**20:.1f} MiB more than before"


@asynccontextmanager
async def a_viewer(server: Server, port: str, seconds: float) -> AsyncIterator[None]:
    """Somebody who watches meanwhile, for at least so long."""
    watching = asyncio.create_task(crowd.watch(server.uri, TOKEN, port, seconds))
    yield
    assert await watching > LEAST_FPS


@pytest.fixture(scope="module")
def warmed(shared_server: Server, shared_cameras: SimulatorProcess) -> Server:
    """The shared server after everything that is loaded only once."""

    async def warm_up() -> None:
        await crowd.come_and_go(shared_server.uri, TOKEN, 50, 2)
        await crowd.watch(shared_server.uri, TOKEN, shared_cameras.cameras[0].address, 0.5)

    asyncio.run(warm_up())
    return shared_server


@pytest.fixture
def warm(warmed: Server, server: Server) -> Server:
    """That server, its cameras in factory state."""
    return server


@pytest.fixture
def stopped_viewer(warm: Server, ports: list[str]) -> Iterator[Callable[[], None]]:
    """A viewer in a process of its own; call it to stop it as it is."""
    command = [sys.executable, "-c", WATCHER, warm.uri, TOKEN, ports[0]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as viewer:

        def stop() -> None:
            assert viewer.stdout is not None
            assert b"ok" in viewer.stdout.readline()
            viewer.send_signal(signal.SIGSTOP)

        yield stop
        viewer.kill()


def _start(port: str, form: str = "base64") -> str:
    return json.dumps({"command": "start_live_view", "payload": {"port": port, "format": form}})


async def test_connects_and_disconnects_at_50_a_second_leave_nothing(warm: Server, ports: list[str]) -> None:
    watched = Watched.of(warm)
    async with a_viewer(warm, ports[0], 7):
        visits = await crowd.come_and_go(warm.uri, TOKEN, 50, 7)
    assert (visits.answered + visits.refused, visits.broken) == (350, [])
    # On a busy machine logins pile up, and some are asked to come again; `make load` wants all.
    assert visits.answered > 0
    await watched.is_as_before()


async def test_64_clients_at_once_all_see_the_camera(warm: Server, ports: list[str]) -> None:
    watched = Watched.of(warm)
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(await crowd.log_in(warm.uri, TOKEN)) for _ in range(limits.CONNECTIONS)
        ]
        for socket in sockets:
            await socket.send(_start(ports[0], "binary"))
        for socket in sockets:
            async with asyncio.timeout(WITHIN_S):
                assert json.loads(await socket.recv())["status"] == "ok"
                for _ in range(10):
                    assert isinstance(await socket.recv(), bytes)
    await watched.is_as_before()


async def test_messages_of_the_largest_size_at_a_high_rate_hold_nobody_up(warm: Server, ports: list[str]) -> None:
    watched = Watched.of(warm)
    async with a_viewer(warm, ports[0], 5), asyncio.TaskGroup() as group:
        pings = group.create_task(crowd.shout(warm.uri, TOKEN, 4, largest("ping"), 300))
        for message in (largest("x" * 60_000), '{"ack": {"stream": 1, "seq": 1}}'.ljust(limits.MESSAGE_BYTES)):
            group.create_task(crowd.shout(warm.uri, TOKEN, 4, message, 300))
    assert set(pings.result()) <= {4429}
    await watched.is_as_before()


async def test_logins_that_never_come_keep_nobody_out(warm: Server, ports: list[str]) -> None:
    watched = Watched.of(warm)
    async with a_viewer(warm, ports[0], 5), asyncio.TaskGroup() as group:
        for _ in range(2 * limits.CONNECTIONS_NOT_LOGGED_IN):
            group.create_task(crowd.keep_silent(warm.uri, 5))
        visits = await crowd.come_and_go(warm.uri, TOKEN, 20, 4)
        assert (visits.answered + visits.refused, visits.broken) == (80, [])
        assert visits.answered > 0
    await watched.is_as_before()


async def test_who_does_not_read_is_gone_within_20_s_and_costs_a_bounded_memory(
    warm: Server, ports: list[str], simulator: Control, stopped_viewer: Callable[[], None]
) -> None:
    watched = Watched.of(warm)
    await asyncio.to_thread(stopped_viewer)
    whole = json.dumps({"command": "get_config", "id": 1, "payload": {"port": ports[1]}})
    async with AsyncExitStack() as stack:
        for messages in (
            [],  # an idle peer that is dead: pings alone find it
            [_start(ports[0])],
            [_start(ports[0], "binary"), _start(ports[1], "binary")],
            ['{"command": "subscribe", "payload": {"events": ["*"]}}', *[largest("x" * 60_000)] * 190],
            [largest("x" * 60_000)] * 190,
            [whole] * 30,
        ):
            await stack.enter_async_context(crowd.deaf(warm.uri, TOKEN, *messages))
        async with a_viewer(warm, ports[0], 3), await Client.connect(warm) as other:
            await other.command("ping")
        grown = watched.process.memory_info().rss - watched.memory
        assert grown < KEPT_BYTES, f"{grown / 2**20:.1f} MiB for seven clients"
        # While their processes live and their sockets are open: only the server can end this.
        await until(lambda: watched.process.num_fds() <= watched.descriptors, GONE_S)
    await watched.is_as_before()


async def test_who_reads_slowly_and_does_not_stop_is_served_to_the_end(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr(limits, "READ_STALL_SECONDS", 1)
    running = await in_process(ports[SPARE])
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    small.connect(("127.0.0.1", urlsplit(running.uri).port))
    async with connect(running.uri, sock=small, max_size=None, max_queue=1) as slow:
        await slow.send(json.dumps({"token": TOKEN}))
        await slow.send('{"command": "capture_image"}')
        assert json.loads(await slow.recv())["status"] == "ok"
        downloads = 6
        for _ in range(downloads):
            await slow.send('{"command": "download_last_image", "payload": {"transfer": "binary"}}')
        began, complete = time.monotonic(), 0
        while complete < downloads:
            message = await slow.recv()
            if isinstance(message, bytes):
                await asyncio.sleep(0.1)  # its pace
            else:
                complete += json.loads(message).get("event") == "transfer_complete"
        assert time.monotonic() - began > 3 * limits.READ_STALL_SECONDS


async def test_a_page_that_the_camera_holds_up_is_504_and_the_server_goes_on(
    in_process: Callable[..., Awaitable[InProcess]],
    monkeypatch: pytest.MonkeyPatch,
    simulator: Control,
    ports: list[str],
) -> None:
    monkeypatch.setattr("server.http._ANSWER_S", 0.5)
    running = await in_process(ports[SPARE])
    async with await running.connect() as client:
        await client.command("capture_preview")
        simulator.fault("late", "0x9128", seconds=2, camera=SPARE)
        await client.socket.send('{"command": "capture_image"}')
        await until(lambda: simulator.state(SPARE)["operations"].get("0x9128", 0) > 0)
        status, told = await asyncio.to_thread(_restart, running.uri)
        assert (status, told["code"], told["retryable"]) == (504, "camera_timeout", True)
        assert (await client.reply())["message"] == "Image captured successfully"


def _restart(uri: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(urlsplit(uri).netloc, timeout=WITHIN_S)
    try:
        connection.request("POST", "/camera/restart", headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        told = json.loads(response.read())
        assert isinstance(told, dict)
        return response.status, told
    finally:
        connection.close()
