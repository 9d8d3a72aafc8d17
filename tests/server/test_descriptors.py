"""Where descriptors run out: new clients wait, those that are here go on, and the log stays short."""

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

ROOM = 90  # descriptors beyond those that the server has; 64 of them are not for clients
CROWD = 120
FEW = 24  # fewer than the server lets wait before their login
LOOKED_AT_S = 3.0


def silent_connection(server: Server) -> socket.socket:
    """A connection that says nothing, from an address of its own."""
    address = urlsplit(server.uri)
    return socket.create_connection((address.hostname, address.port), source_address=fresh_address())


@contextmanager
def crowd_of(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """As many connections that say nothing."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sockets.append(silent_connection(server))
        yield sockets
    finally:
        for one in sockets:
            one.close()


async def test_at_the_limit_of_descriptors_new_clients_wait_and_get_in_later(
    new_server: Callable[..., Server],
) -> None:
    server = new_server("--simulate")
    process = psutil.Process(server.process.pid)
    async with await logged_in(server) as here:
        await here.command("get_camera_info")
        most = process.num_fds() + ROOM
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
        with crowd_of(server, CROWD):
            await asyncio.to_thread(server.wait_for_log, "New connections have to wait")
            before, began = process.cpu_times(), time.monotonic()
            while time.monotonic() < began + LOOKED_AT_S:
                await still_answers(here)
                await asyncio.sleep(0.2)
            # A camera needs descriptors to be opened again.
            await here.command("restart_camera")
            assert process.num_fds() < most - 16
            used = process.cpu_times()
            assert used.user + used.system - before.user - before.system < LOOKED_AT_S / 2
        async with asyncio.timeout(20), await logged_in(server) as later:
            await still_answers(later)
    await asyncio.to_thread(server.wait_for_log, "Accepting connections again")
    assert server.log.count("New connections have to wait") == 1
    assert "out of system resource" not in server.log
    assert server.stop() == 0


async def test_who_waits_for_a_descriptor_is_not_hung_up_on(new_server: Callable[..., Server]) -> None:
    """Also where the server is shut down while it accepts nobody."""
    server = new_server()
    process = psutil.Process(server.process.pid)
    most = process.num_fds() + FEW
    async with await logged_in(server) as here:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
        with crowd_of(server, FEW) as crowd:
            await asyncio.to_thread(server.wait_for_log, "New connections have to wait")
            began = time.monotonic()
            while time.monotonic() < began + LOOKED_AT_S:
                await still_answers(here)
                await asyncio.sleep(0.2)
            assert [one for one in crowd if select.select([one], [], [], 0)[0]] == []
            assert server.stop() == 0
    assert "Traceback" not in server.log
