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
from camera.session import Session
from protocol import commands as c
from server.app import App
from service.answers import FrameStream
from service.caller import Caller, Stream
from service.commands import LiveViewDefaults, Service

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
        self.streams: list[Stream] = []
        self._channel: AsyncChannel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._pacing: asyncio.Task[None] | None = None

    def _sent(self) -> int:
        return sum(stream.viewer.sent for stream in self.streams if stream.viewer is not None)

    async def _pace(self, channel: AsyncChannel) -> None:
        """Have as many frames as the viewers take, and more. Time is the CPU's: the process may stand still."""
        await channel.send({"rate": _FIRST})
        while True:
            sent, at = self._sent(), time.process_time()
            await asyncio.sleep(_LOOK_EVERY_S)
            taken = (self._sent() - sent) / max(len(self.streams), 1)
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


class _OneCamera(Service):
    """The commands, for the camera with the feeder in place of those of the registry."""

    def __init__(self, service: Service) -> None:
        registry, version = service.cameras.registry, service.version
        super().__init__(registry, service.events, LiveViewDefaults(), version, service.limits)
        self._only = _Camera()

    async def _camera(self, caller: Caller, payload: c.CameraPayload) -> Session:
        return self._only.session

    async def start_live_view(self, caller: Caller, payload: c.StartLiveView) -> c.LiveViewStarted | FrameStream:
        answer = await super().start_live_view(caller, payload)
        if isinstance(answer, FrameStream):
            answer.stream.fps = _WITHOUT_LIMIT
            # Those of viewers who left count no more.
            left = [stream for stream in self._only.streams if stream.viewer is None or stream.number in caller.streams]
            self._only.streams = [*left, answer.stream]
        return answer


def _build(*parts: Any) -> App:
    app = gphoto_ws_server.build(*parts)
    return App(_OneCamera(app.service), app.admission)


if __name__ == "__main__":
    if os.environ.get("BENCHMARK_LOOP") == "uvloop":
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    sys.exit(gphoto_ws_server.main(make=_build))
