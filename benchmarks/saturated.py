"""The server as it is, with a camera that has frames faster than they can be delivered.

`python -m benchmarks.saturated [options of the server]`. Everything is the server's own, from the socket to the camera
process's channel: logins, commands, live view, slots, encoding. Only the camera process is another, and a
stream has no highest rate (the protocol's, 120 frames/s, is below what the machine can do). BENCHMARK_LOOP=uvloop
runs it on uvloop.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from typing import Any

import gphoto_ws_server
from benchmarks.processes import ROOT
from camera import channel
from camera.channel import AsyncChannel, Message
from camera.live_view import Feed, LiveView
from camera.model import Capabilities, DetectedCamera, Frame
from camera.options import SessionOptions
from camera.orientation import Orientation
from camera.registry import Registry
from camera.session import Session
from protocol import commands as c
from server.app import App
from server.call import Call
from server.frame_slot import FrameSlot
from server.handlers import Handlers

# Frames are offered a third faster than they were delivered just now: always more than the server can do, and not so
# many more that reading those which nobody gets becomes the work that is measured.
_MORE, _FIRST, _LOOK_EVERY_S = 1.33, 500.0, 0.02
_WITHOUT_LIMIT = 1e6


class _Camera:
    """A session whose live view comes from the feeder."""

    def __init__(self) -> None:
        camera = DetectedCamera("Feeder", "feeder", Capabilities(live_view=True))
        self.session = Session(camera, SessionOptions(), lambda port, serial: True, lambda event: None)
        self.session.live = LiveView(self._switch)
        self.slots: list[FrameSlot] = []
        self._channel: AsyncChannel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._pacing: asyncio.Task[None] | None = None

    async def _pace(self, channel: AsyncChannel) -> None:
        """Have as many frames as the viewers take, and more. Time is the CPU's: the process may stand still."""
        await channel.send({"rate": _FIRST})
        while True:
            sent, at = sum(slot.sent for slot in self.slots), time.process_time()
            await asyncio.sleep(_LOOK_EVERY_S)
            taken = (sum(slot.sent for slot in self.slots) - sent) / max(len(self.slots), 1)
            busy = time.process_time() - at
            if taken and busy > _LOOK_EVERY_S / 40:
                await channel.send({"rate": _MORE * taken / busy})

    async def _switch(self, feed: Feed | None) -> None:
        if self._channel is None:
            ours, theirs = channel.pair()
            with theirs:
                self._channel = AsyncChannel(ours, self._heard, lambda: None)
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks.feeder", str(theirs.fileno()),
                    cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
                )  # fmt: skip
            self._pacing = asyncio.create_task(self._pace(self._channel))

    def _heard(self, message: Message) -> None:
        header = message.header
        orientation = Orientation(header["rotation"], header["flip"])
        self.session.live.publish(Frame(message.data, header["seq"], header["time_us"], orientation))


class _Desk(Handlers):
    """The commands, for one camera."""

    def __init__(self, camera: _Camera, *args: Any) -> None:
        super().__init__(*args)
        self._only = camera

    async def camera_for(self, port: str | None, selected: Session | None) -> Session:
        return self._only.session

    async def start_live_view(self, call: Call, payload: c.StartLiveView) -> c.LiveViewStarted | None:
        reply = await super().start_live_view(call, payload)
        live = self._only.session.live
        for _, slot in call.client.streams.values():
            slot.fps = _WITHOUT_LIMIT
            # Those of viewers who left count no more.
            self._only.slots = [*self._only.slots, slot][-live.viewers :]
        return reply


class Saturated(App):
    """The server with that camera in place of those of its registry."""

    def __init__(
        self,
        token: str,
        network: Any,
        options: SessionOptions,
        default_fps: float,
        preview_orientation: Orientation,
        version: str,
    ) -> None:
        super().__init__(token, network, options, default_fps, preview_orientation, version)
        registry = Registry((), options, lambda event: None)
        self.handlers = _Desk(_Camera(), registry, default_fps, preview_orientation, version).table()


if __name__ == "__main__":
    if os.environ.get("BENCHMARK_LOOP") == "uvloop":
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    sys.exit(gphoto_ws_server.main(make=Saturated))
