"""The control port: tests use it to operate a camera as a person does, and to arm faults.

The protocol is JSON lines over TCP.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

from .arguments import Arguments
from .camera import Camera
from .commands import COMMANDS, Result
from .dialect import InvalidRequest
from .listener import Listener

log = logging.getLogger(__name__)


class ControlServer:
    """Serves the control port for all cameras of the process."""

    def __init__(self, cameras: Sequence[Camera]) -> None:
        """Control ``cameras``. A request selects a camera by its index."""
        self._cameras = cameras
        self._listener = Listener(self._serve, "control")

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: The address is in use or not an address of this machine.
        """
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Stop listening and close the connections."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
            await writer.drain()

    async def answer(self, line: bytes) -> Result:
        """The reply to one request line."""
        try:
            return {"ok": True} | await self._run(line)
        except InvalidRequest as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:
            log.exception("unexpected error in the request %r", line[:200])
            return {"ok": False, "error": f"internal error: {error!r}; details are in the log of the simulator"}

    async def _run(self, line: bytes) -> Result:
        try:
            request = json.loads(line)
        except ValueError as error:
            raise InvalidRequest('not JSON; allowed: one line such as {"do":"state"}') from error
        if not isinstance(request, dict):
            raise InvalidRequest('not a JSON object; allowed: one line such as {"do":"state"}')
        arguments = Arguments(request)
        command = COMMANDS[arguments.choice("do", list(COMMANDS))]
        index = arguments.whole("camera", default=0)
        if index >= len(self._cameras):
            raise InvalidRequest(f"camera cannot be {index}; allowed: 0 to {len(self._cameras) - 1}")
        arguments.allow_only({"do", "camera", *command.arguments})
        return await command.run(self._cameras[index], arguments)
