"""Live view as an asynchronous iterator over the newest frames. It continues after a loss of the connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from gphoto_ws_client.binary import Frame
from gphoto_ws_client.connection import Connection
from gphoto_ws_client.decode import decode
from gphoto_ws_client.errors import CameraError, GphotoWsError, NoReply, from_reply
from gphoto_ws_client.link import Json, Link
from gphoto_ws_client.replies import LiveViewStarted, LiveViewStopped

# Longest wait for the reply to stop_live_view.
_STOP_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
# Errors after which the start is tried again, because a restarted server may not have found its cameras yet.
_NOT_YET = ("camera_not_found", "no_camera_selected")


class LiveView:
    """Frames of one camera: `async with client.live_view(fps=15) as view: async for frame in view: ...`.

    A slow reader gets the newest frame and misses the frames in between. The first frame after a gap has `dropped` set.
    After a loss of the connection, the stream continues as soon as the connection is restored. The iteration ends after
    `stop`.

    Attributes:
        started: the server's reply to the last start.
    """

    def __init__(self, connection: Connection, payload: Json, running: set[LiveView]) -> None:
        self.started: LiveViewStarted | None = None
        self._connection = connection
        self._payload = payload
        self._running = running
        self._link: Link | None = None
        self._newest: Frame | None = None
        self._skipped = False
        self._stopped = False
        self._end: GphotoWsError | None = None
        self._news = asyncio.Event()

    async def start(self) -> LiveViewStarted:
        """Request the frames; returns when live view runs.

        Raises:
            GphotoWsError: live view could not be started.
        """
        await self._connection.call("start_live_view", self._payload, again=True, claim=self._claim)
        assert self.started is not None, "_claim sets it"
        return self.started

    async def stop(self) -> LiveViewStopped | None:
        """Stop the stream. Returns the numbers of sent and dropped frames, or None if the stream was not running."""
        link, self._link = self._link, None
        running = link is not None and not link.lost.done() and not self._stopped and self._end is None
        self.over()
        if not running or link is None or self.started is None:
            return None
        number = self.started.stream
        try:
            async with asyncio.timeout(_STOP_S):
                reply = await link.request("stop_live_view", {"stream": number})
        except TimeoutError:
            raise NoReply(f"No answer to stop_live_view for {_STOP_S:g} s.", retryable=True) from None
        finally:
            link.streams.pop(number, None)
        return decode(LiveViewStopped, reply)

    def over(self) -> None:
        """End the iteration."""
        self._running.discard(self)
        self._stopped = True
        self._newest = None
        self._news.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        except GphotoWsError:
            if error is None and self._connection.connected:
                raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """The newest frame. If it was already returned, waits for the next frame.

        Raises:
            GphotoWsError: the camera or the connection is lost permanently.
        """
        while not self._stopped:
            if self._newest is not None:
                frame, self._newest = self._newest, None
                skipped, self._skipped = self._skipped, False
                return replace(frame, dropped=True) if skipped else frame
            if self._end is not None:
                raise self._end
            if self._link is None:
                await (self.start() if self.started is None else self._start_again())
                continue
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def _start_again(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._connection.reconnect_for
        pause = _FIRST_PAUSE_S
        while not self._stopped:
            try:
                await self.start()
                return
            except CameraError as error:
                if not (error.retryable or error.code in _NOT_YET) or loop.time() > give_up_at:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    # -- called by the link

    def _claim(self, link: Link, reply: Json) -> None:
        self.started = decode(LiveViewStarted, reply)
        self._link = link
        self._running.add(self)
        link.streams[self.started.stream] = self

    def frame(self, frame: Frame) -> None:
        """Receive a frame."""
        self._skipped = self._skipped or frame.dropped or self._newest is not None
        self._newest = frame
        self._news.set()

    def ended(self, reason: str) -> None:
        """Called when the server has ended the stream."""
        self._end = from_reply({"code": reason, "message": f"Live view ended: {reason.replace('_', ' ')}."})
        self._news.set()

    def lost(self) -> None:
        """Called when the connection was lost. The next frame will have `dropped` set."""
        self._link = None
        self._skipped = True
        self._news.set()


def live_view_payload(**values: Any) -> Json:
    """The payload of start_live_view: the binary format, and the arguments that are not None."""
    return {"format": "binary", **{name: value for name, value in values.items() if value is not None}}
