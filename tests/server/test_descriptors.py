"""If all file descriptors are used, new clients wait, connected clients continue, and few log lines are written."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil

from tests.support.rig import Server
from tests.support.wire import fresh_address, logged_in, still_answers

FREE_DESCRIPTORS = 90  # the number of descriptors that the server may still open; it reserves 64 of them
MANY = 120
FEW = 24  # below the limit for connections without a login
OBSERVED_S = 3.0


def silent_connection(server: Server) -> socket.socket:
    """A connection from a new address. It sends nothing."""
    address = urlsplit(server.uri)
    return socket.create_connection((address.hostname, address.port), source_address=fresh_address())


@contextmanager
def silent_connections(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """`count` connections that send nothing."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sockets.append(silent_connection(server))
        yield sockets
    finally:
        for connection in sockets:
            connection.close()


async def test_at_the_descriptor_limit_new_clients_wait_and_are_accepted_later(
    new_server: Callable[..., Server],
) -> None:
    server = new_server("--simulate")
    process = psutil.Process(server.process.pid)
    async with await logged_in(server) as client:
        await client.command("get_camera_info")
        limit = process.num_fds() + FREE_DESCRIPTORS
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        with silent_connections(server, MANY):
            await asyncio.to_thread(server.wait_for_log, "New connections have to wait")
            cpu_before, start = process.cpu_times(), time.monotonic()
            while time.monotonic() < start + OBSERVED_S:
                await still_answers(client)
                await asyncio.sleep(0.2)
            # The restart needs descriptors to open the camera again.
            await client.command("restart_camera")
            assert process.num_fds() < limit - 16
            cpu_after = process.cpu_times()
            assert cpu_after.user + cpu_after.system - cpu_before.user - cpu_before.system < OBSERVED_S / 2
        async with asyncio.timeout(20), await logged_in(server) as late_client:
            await still_answers(late_client)
    await asyncio.to_thread(server.wait_for_log, "Accepting connections again")
    assert server.log.count("New connections have to wait") == 1
    assert "out of system resource" not in server.log
    assert server.stop() == 0


async def test_connections_that_wait_for_a_descriptor_are_not_closed(new_server: Callable[..., Server]) -> None:
    """The test also stops the server while the server accepts no connections."""
    server = new_server()
    process = psutil.Process(server.process.pid)
    limit = process.num_fds() + FEW
    async with await logged_in(server) as client:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        with silent_connections(server, FEW) as connections:
            await asyncio.to_thread(server.wait_for_log, "New connections have to wait")
            start = time.monotonic()
            while time.monotonic() < start + OBSERVED_S:
                await still_answers(client)
                await asyncio.sleep(0.2)
            assert [connection for connection in connections if select.select([connection], [], [], 0)[0]] == []
            assert server.stop() == 0
    assert "Traceback" not in server.log
