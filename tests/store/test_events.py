"""The log of events: how long events are kept, and how the waiting ones are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from store.database import Store
from store.events import MOST_EVENTS, EventStore, LoggedEvent
from store.schema import MIGRATIONS

DAY_S = 86_400.0
NOW = 1_790_000_000.0


class Clock:
    """A clock that is never stepped; the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(None, MIGRATIONS)
    yield store
    store.close()


def happened(first: int, last: int, at: float) -> list[LoggedEvent]:
    return [
        LoggedEvent(seq, at, "file_added" if seq % 2 else "capture_saved", b"{}", "1") for seq in range(first, last + 1)
    ]


async def oldest(events: EventStore) -> int | None:
    return (await events.next_after(0, ["file_added"], 1))[0]


async def test_a_step_of_the_system_clock_removes_nothing(store: Store) -> None:
    events = EventStore(store, Clock())
    await events.open()
    await events.add(happened(1, 400, NOW - 20 * DAY_S))
    await events.add(happened(401, 1600, NOW))
    assert await oldest(events) == 1
    next_server = EventStore(store, Clock())
    await next_server.open()
    await next_server.add(happened(1601, 2600, NOW + 20 * DAY_S))
    assert await oldest(next_server) == 1


async def test_events_are_removed_after_seven_days(store: Store) -> None:
    clock = Clock()
    events = EventStore(store, clock)
    await events.open()
    await events.add(happened(1, 1200, NOW))
    clock.seconds += 6 * DAY_S
    await events.add(happened(1201, 1700, NOW))
    assert await oldest(events) == 1
    clock.seconds += 1.1 * DAY_S
    await events.add(happened(1701, 2200, NOW))
    assert await oldest(events) == 1201
    clock.seconds += 6 * DAY_S
    await events.add(happened(2201, 2700, NOW))
    assert await oldest(events) == 1701


async def test_events_of_the_last_server_are_removed_seven_days_after_its_end(store: Store) -> None:
    events = EventStore(store, Clock())
    await events.open()
    await events.add(happened(1, 100, NOW), last=True)
    clock = Clock()
    events = EventStore(store, clock)
    await events.open()
    clock.seconds += 7.1 * DAY_S
    await events.add(happened(101, 600, NOW))
    assert await oldest(events) == 101


async def test_the_newest_events_are_kept(store: Store) -> None:
    events = EventStore(store, Clock())
    await events.open()
    await events.add(happened(1, MOST_EVENTS + 20, NOW))
    assert await oldest(events) == 21


async def test_events_are_counted_by_number_and_name(store: Store) -> None:
    events = EventStore(store)
    await events.open()
    await events.add(happened(1, 10, NOW))
    assert await events.count(0, 11, ["file_added"]) == 5
    assert await events.count(1, 9, ["file_added"]) == 3
    assert await events.count(1, 9, ["file_added", "capture_saved"]) == 7
    assert await events.count(10, 11, ["file_added", "capture_saved"]) == 0
