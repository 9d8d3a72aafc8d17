"""Who makes room where too many have not logged in: nobody can lock the others out by saying nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from auth import household

GuestT = TypeVar("GuestT")


class Handshakes:
    """TLS handshakes under way: each costs memory before anybody is there whom other limits could count.

    Whose they are is not known yet, so a flood of silent ones (some 85 a second) does keep others out while it lasts;
    those that are connected stay.

    Args:
        most: as many may be under way.
        seconds: after which one is over, whatever became of it; nobody tells of those that fail.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._begun: dict[int, float] = {}  # in the order in which they began

    def begin(self, who: object) -> None:
        """One more.

        Raises:
            ConnectionRefusedError: would be too many.
        """
        now = time.monotonic()
        while self._begun and next(iter(self._begun.values())) < now - self._seconds:
            del self._begun[next(iter(self._begun))]
        if len(self._begun) >= self._most:
            raise ConnectionRefusedError(f"{self._most} TLS handshakes are under way")
        self._begun.pop(id(who), None)  # of one that failed and whose place in memory this one has
        self._begun[id(who)] = now

    def end(self, who: object) -> None:
        """That one has become a connection."""
        self._begun.pop(id(who), None)


def who_makes_room(guests: Iterable[GuestT], address: Callable[[GuestT], str]) -> GuestT | None:
    """The one that waits longest among those of the household that most of them come from; None without guests.

    So a flood from one address, or one network of IPv6, pushes out its own. Where all come from different addresses, it is the oldest.

    Args:
        guests: in the order in which they came.
        address: where one of them comes from.
    """
    waiting = [(guest, household(address(guest))) for guest in guests]
    crowds = Counter(place for _, place in waiting)
    most = max(crowds.values(), default=0)
    return next((guest for guest, place in waiting if crowds[place] == most), None)
