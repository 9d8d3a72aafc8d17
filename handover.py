"""Runs calls in threads, because they can hang, for example on a disk. The calling task waits until a deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

R = TypeVar("R")
Work = Callable[[], None]
# Runs work in a thread, and returns without waiting for the work.
Start = Callable[[Work], None]
# A timer may end this many seconds early.
_CLOCK_ERROR_S = 0.001


class Call:
    """A call in progress. The function that runs in the thread gets this object as its argument.

    Attributes:
        abandoned: whether the caller no longer waits. If so, the function should change nothing more.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.abandoned = False
        self._clock = clock
        self._progress_at = clock()

    def progress(self) -> None:
        """Restart the deadline: it counts from now."""
        self._progress_at = self._clock()

    def idle_s(self) -> float:
        """Seconds since the last progress."""
        return self._clock() - self._progress_at


class Handover:
    """Runs calls on one resource. While a call hangs beyond its deadline, further calls fail at once.

    Args:
        start: runs a call in a thread.
        finish_cancelled: whether a call is completed if the waiting task is cancelled; otherwise the call is abandoned.
    """

    def __init__(self, start: Start, *, finish_cancelled: bool = False) -> None:
        self._start = start
        self._finish_cancelled = finish_cancelled
        self._hanging = 0

    @property
    def hangs(self) -> bool:
        """Whether an abandoned call has not returned yet."""
        return self._hanging > 0

    async def run(self, deadline_s: float, function: Callable[[Call], R]) -> R:
        """Run `function` in a thread and return its result. It is not run if the call was abandoned before its start.

        Args:
            deadline_s: the longest time without progress, in seconds.

        Raises:
            TimeoutError: the deadline has passed, or an earlier call still hangs.
        """
        if self.hangs:
            raise TimeoutError
        loop = asyncio.get_running_loop()
        call = Call(loop.time)
        result: asyncio.Future[R] = loop.create_future()

        def returned(settle: Callable[[], object]) -> None:
            if call.abandoned:
                self._hanging -= 1
            elif not result.done():
                settle()

        def work() -> None:
            settle: Callable[[], object] = result.cancel  # not called, because nobody waits for an abandoned call
            try:
                if not call.abandoned:
                    settle = partial(result.set_result, function(call))
            except BaseException as error:
                settle = partial(result.set_exception, error)
            try:
                loop.call_soon_threadsafe(returned, settle)
            except RuntimeError:  # the loop was closed meanwhile
                return

        self._start(work)
        try:
            while not result.done():
                left = deadline_s - call.idle_s()
                if left <= _CLOCK_ERROR_S:
                    raise TimeoutError
                await asyncio.wait((result,), timeout=left)
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, TimeoutError) or not self._finish_cancelled:
                call.abandoned = True
                self._hanging += 1
            raise
        return result.result()


def new_threads(name: str) -> Start:
    """Starts a thread for each call.

    The threads are daemons, so the exit of the process does not wait for them. The threads of asyncio.to_thread
    are not used, because their number is limited for all cameras together.
    """

    def start(work: Work) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    return start


class OneThread:
    """A daemon thread that does its work in order. The thread starts when the first work arrives."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, work: Work) -> None:
        """Do `work` after all earlier work. All calls must come from the same thread."""
        self._work.put(work)
        if self._thread.ident is None:
            self._thread.start()

    def end(self) -> None:
        """End the thread after all its work."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
