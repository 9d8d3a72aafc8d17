"""Numbers the events, and keeps the newest ones for callers that were away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Container
from contextlib import suppress
from dataclasses import dataclass

from background import log_failure
from store.database import StoreUnavailable
from store.events import MOST_EVENTS, EventStore, Life, LoggedEvent, new_epoch

_log = logging.getLogger("service.event_log")

# How long an event waits for further events before they are written to the disk together, in seconds. There are many
# changes of settings, for example when a dial is turned, and each write wears an SD card.
_SOON_S, _LATER_S = 0.1, 2.0
_WAITS_LONGER = frozenset(("config_changed",))
_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log.

    Attributes:
        epoch: the life of the log. Numbers of different lives cannot be compared.
        seq: the number of the newest event before this place.
    """

    epoch: str
    seq: int


class EventLog:
    """The numbered events.

    While the disk cannot be used, the newest events are kept in memory.

    Args:
        store: keeps the events on disk.

    Attributes:
        opened_seq: the number of the newest event of the earlier servers.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._life = Life(new_epoch(), 0)
        self._on_disk = False
        self._unwritten: deque[LoggedEvent] = deque(maxlen=MOST_EVENTS)
        self._seq = self.opened_seq = 0
        self._some, self._soon = asyncio.Event(), asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    @property
    def position(self) -> Position:
        """The end of the log."""
        return Position(self._life.epoch, self._seq)

    @property
    def on_disk(self) -> bool:
        """Whether the events are kept on disk, and the log is open."""
        return self._on_disk

    async def open(self) -> None:
        """Read where the log of the last server ended. Must be called before `add`."""
        try:
            self._life = await self._store.open()
        except StoreUnavailable as error:
            _log.warning("Events are kept in memory only: %s", error)
        else:
            self._on_disk = True
            self._writer = asyncio.create_task(self._write(), name="event log")
            self._writer.add_done_callback(log_failure)
        self._seq = self.opened_seq = self._life.seq

    async def close(self) -> None:
        """Write the last events."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait((self._writer,))
        if self._on_disk:
            self._on_disk = False
            try:
                await self._store.add(list(self._unwritten), last=True)
            except StoreUnavailable as error:
                _log.warning("The last events could not be written: %s", error)

    def add(self, name: str, encode: Callable[[int], bytes]) -> bytes:
        """Add an event to the log; returns it as JSON.

        Args:
            name: its name.
            encode: returns the event with the given number as JSON.
        """
        self._seq += 1
        message = encode(self._seq)
        self._unwritten.append(LoggedEvent(self._seq, time.time(), name, message, self._life.epoch))
        self._some.set()
        if name not in _WAITS_LONGER:
            self._soon.set()
        return message

    async def after(self, since: Position, names: Container[str]) -> list[bytes] | None:
        """The events with these names from a place up to now, in order; None if they are not known any more."""
        if since.epoch != self._life.epoch or since.seq > self._seq:
            return None
        newest, unwritten = self._seq, tuple(self._unwritten)
        events: dict[int, LoggedEvent] = {}
        if self._on_disk:
            try:
                events = {event.seq: event for event in await self._store.after(since.seq)}
            except StoreUnavailable:
                return None
        events |= {event.seq: event for event in unwritten}
        numbers = range(since.seq + 1, newest + 1)
        if not all(number in events for number in numbers):
            return None
        return [events[number].message for number in numbers if events[number].name in names]

    async def next_after(self, seq: int, names: Collection[str], limit: int) -> tuple[int, list[LoggedEvent]]:
        """The next events with these names after a number, also from earlier lives of the log, in order.

        Returns:
            The number of the oldest event that is still known, with any name, and at most `limit` events.

        Raises:
            StoreUnavailable: the disk cannot be read.
        """
        next_seq, unwritten = self._seq + 1, tuple(self._unwritten)
        oldest, found = await self._store.next_after(seq, names, limit) if self._on_disk else (None, [])
        events = {event.seq: event for event in unwritten if event.seq > seq and event.name in names}
        events |= {event.seq: event for event in found}
        if oldest is None:
            oldest = unwritten[0].seq if unwritten else next_seq
        return oldest, [events[number] for number in sorted(events)[:limit]]

    async def count_after(self, seq: int, names: Collection[str]) -> int:
        """How many events with these names there are after a number. Raises StoreUnavailable."""
        waiting = sum(event.seq > seq and event.name in names for event in self._unwritten)
        # Events that are written in the meantime are not counted twice.
        first_unwritten = self._unwritten[0].seq if self._unwritten else self._seq + 1
        return waiting + (await self._store.count(seq, first_unwritten, names) if self._on_disk else 0)

    # -- the disk

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LATER_S):
                    await self._soon.wait()
                await asyncio.sleep(_SOON_S)
            self._some.clear()
            self._soon.clear()
            if not await self._written(list(self._unwritten)):
                await asyncio.sleep(_AGAIN_S)
                self._some.set()

    async def _written(self, events: list[LoggedEvent]) -> bool:
        try:
            await self._store.add(events)
        except StoreUnavailable as error:
            _log.warning("Events are kept in memory until they can be written: %s", error)
            return False
        while self._unwritten and self._unwritten[0].seq <= events[-1].seq:
            self._unwritten.popleft()
        return True
