"""Waits while the shutter is open, or its button pressed; keeps the camera process alive until nothing is left so."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from camera import remote
from camera.channel import BlockingChannel, ChannelClosed, Message
from camera.device import kernel

# After the end of the server, the process may live this long to close the shutter and to stop a movie, in seconds.
_LAST_RELEASE_S = 20
# The longest time that everything before and after the held shutter takes, in seconds.
_LONGEST_REST_S = 120

# While the shutter is open, progress is reported at this interval, in seconds.
_PROGRESS_EVERY_S = 5.0


class Closing(Exception):
    """The server closes the camera."""


class Holding:
    """Waits on the channel while the shutter is open, or its button is pressed. Keeps the process alive meanwhile.

    Attributes:
        waiting: requests that arrived in the meantime.
        confirmed: whether a message that confirms a release arrived (`GO`). The user of this attribute resets it.
    """

    def __init__(self, channel: BlockingChannel) -> None:
        self.waiting: deque[Message] = deque()
        self.confirmed = False
        self._channel = channel
        self._ends: list[float] = []  # of everything that holds the process, in monotonic seconds
        self._last_end = math.inf  # when the process ends, because the server has ended or closes the camera

    def until(self, end: float) -> bool:
        """Wait until `end` (in monotonic seconds), or until a stop message arrives; returns whether one arrived.

        Raises:
            Closing: the server closes the camera.
            ChannelClosed: the server has ended.
        """
        while True:
            try:
                message = self._channel.receive(max(0.0, end - time.monotonic()))
            except ChannelClosed:
                self.limit_the_rest()
                raise
            if message is None:
                return False
            if remote.is_stop(message):
                return True
            if remote.is_close(message):
                raise Closing
            if remote.is_go(message):
                self.confirmed = True
                continue
            self.waiting.append(message)

    def reporting(self, on_progress: Callable[[float], None]) -> Callable[[float], bool]:
        """A function like `until` that also reports progress every 5 s, so that the deadline of the job does not end.

        With each report, the process may live longer: a long operation that makes progress does not hang.
        """
        due = time.monotonic() + _PROGRESS_EVERY_S

        def until(end: float) -> bool:
            nonlocal due
            while True:
                if time.monotonic() >= due:
                    on_progress(0.0)
                    self._live_longer()
                    due = time.monotonic() + _PROGRESS_EVERY_S
                if self.until(min(end, due)):
                    return True
                if time.monotonic() >= end:
                    return False

        return until

    @contextmanager
    def outliving_the_server(self, seconds: float) -> Iterator[None]:
        """In the block, this process is not killed when the server ends, so that it can close the shutter.

        Raises:
            ChannelClosed: at the end of the block, the server has ended.
        """
        self.hold(seconds)
        try:
            yield
        finally:
            self.let_go()

    def hold(self, seconds: float) -> None:
        """Until `let_go`, this process is not killed when the server ends.

        Args:
            seconds: how long the held operation takes at most. A process that hangs in the driver ends later.
        """
        if not self._ends:
            kernel.prctl(kernel.PDEATHSIG, 0)
        self._ends.append(time.monotonic() + seconds + _LONGEST_REST_S)
        self._set_alarm()

    def let_go(self) -> None:
        """End the effect of the last `hold`.

        Raises:
            ChannelClosed: the server has ended, and nothing else holds the process.
        """
        self._ends.pop()
        if self._ends:
            self._set_alarm()
            return
        kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
        if self._channel.closed:
            self.limit_the_rest()  # a driver that hangs while it closes the camera would keep the USB device
            raise ChannelClosed
        signal.alarm(0)

    def limit_the_rest(self) -> None:
        """Called when the server has ended or closes the camera: the process ends soon, also if it hangs in the driver."""
        self._last_end = min(self._last_end, time.monotonic() + _LAST_RELEASE_S)
        self._set_alarm()

    def _live_longer(self) -> None:
        if self._ends:
            self._ends[-1] = max(self._ends[-1], time.monotonic() + _LONGEST_REST_S)
            self._set_alarm()

    def _set_alarm(self) -> None:
        end = min(max(self._ends, default=math.inf), self._last_end)
        signal.alarm(max(1, math.ceil(end - time.monotonic())))  # the default action of SIGALRM ends the process
