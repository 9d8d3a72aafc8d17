"""The server with a camera that produces frames faster than the server can deliver them.

`python -m benchmarks.saturated [options of the server]`. Everything from the client's socket to the channel of the
camera process is the server's own code: logins, commands, live view, frame slots, encoding. There are two differences:
the camera process is replaced, and streams have no maximum rate (the protocol allows 120 frames/s, but the machine can
send more). With BENCHMARK_LOOP=uvloop, the server runs on uvloop.
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
from camera.channel import Message
from camera.live_view import Feed, LiveView
from camera.model import Capabilities, DetectedCamera, Frame
from camera.options import SessionOptions
from camera.orientation import Orientation
from camera.processes.server_end import AsyncChannel
from camera.session import Session
from protocol import commands as c
from server.app import App
from service.answers import FrameStream
from service.caller import Caller, Stream
from service.commands import LiveViewDefaults, ServerFacts, Service

# The feeder sends 1.33 times as many frames per second as each viewer received in the last interval. So it always sends
# more than the server can deliver. With a much larger factor, the server would spend most of its time on reading frames
# that it does not deliver.
_FACTOR, _FIRST_RATE, _LOOK_EVERY_S = 1.33, 500.0, 0.02
_WITHOUT_LIMIT = 1e6


class _Camera:
    """A session with live view from the feeder process."""

    def __init__(self) -> None:
        camera = DetectedCamera("Feeder", "feeder", Capabilities(live_view=True))
        self.session = Session(camera, SessionOptions(), lambda port, serial: True, lambda event: None)
        self.session.live = LiveView(self._switch)
        self.callers: set[Caller] = set()
        self._channel: AsyncChannel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._pacing: asyncio.Task[None] | None = None

    def _sent(self) -> int:
        return sum(stream.viewer.sent for stream in self._streams() if stream.viewer is not None)

    def _streams(self) -> list[Stream]:
        return [stream for caller in self.callers for stream in caller.streams.values()]

    async def _pace(self, channel: AsyncChannel) -> None:
        """Keep the feeder faster than the viewers.

        Rates are measured per second of CPU time of this process, because the process may be stopped (SIGSTOP).
        """
        await channel.send({"rate": _FIRST_RATE})
        while True:
            sent, at = self._sent(), time.process_time()
            await asyncio.sleep(_LOOK_EVERY_S)
            taken = (self._sent() - sent) / max(len(self._streams()), 1)
            busy = time.process_time() - at
            if taken and busy > _LOOK_EVERY_S / 40:
                await channel.send({"rate": _FACTOR * taken / busy})

    async def _switch(self, feed: Feed | None) -> None:
        if self._channel is None:
            parent_end, child_end = channel.pair()
            with child_end:
                self._channel = AsyncChannel(parent_end, self._receive, lambda: None)
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks.feeder", str(child_end.fileno()),
                    cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, pass_fds=(child_end.fileno(),),
                )  # fmt: skip
            self._pacing = asyncio.create_task(self._pace(self._channel))

    def _receive(self, message: Message) -> None:
        header = message.header
        orientation = Orientation(header["rotation"], header["flip"])
        self.session.live.publish(Frame(message.data, header["seq"], header["time_us"], orientation))


class _OneCamera(Service):
    """The commands of the server. They use the feeder's camera instead of the cameras of the registry."""

    def __init__(self, service: Service) -> None:
        facts = ServerFacts(service.version, service.limits, lambda path, expires: "")
        super().__init__(service.cameras.registry, service.events, service.shots, LiveViewDefaults(), facts)
        self._only = _Camera()

    async def _camera(self, caller: Caller, payload: c.CameraPayload) -> Session:
        return self._only.session

    async def start_live_view(self, caller: Caller, payload: c.StartLiveView) -> c.LiveViewStarted | FrameStream:
        answer = await super().start_live_view(caller, payload)
        if isinstance(answer, FrameStream):
            answer.stream.fps = _WITHOUT_LIMIT
            self._only.callers = {one for one in self._only.callers if not one.left} | {caller}
        return answer


def _build(*parts: Any) -> App:
    app = gphoto_ws_server.build(*parts)
    return App(_OneCamera(app.service), app.admission)


if __name__ == "__main__":
    if os.environ.get("BENCHMARK_LOOP") == "uvloop":
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    sys.exit(gphoto_ws_server.main(make=_build))
