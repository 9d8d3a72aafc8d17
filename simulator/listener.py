"""A TCP listener that owns its connections: when it has stopped, none of them is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Runs ``serve`` for each connection, and closes the connection when that returns."""

    def __init__(self, serve: Serve, what: str) -> None:
        """``what`` names the listener in the log."""
        self._serve = serve
        self._what = what
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system picks for ``port`` 0.

        Raises:
            OSError: The address is taken or not ours.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server:
            self._server.close()
            self._server = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server:
            # Accepted by the kernel just before the end.
            writer.transport.abort()
            return
        task = asyncio.create_task(self._run(reader, writer))
        self._tasks.add(task)

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            # Not in the task itself: one that is cancelled before its first step runs nothing. Does nothing after
            # close(): what was written still goes out.
            if not writer.is_closing():
                writer.transport.abort()

        task.add_done_callback(done)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
            writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("%s: the other side hung up", self._what)
        except Exception:
            log.exception("%s: the simulator failed", self._what)
