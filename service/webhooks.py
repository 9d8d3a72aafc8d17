"""Sends events to the operator's webhooks: each in order, at least once, also after a restart of the server."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import get_args

from background import log_failure
from handover import Handover, new_threads
from protocol.commands import EventName, WebhookState
from service.caller import Caller, Notice
from service.event_log import EventLog
from store.database import StoreUnavailable
from store.events import LoggedEvent
from store.webhooks import WebhookStore
from webhook import Agent, Answer, Delivery, Message, Webhook, WebhookFailed

_log = logging.getLogger("service.webhooks")

_EVENTS: tuple[EventName, ...] = get_args(EventName)
_BATCH = 50
# While many events are sent, the cursor is written once in this many seconds, because each write wears an SD card.
_WRITE_EVERY_S = 1.0
_DISK_AGAIN_S = 10.0
# How long an attempt may go on when the server ends.
_LAST_S = 0.5
_LONGEST_RETRY_AFTER_S = 3600.0
_GONE = 410


@dataclass(frozen=True, slots=True)
class WebhookTimes:
    """When webhooks are tried again, in seconds.

    Attributes:
        first_pause_s: the pause after the first failed attempt. Each further pause is twice the last.
        longest_pause_s: the longest pause.
        give_up_s: an event that is older than this is given up if the webhook fails.
        deadline_s: the longest time of an attempt.
    """

    first_pause_s: float = 10.0
    longest_pause_s: float = 600.0
    give_up_s: float = 86_400.0
    deadline_s: float = 20.0


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """The state of a webhook, and what it has done since the server started.

    Attributes:
        origin: its address without the path.
        state: ok, retrying after a failed attempt, or disabled by the receiver until the next start.
        waiting: number of events that are not delivered yet; None if that was not or cannot be read.
        delivered: number of delivered events.
        failed: number of failed attempts.
        given_up: number of events that were given up because they were too old.
        last_error: why the last attempt failed; None if it has succeeded.
        retry_in_s: seconds until the next attempt; None if no attempt is planned.
    """

    origin: str
    state: WebhookState
    waiting: int | None
    delivered: int
    failed: int
    given_up: int
    last_error: str | None
    retry_in_s: float | None


class Webhooks:
    """All webhooks. A webhook that hangs does not delay another one.

    Args:
        log: the events.
        store: keeps the cursors.
        webhooks: the webhooks, each with another address.
        agent: what all requests have in common.
        times: when webhooks are tried again.

    Attributes:
        caller: learns of new events; it has to join the `EventHub`.
    """

    def __init__(
        self,
        log: EventLog,
        store: WebhookStore,
        webhooks: Iterable[Webhook],
        agent: Agent,
        times: WebhookTimes | None = None,
    ) -> None:
        self.caller = Caller(self._take)
        self._log = log
        self._store = store
        self._agent = agent
        self._times = times or WebhookTimes()
        self._wanted = tuple(webhooks)
        self._senders: list[_Sender] = []
        self._forgetting: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._stopped = False

    def start(self) -> None:
        """Start to send. The log must be open."""
        self._use(self._wanted, self._log.opened_seq)
        self._forgetting = asyncio.create_task(self._forget_others(), name="webhooks")
        self._forgetting.add_done_callback(log_failure)

    async def replace(self, webhooks: Sequence[Webhook]) -> None:
        """Use other webhooks from now on. Unchanged ones go on; new ones begin with the next event."""
        async with self._changing:
            self._wanted = tuple(webhooks)
            if self._forgetting is None or self._stopped:  # not started, or not any more
                return
            ended = [sender for sender in self._senders if sender.webhook not in webhooks]
            await asyncio.gather(*(sender.stop() for sender in ended))
            self._use(webhooks, self._log.position.seq)
            await self._forget_others()

    async def stop(self) -> None:
        """Send no more. Attempts in progress are cut after a short time, so this takes less than 1 s if the disk works."""
        async with self._changing:
            self._stopped = True
            await asyncio.gather(*(sender.stop() for sender in self._senders))
            if self._forgetting is not None:
                await asyncio.wait((self._forgetting,))

    async def status(self) -> list[WebhookStatus]:
        """The state of each webhook, in their order."""
        return [await sender.status() for sender in self._senders]

    def _take(self, notice: Notice) -> None:
        for sender in self._senders:
            if notice.name in sender.webhook.events:
                sender.some.set()

    def _use(self, webhooks: Sequence[Webhook], newest: int) -> None:
        running = {sender.webhook: sender for sender in self._senders}
        self._senders = [
            running.get(webhook) or _Sender(number, webhook, self._log, self._store, self._agent, self._times)
            for number, webhook in enumerate(webhooks, 1)
        ]
        for sender in self._senders:
            sender.start(newest)
        named = {name for webhook in webhooks for name in webhook.events}
        self.caller.subscribed = {name for name in _EVENTS if name in named}

    async def _forget_others(self) -> None:
        if not self._log.on_disk:
            return
        with suppress(StoreUnavailable):  # they are forgotten at the next start
            await self._store.keep_only([sender.webhook.url for sender in self._senders])


@dataclass(slots=True)
class _Counts:
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    last_error: str | None = None


@dataclass(eq=False)
class _Sender:
    """Sends the events for one webhook, in order.

    Attributes:
        number: its number for people.
        webhook: the webhook.
        some: is set when there is a new event for it.
    """

    number: int
    webhook: Webhook
    log: EventLog
    store: WebhookStore
    agent: Agent
    times: WebhookTimes
    some: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._title = f"Webhook {self.number} ({self.webhook.origin})"
        self._handover = Handover(new_threads("webhook"))
        self._counts = _Counts()
        # The cursor, once it was read, and its value in the database. Before, nothing is known and nothing may be written.
        self._cursor = self._written = 0
        self._is_read = False
        self._counted: tuple[tuple[int, int], int] | None = (
            None  # how many wait, and for which cursor and newest number
        )
        self._written_at = self._retry_at = float("-inf")
        self._pause_s = 0.0
        self._disabled = self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._started_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self, newest: int) -> None:
        """Start to send, after `newest` if the webhook is new. Does nothing if it was started before."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(newest), name=f"webhook {self.number}")
            self._task.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Send no more, and record what was sent."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._idle.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._write()

    async def status(self) -> WebhookStatus:
        counts = self._counts
        waiting: int | None = None
        with suppress(StoreUnavailable):
            if self._is_read:
                waiting = await self._count_waiting()
        retrying = self._pause_s > 0 and not self._disabled
        return WebhookStatus(
            self.webhook.origin,
            "disabled" if self._disabled else "retrying" if retrying else "ok",
            waiting,
            counts.delivered,
            counts.failed,
            counts.given_up,
            counts.last_error,
            round(max(0.0, self._retry_at - time.monotonic()), 1) if retrying else None,
        )

    async def _count_waiting(self) -> int:
        """How many events wait. The database is asked only if something has changed, because a shot may wait for it."""
        place = self._cursor, self.log.position.seq
        if self._counted is None or self._counted[0] != place:
            self._counted = place, await self.log.count_after(place[0], self.webhook.events)
        return self._counted[1]

    async def _run(self, newest: int) -> None:
        self._cursor = self._written = await self._read_cursor(newest) if self.log.on_disk else newest
        self._is_read = True
        while not self._disabled:
            for event in await self._next():
                await self._handle(event)
                if self._disabled:
                    break
                self._cursor = event.seq
                if time.monotonic() - self._written_at >= _WRITE_EVERY_S:
                    await self._write()
            if not self._disabled:
                await self._write()

    async def _read_cursor(self, newest: int) -> int:
        while True:
            try:
                return await self.store.cursor(self.webhook.url, newest)
            except StoreUnavailable as error:
                _log.warning("%s waits until the disk can be used: %s", self._title, error)
                await asyncio.sleep(_DISK_AGAIN_S)

    async def _next(self) -> Sequence[LoggedEvent]:
        """The next events. Waits until there are some."""
        while True:
            self.some.clear()
            newest = self.log.position.seq
            try:
                oldest, events = await self.log.next_after(self._cursor, self.webhook.events, _BATCH)
            except StoreUnavailable as error:
                _log.warning("%s waits until the disk can be used: %s", self._title, error)
                await asyncio.sleep(_DISK_AGAIN_S)
                continue
            if oldest > self._cursor + 1:
                words = "%s: up to %d events were too old for the log before they could be sent"
                _log.warning(words, self._title, oldest - self._cursor - 1)
                self._cursor = oldest - 1
            if events:
                return events
            self._cursor = max(self._cursor, newest)
            await self.some.wait()

    async def _handle(self, event: LoggedEvent) -> None:
        """Send an event, again and again until it was delivered or given up, or until the webhook is disabled."""
        message = _message(event)
        while not self._disabled:
            # After a failed attempt, all events that are too old are given up, not only the one that was tried.
            if self._pause_s and self._age_s(event) >= self.times.give_up_s:
                _log.error("%s: event %s (%s) was given up", self._title, message.id, event.name)
                self._counts.given_up += 1
                return
            await asyncio.sleep(max(0.0, self._retry_at - time.monotonic()))
            if await self._try(message):
                return

    async def _try(self, message: Message) -> bool:
        """Send a message once; returns whether it was delivered."""
        if self._stopping:
            await asyncio.Event().wait()  # until the task is cancelled
        try:
            answer = await self._send(message)
        except WebhookFailed as error:
            self._failed(str(error), 0.0)
            return False
        if 200 <= answer.status < 300:
            if self._pause_s:
                _log.info("%s works again", self._title)
            self._pause_s = 0.0
            self._counts.delivered += 1
            self._counts.last_error = None
            return True
        self._disabled = answer.status == _GONE
        self._failed(_reason(answer), min(answer.retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S))
        return False

    async def _send(self, message: Message) -> Answer:
        delivery = Delivery(self.webhook, message, self.agent)
        self._idle.clear()
        try:
            return await self._handover.run(self.times.deadline_s, lambda call: delivery.send())
        except TimeoutError:
            raise WebhookFailed(f"no answer in {self.times.deadline_s:g} s") from None
        finally:
            self._idle.set()
            delivery.cut()

    def _failed(self, reason: str, least_pause_s: float) -> None:
        self._counts.failed += 1
        self._counts.last_error = reason
        if self._disabled:
            _log.error("%s: %s. Nothing more is sent to it until the server is restarted.", self._title, reason)
            return
        self._pause_s = min(max(2 * self._pause_s, self.times.first_pause_s), self.times.longest_pause_s)
        # The pauses differ a little, so that several servers do not try again all at the same time.
        pause_s = max(self._pause_s * random.uniform(1.0, 1.1), least_pause_s)
        self._retry_at = time.monotonic() + pause_s
        _log.warning("%s: %s. The next attempt is in %.0f s.", self._title, reason, pause_s)

    def _age_s(self, event: LoggedEvent) -> float:
        """The age of an event in seconds, but not more than the time since the start, whatever the system clock says.

        Events of earlier servers also count from the start: their times may come from a clock that was wrong.
        """
        return min(time.time() - event.at, time.monotonic() - self._started_at)

    async def _write(self) -> None:
        """Record the cursor, if it has changed."""
        if not (self._is_read and self.log.on_disk) or self._cursor == self._written:
            return
        cursor = self._cursor
        try:
            await self.store.advance(self.webhook.url, cursor)
        except StoreUnavailable as error:  # after a restart, some events are sent twice
            _log.warning("%s: what was sent cannot be recorded: %s", self._title, error)
        else:
            self._written, self._written_at = cursor, time.monotonic()


def _message(event: LoggedEvent) -> Message:
    values = json.loads(event.message)
    name, moment = values.pop("event"), values.pop("time")
    body = json.dumps({"type": name, "timestamp": moment, "data": values}).encode()
    return Message(f"{event.epoch}-{event.seq}", body)


def _reason(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return f"HTTP {answer.status}; redirects are not followed"
    return f"HTTP {answer.status}"
