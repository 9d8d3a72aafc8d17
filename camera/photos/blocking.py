"""Runs calls that can hang, such as those on a network folder, in threads that nothing waits for without a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


class Call:
    """A call in progress, for the function that runs in the thread.

    Attributes:
        abandoned: the deadline has passed and the caller has gone on; the function should change nothing more.
    """

    def __init__(self) -> None:
        self.abandoned = False
        self._progress_at = time.monotonic()

    def progress(self) -> None:
        """Extend the deadline: it counts from now."""
        self._progress_at = time.monotonic()

    def idle_s(self) -> float:
        """Seconds since the last progress."""
        return time.monotonic() - self._progress_at


class Blocking:
    """Runs calls on one resource. While a call hangs beyond its deadline, further calls fail at once.

    The threads are daemons, so the exit of the process does not wait for them. They are not those of asyncio.to_thread,
    whose number is limited for all cameras together.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._hanging = 0

    @property
    def hangs(self) -> bool:
        """Whether a call has exceeded its deadline and has not returned since."""
        return self._hanging > 0

    async def run(self, deadline_s: float, function: Callable[..., R], *args: Any) -> R:
        """The result of `function(call, *args)`.

        Args:
            deadline_s: the longest time without progress, in seconds.

        Raises:
            TimeoutError: the deadline has passed, or an earlier call still hangs.
        """
        if self.hangs:
            raise TimeoutError
        loop = asyncio.get_running_loop()
        call, result = Call(), loop.create_future()

        def settle(value: R | None, error: BaseException | None) -> None:
            if call.abandoned:
                self._hanging -= 1
            elif not result.done():
                if error is not None:
                    result.set_exception(error)
                else:
                    result.set_result(value)

        def work() -> None:
            value, error = None, None
            try:
                value = function(call, *args)
            except BaseException as raised:
                error = raised
            try:
                loop.call_soon_threadsafe(settle, value, error)
            except RuntimeError:  # the loop was closed meanwhile
                return

        threading.Thread(target=work, name=self._name, daemon=True).start()
        try:
            while not result.done():
                if call.idle_s() >= deadline_s:
                    raise TimeoutError
                await asyncio.wait((result,), timeout=deadline_s - call.idle_s())
        except (TimeoutError, asyncio.CancelledError):
            call.abandoned = True
            self._hanging += 1
            raise
        value: R = result.result()
        return value
