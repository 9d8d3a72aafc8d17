"""Those who watch: with acknowledgements in binary, in base64, and one who reads little."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from protocol.frames import HEADER
from tests.soak.line import Cut, Json, Line, Refused
from tests.soak.world import Camera, World
from tests.support.marks import decoded

_START_S = 90.0  # behind a photo and a camera that is opened again
_AGAIN_S = 0.5
_DECODE_EVERY = 50  # to look at every pixel of every frame would be a test of this machine


@dataclass(frozen=True)
class Habit:
    """How somebody watches. `reads_every`: seconds between two frames that are taken, 0: as they come."""

    name: str
    options: dict[str, Any]
    reads_every: float = 0.0


HABITS = (
    Habit("binary viewer", {"format": "binary", "fps": 15, "max_in_flight": 2}),
    Habit("base64 viewer", {"fps": 8}),
    Habit("slow viewer", {"format": "binary", "fps": 15, "max_in_flight": 1}, reads_every=1.0),
)


class Viewer:
    """One viewer of one camera, who comes back whenever the stream or the connection ends."""

    def __init__(self, world: World, camera: Camera, habit: Habit) -> None:
        self.name = f"{habit.name} of {camera.name}"
        self._world, self._camera, self._habit = world, camera, habit
        self._frames = 0
        self._acks: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._over = asyncio.Event()

    async def watch(self) -> None:
        """Watch until the run stops."""
        self._camera.last_frame[self.name] = 0.0
        while (line := await Line.connect(self._world, self.name)) is not None:
            line.on_binary, line.on_event = self._binary, self._event
            try:
                while not line.ended.is_set() and not self._world.stopping:
                    await self._one_stream(line)
            finally:
                await line.close()

    async def _one_stream(self, line: Line) -> None:
        self._over.clear()
        began = time.monotonic()
        try:
            await line.ask("start_live_view", _START_S, port=self._camera.port, **self._habit.options)
        except Refused as refused:
            self._world.story.count("streams refused")
            if self._camera.undisturbed_since(began):
                self._world.story.violation(f"{self.name} was refused although nothing was wrong: {refused}")
            await self._world.pause(_AGAIN_S)
            return
        except Cut:
            return
        except TimeoutError:
            self._world.story.violation(f"{self.name} got no answer to start_live_view in {_START_S:.0f} s")
            return
        while not (line.ended.is_set() or self._over.is_set() or self._world.stopping):
            await self._acknowledge(line)

    async def _acknowledge(self, line: Line) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                stream, seq = await self._acks.get()
                with suppress(ConnectionClosed):
                    await line.say({"ack": {"stream": stream, "seq": seq}})

    def _event(self, event: Json) -> None:
        if event["event"] == "live_view_frame":
            self._frame(base64.b64decode(event["image_b64"]))
        elif event["event"] == "live_view_stopped":
            self._world.story.count("streams ended by the server")
            self._world.story.tell(f"{self.name}: stream ended, {event.get('reason')}")
            self._over.set()

    def _binary(self, message: bytes) -> None:
        _, _, stream, seq, _ = HEADER.unpack_from(message)
        ack = (stream, seq)
        if self._habit.reads_every:
            asyncio.get_running_loop().call_later(self._habit.reads_every, self._acks.put_nowait, ack)
        else:
            self._acks.put_nowait(ack)
        self._frame(message[HEADER.size :])

    def _frame(self, picture: bytes) -> None:
        self._frames += 1
        self._world.story.count(f"frames to each {self._habit.name}")
        self._camera.last_frame[self.name] = time.monotonic()
        if self._frames % _DECODE_EVERY == 1:
            try:
                decoded(picture)
            except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises of broken pictures
                if self._camera.undisturbed_since(time.monotonic()):
                    self._world.story.violation(f"{self.name} got a damaged frame: {error!r}")
