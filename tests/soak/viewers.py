"""Live view clients: one with binary frames, one with base64 frames, and a slow one."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from protocol.frames import HEADER
from tests.soak.connection import Connection, ConnectionCut, ErrorReply, Json
from tests.soak.world import Camera, World
from tests.support.marks import decoded

_START_S = 90.0  # the start may wait for a photo and a reconnect of the camera
_RETRY_S = 0.5
_DECODE_EVERY = 50  # only every 50th frame is decoded, to save CPU time


@dataclass(frozen=True)
class ViewerKind:
    """How a viewer reads frames. `reads_every`: the delay of each acknowledgement in seconds."""

    name: str
    options: dict[str, Any]
    reads_every: float = 0.0


VIEWER_KINDS = (
    ViewerKind("binary viewer", {"format": "binary", "fps": 15, "max_in_flight": 2}),
    ViewerKind("base64 viewer", {"fps": 8}),
    ViewerKind("slow viewer", {"format": "binary", "fps": 15, "max_in_flight": 1}, reads_every=1.0),
)


class Viewer:
    """One viewer of one camera. It starts live view again when the stream or the connection ends."""

    def __init__(self, world: World, camera: Camera, kind: ViewerKind) -> None:
        self.name = f"{kind.name} of {camera.name}"
        self._world, self._camera, self._kind = world, camera, kind
        self._frames = 0
        self._acks: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._stream_ended = asyncio.Event()

    async def watch(self) -> None:
        """Receive frames until the run stops."""
        self._camera.last_frame[self.name] = 0.0
        while (connection := await Connection.connect(self._world, self.name)) is not None:
            connection.on_binary, connection.on_event = self._binary, self._event
            try:
                while not connection.ended.is_set() and not self._world.stopping:
                    await self._one_stream(connection)
            finally:
                await connection.close()

    async def _one_stream(self, connection: Connection) -> None:
        self._stream_ended.clear()
        began = time.monotonic()
        try:
            await connection.ask("start_live_view", _START_S, port=self._camera.port, **self._kind.options)
        except ErrorReply as rejected:
            self._world.journal.count("streams refused")
            if self._camera.undisturbed_since(began):
                self._world.journal.violation(f"{self.name} was refused although nothing was wrong: {rejected}")
            await self._world.pause(_RETRY_S)
            return
        except ConnectionCut:
            return
        except TimeoutError:
            self._world.journal.violation(f"{self.name} got no answer to start_live_view in {_START_S:.0f} s")
            return
        while not (connection.ended.is_set() or self._stream_ended.is_set() or self._world.stopping):
            await self._acknowledge(connection)

    async def _acknowledge(self, connection: Connection) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                stream, seq = await self._acks.get()
                with suppress(ConnectionClosed):
                    await connection.send_message({"ack": {"stream": stream, "seq": seq}})

    def _event(self, event: Json) -> None:
        if event["event"] == "live_view_frame":
            self._frame(base64.b64decode(event["image_b64"]))
        elif event["event"] == "live_view_stopped":
            self._world.journal.count("streams ended by the server")
            self._world.journal.note(f"{self.name}: stream ended, {event.get('reason')}")
            self._stream_ended.set()

    def _binary(self, message: bytes) -> None:
        _, _, stream, seq, _ = HEADER.unpack_from(message)
        ack = (stream, seq)
        if self._kind.reads_every:
            asyncio.get_running_loop().call_later(self._kind.reads_every, self._acks.put_nowait, ack)
        else:
            self._acks.put_nowait(ack)
        self._frame(message[HEADER.size :])

    def _frame(self, picture: bytes) -> None:
        self._frames += 1
        self._world.journal.count(f"frames to each {self._kind.name}")
        self._camera.last_frame[self.name] = time.monotonic()
        if self._frames % _DECODE_EVERY == 1:
            try:
                decoded(picture)
            except (OSError, ValueError, SyntaxError) as error:  # Pillow raises these for damaged pictures
                if self._camera.undisturbed_since(time.monotonic()):
                    self._world.journal.violation(f"{self.name} got a damaged frame: {error!r}")
