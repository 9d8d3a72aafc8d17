"""Who makes room where too many have not logged in: nobody can lock the others out by saying nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from auth import household

GuestT = TypeVar("GuestT")


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
