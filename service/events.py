"""Passes events of cameras to the callers that subscribed to them."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any

from camera.events import CameraEvent, ConfigChanged
from protocol.commands import EventName
from protocol.envelope import encode_event
from protocol.errors import RequestError
from protocol.events import wire_event
from service.caller import Caller, Notice
from service.event_log import EventLog, Position
from service.outgoing import Outgoing


class EventHub:
    """All callers that may subscribe to events.

    Args:
        log: numbers the events and keeps them for callers that were away.
        outgoing: passes events on without a client, while the log is open.

    Attributes:
        outgoing: see Args.
    """

    def __init__(self, log: EventLog, outgoing: Outgoing | None = None) -> None:
        self.outgoing = outgoing or Outgoing()
        self._log = log
        self._callers: dict[Caller, None] = dict.fromkeys(self.outgoing.callers)
        self._early: list[CameraEvent] = []
        self._open = asyncio.Event()
        self._closed = False

    async def open(self) -> None:
        """Open the log. Events that happen before are passed on afterwards."""
        await self._log.open()
        self.outgoing.start()
        self._open.set()
        for event in self._early:
            self.emit(event)
        self._early.clear()

    async def close(self) -> None:
        """Write the last events to the disk. Later events are dropped, because the log would not contain them."""
        self._closed = True
        if self._open.is_set():
            self._open.clear()
            await self.outgoing.stop()
            await self._log.close()

    def join(self, caller: Caller) -> None:
        """Pass events to a caller from now on, according to its subscriptions."""
        self._callers[caller] = None

    def leave(self, caller: Caller) -> None:
        """Pass no more events to a caller."""
        self._callers.pop(caller, None)

    def emit(self, event: CameraEvent) -> None:
        """Pass an event to the callers that subscribed to it. Does not block."""
        if not self._open.is_set():
            if not self._closed:
                self._early.append(event)
            return
        name, values = wire_event(event)
        # Only the newest value of a setting matters, and a dial may cause hundreds of changes per second.
        about = (event.port, event.what.config_name) if isinstance(event.what, ConfigChanged) else None
        self.publish(name, values, about)

    def publish(self, name: EventName, values: dict[str, Any], about: Hashable | None = None) -> None:
        """Pass an event to the callers that subscribed to it. Before `open` and after `close`, it is dropped.

        Args:
            name, values: see protocol/events.py.
            about: see `Notice`.
        """
        if not self._open.is_set():
            return
        message = self._log.add(name, lambda seq: encode_event(name, {"seq": seq, **values}))
        notice: Notice | None = None
        for caller in self._callers:
            if name in caller.subscribed:
                notice = notice or Notice(name, values, about, message)
                caller.take(notice)

    async def position(self) -> Position:
        """The place after the newest event."""
        await self._open.wait()
        return self._log.position

    async def missed(self, caller: Caller, since: Position) -> list[bytes] | None:
        """The subscribed events since a place, in order; None if they are not known any more.

        From now on, the caller's further events are held back until `Caller.go_on`.

        Raises:
            RequestError: too_many_pending, events are already held back.
        """
        if caller.held is not None:
            words = "Events are being repeated on this connection. Wait until this has ended."
            raise RequestError("too_many_pending", words, limit=1)
        await self._open.wait()
        caller.held = []
        try:
            return await self._log.after(since, frozenset(caller.subscribed))
        except BaseException:
            caller.go_on()
            raise
