"""An event loop with virtual time. Waiting takes no time, and each callback belongs to one run of the server or to the world.

The loop is the project's own because a killed server must stop between any two callbacks, which no library offers:
async-solipsism (GPL-3.0) and looptime only replace the clock.
"""

from __future__ import annotations

import asyncio
import selectors
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, TypeVarTuple
from unittest.mock import patch

from camera.photos import open_shot
from store import shots

Ts = TypeVarTuple("Ts")

# 2026-01-01, in seconds since 1970.
START = 1_767_225_600.0


class Deadlock(Exception):
    """Everything waits, and nothing will ever happen."""


class Run:
    """One run of the server and its camera processes, from its start until it ends or is killed.

    Attributes:
        dead: whether the server was killed. None of its callbacks runs any more, as after SIGKILL.
        steps: the number of callbacks that ran.
        tasks: the tasks of the server and its camera processes.
    """

    def __init__(self) -> None:
        self.dead = False
        self.steps = 0
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self.context = copy_context()
        self.context.run(_RUN.set, self)
        self._kill: tuple[int, Callable[[], None]] | None = None

    def kill_after(self, steps: int, killed: Callable[[], None]) -> None:
        """Kill the server after this many further callbacks, and then call `killed`."""
        self._kill = (self.steps + steps, killed)

    def spare(self) -> None:
        """Do not kill the server after all."""
        self._kill = None

    def step(self) -> bool:
        """Count a callback; returns whether it may run."""
        if self.dead:
            return False
        self.steps += 1
        if self._kill is not None and self.steps >= self._kill[0]:
            (_, killed), self._kill = self._kill, None
            self.dead = True
            killed()
            return False
        return True


_RUN: ContextVar[Run | None] = ContextVar("run", default=None)


class Spin(Exception):
    """A task runs again and again, and no time passes."""


# The most rounds of the event loop at one moment. Usual are some hundred.
_MOST_ROUNDS = 50_000


class _Selector(selectors.BaseSelector):
    """Has no files. Waiting advances the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self._rounds = 0 if timeout > 0 else self._rounds + 1
        if self._rounds > _MOST_ROUNDS:
            raise Spin
        self.now += max(0.0, timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("the simulation has no files")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError("the simulation has no files")

    def get_map(self) -> Any:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop. Its time starts at 0 and jumps to the next timer when nothing is ready."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._clock_resolution = 1e-9
        self.set_task_factory(_new_task)

    def _make_self_pipe(self) -> None: ...

    def _close_self_pipe(self) -> None: ...

    def time(self) -> float:
        return self._virtual.now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        context = context if context is not None else copy_context()
        run = context.get(_RUN)
        if run is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(_guarded, run, callback, args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = context if context is not None else copy_context()
        run = context.get(_RUN)
        if run is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, _guarded, run, callback, args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)


def _new_task(loop: asyncio.AbstractEventLoop, work: Any, /, **options: Any) -> asyncio.Task[Any]:
    context = options.pop("context", None)
    if context is None:  # not `or`, because a context without variables is false
        context = copy_context()
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context, **options)
    if (run := context.get(_RUN)) is not None:
        run.tasks.add(task)
    return task


def _guarded(run: Run, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
    if run.step():
        callback(*args)


class Clock:
    """The wall clock, which can be set.

    Attributes:
        offset: seconds by which it differs from a correct clock.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self.offset = 0.0
        self._loop = loop
        self._calls = count()

    def uptime(self) -> float:
        """Seconds since the start of the machine. As on a real machine, no two calls return the same."""
        return self._loop.time() + next(self._calls) * 1e-9

    def time(self) -> float:
        """Seconds since 1970."""
        return START + self._loop.time() + self.offset

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Make all clocks virtual."""
        now = self._loop.time
        with (
            patch.object(time, "time", self.time), patch.object(time, "monotonic", now),
            patch.object(shots, "uptime_s", self.uptime), patch.object(open_shot, "uptime_s", self.uptime),
        ):  # fmt: skip
            yield
