"""A TCP listener that owns its connections. After ``stop``, all connections are closed."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_FIXED_PORTS = range(10000, 20000)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Runs ``serve`` for each connection and closes the connection when ``serve`` returns."""

    def __init__(self, serve: Serve, name: str) -> None:
        """``name`` is for the log."""
        self._serve = serve
        self._name = name
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        """Whether it accepts connections."""
        return self._server is not None

    async def start(self, host: str, port: int) -> int:
        """Listen on ``port``; 0 chooses a free port. Returns the port.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        # The port is not from the kernel's range for outgoing connections. Another program could get such a port while
        # the camera is off, and the camera could then not listen again.
        while True:
            candidate = port or random.choice(_FIXED_PORTS)
            try:
                self._server = await asyncio.start_server(self._accept, host, candidate)
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise
            else:
                return candidate

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
            # The kernel accepted this connection just before the listener stopped.
            writer.transport.abort()
            return
        task = asyncio.create_task(self._run(reader, writer))
        self._tasks.add(task)

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            # The connection is aborted here and not in the task, because a task that is cancelled before its first step
            # does not run. After close() there must be no abort(), so that the written data is still sent.
            if not writer.is_closing():
                writer.transport.abort()

        task.add_done_callback(done)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
            writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("%s: peer closed the connection", self._name)
        except Exception:
            log.exception("%s: unexpected error", self._name)
