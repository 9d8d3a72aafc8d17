"""Runs the operator's command for each saved file: one run at a time, in the order of the files."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from background import log_failure
from handover import Handover, Start, new_threads
from protocol.commands import EventName
from service.caller import Caller, Notice
from service.hook_process import HookProcess

_log = logging.getLogger("service.hooks")

_EVENT: EventName = "capture_saved"
_INHERITED = ("PATH", "HOME", "LANG")
_MOST_WAITING = 1000
# How long a run may go on when the server ends.
_LAST_S = 0.5
# How long a run may take beyond its deadline: for starting a command on a slow disk, and for killing it.
_BEYOND_S = 10.0
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class HookCommand:
    """The operator's command.

    Attributes:
        arguments: the command and its arguments. The path of the saved file is added.
        deadline_s: the longest time of a run in seconds.
    """

    arguments: Sequence[str]
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class HookStatus:
    """What the hook has done since the server started.

    Attributes:
        waiting: number of files for which the command waits to run, or runs.
        succeeded: number of runs that have succeeded.
        failed: number of runs that have failed.
        dropped: number of files for which the command was not run, because too many were waiting.
        last_error: why the last run failed; None if it has succeeded.
    """

    waiting: int = 0
    succeeded: int = 0
    failed: int = 0
    dropped: int = 0
    last_error: str | None = None


class Hooks:
    """Runs a command for each saved file.

    Args:
        command: the command.
        serial_of: returns the serial number of the camera on a port, if it is known.
        most_waiting: if so many files wait, further files are dropped.
        start: runs work in a thread; by default in a new thread each time.

    Attributes:
        caller: receives the events; it has to join the `EventHub`.
    """

    def __init__(
        self,
        command: HookCommand,
        serial_of: Callable[[str], str | None],
        most_waiting: int = _MOST_WAITING,
        start: Start | None = None,
    ) -> None:
        self.caller = Caller(self._take, subscribed={_EVENT})
        self._command = command
        self._serial_of = serial_of
        self._most_waiting = most_waiting
        self._waiting: deque[dict[str, str]] = deque()
        self._some, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._handover = Handover(start or new_threads("hook"))
        self._process: HookProcess | None = None
        self._status = HookStatus()
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> HookStatus:
        """What the hook has done until now."""
        return replace(self._status, waiting=len(self._waiting) + (self._process is not None))

    def start(self) -> None:
        """Start to run the command."""
        self._task = asyncio.create_task(self._run_all(), name="hooks")
        self._task.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Run the command no more. A run in progress is killed after a short time, so this takes less than 1 s."""
        left_out = [variables["GPHOTO_WS_SAVED_PATH"] for variables in self._waiting]
        self._waiting.clear()
        if left_out:
            shown = ", ".join(left_out[:_MOST_SHOWN]) + (", ..." if len(left_out) > _MOST_SHOWN else "")
            _log.warning("The server ends, so the hook was not run for %d files: %s", len(left_out), shown)
        if self._task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._idle.wait()
        if self._process is not None:
            self._process.kill()
        self._task.cancel()
        await asyncio.wait((self._task,))

    def _take(self, notice: Notice) -> None:
        variables = self._variables(notice)
        if len(self._waiting) >= self._most_waiting:
            self._status = replace(self._status, dropped=self._status.dropped + 1)
            words = "The hook is not run for %s, because %d files already wait for it"
            _log.warning(words, variables["GPHOTO_WS_SAVED_PATH"], self._most_waiting)
            return
        self._waiting.append(variables)
        self._some.set()

    def _variables(self, notice: Notice) -> dict[str, str]:
        """The variables about the event. A value that is not known is empty."""
        values: dict[str, Any] = {
            "event": notice.name,
            **{name: notice.values[name] for name in ("shot", "job", "port", "camera_filepath", "saved_path")},
            "serial": self._serial_of(notice.values["port"]),
        }
        return {f"GPHOTO_WS_{name.upper()}": "" if value is None else str(value) for name, value in values.items()}

    async def _run_all(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                await self._run(self._waiting.popleft())

    async def _run(self, variables: dict[str, str]) -> None:
        passed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        path = variables["GPHOTO_WS_SAVED_PATH"]
        deadline_s = self._command.deadline_s
        process = self._process = HookProcess((*self._command.arguments, path), passed | variables, deadline_s)
        self._idle.clear()
        try:
            failure = (await self._handover.run(deadline_s + _BEYOND_S, lambda call: process.run())).failure
        except TimeoutError:  # the disk of the command hangs
            failure = "it does not start, or cannot be killed"
            process.kill()
        finally:
            self._process = None
            self._idle.set()
        if failure:
            _log.warning("The hook for %s has failed: %s", path, failure)
            self._status = replace(self._status, failed=self._status.failed + 1, last_error=failure)
        else:
            self._status = replace(self._status, succeeded=self._status.succeeded + 1, last_error=None)
