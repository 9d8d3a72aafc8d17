"""Movies: recording, the limits of the body, and the file, which the card has only some time after the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from .card import FORMAT_MOVIE, Card, StoredFile
from .faults import Faults, Kind
from .pieces import Pieces

BYTES_PER_SECOND = 200_000
"""The size of a movie; much less than that of a real one, so that tests are quick."""

LONGEST_SECONDS = 1799.0
"""The body ends a movie by itself after this time, as many bodies do."""

_SHORTEST_WRITING, _WRITING_SHARE = 0.3, 0.3
"""The file is on the card after this time, or after this share of the length of the movie: a Z6 needs 3 s for 10 s."""

_FIRST_NUMBER = 9001
"""Movies have numbers of their own, so that no movie has the number of a picture."""

_BLOCK = bytes(64 * 1024)


class MovieRejected(Exception):
    """The body does not start a movie."""


class MovieListener(Protocol):
    """Functions that are called at the steps of a movie. In them, the maker's dialect emits events to the driver."""

    def movie_started(self) -> None:
        """Called when the body has started to record."""

    def movie_ended(self, interrupted: bool) -> None:
        """Called when the body no longer records. ``interrupted``: the body has ended the movie by itself."""

    def movie_stored(self, stored: StoredFile) -> None:
        """Called when the file is on the card."""


@dataclass
class Take:
    """One movie, for the journal of the body.

    Attributes:
        number: the number in the name of its file. It is never used twice, also after a reset.
        at: when it started, in seconds of the machine's monotonic clock.
        button: whether the camera's own button has started it.
        recorded_s: its length; None while the body records.
        ended_by: host, button, limit, card full, or live view (which a host has switched off).
        path: the file, when it is on the card.
    """

    number: int
    at: float
    button: bool
    recorded_s: float | None = None
    ended_by: str | None = None
    path: str | None = None


class Recorder:
    """Records movies. A movie goes on when the host disconnects."""

    def __init__(self, card: Callable[[], Card], faults: Faults, clock: Callable[[], float]) -> None:
        """Start without a movie; ``card`` and ``clock`` return the current card and the time of the camera."""
        self._card = card
        self._faults = faults
        self._clock = clock
        self.takes: list[Take] = []
        self._numbers = count(_FIRST_NUMBER)
        self.prohibited = 0
        """Further reasons why no movie can be started, as a Nikon reports them: bits of 0xD0A4."""
        self._take: Take | None = None
        self._listener: MovieListener | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def recording(self) -> bool:
        """Whether the body records now."""
        return self._take is not None

    @property
    def writing(self) -> bool:
        """Whether the file of a movie is not on the card yet."""
        return bool(self._writing)

    def start(self, listener: MovieListener, button: bool = False) -> None:
        """Start a movie.

        Raises:
            MovieRejected: A movie is in progress or being written, or the card is full or write-protected.
        """
        card = self._card()
        if self._take or self._writing or card.write_protected or card.free_bytes(1) < 1:
            raise MovieRejected
        self._take = Take(next(self._numbers), time.monotonic(), button)
        self.takes.append(self._take)
        self._listener = listener
        self._limit = asyncio.get_running_loop().call_later(LONGEST_SECONDS, self.end, "limit")
        listener.movie_started()

    def end(self, by: str) -> bool:
        """End the movie, and write its file. Returns False if there is none."""
        take, listener, self._take = self._take, self._listener, None
        if take is None or listener is None:
            return False
        if self._limit:
            self._limit.cancel()
        take.recorded_s, take.ended_by = time.monotonic() - take.at, by
        late = self._faults.take({Kind.LATE_MOVIE})
        seconds = late.seconds if late else max(_SHORTEST_WRITING, _WRITING_SHARE * take.recorded_s)
        task = asyncio.create_task(self._write(take, listener, seconds))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        listener.movie_ended(interrupted=by != "host")
        return True

    def reset(self) -> None:
        """Forget all movies, without an event."""
        self._take = None
        self.takes = []
        self.prohibited = 0
        if self._limit:
            self._limit.cancel()
        for task in self._writing:
            task.cancel()
        self._writing = set()

    async def _write(self, take: Take, listener: MovieListener, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._faults.take({Kind.NO_FILE}):
            return
        card = self._card()
        stored = StoredFile(
            handle=card.next_handle(),
            parent=card.current_folder,
            name=f"{card.layout.movie}{take.number:04d}.MOV",
            format=FORMAT_MOVIE,
            taken=self._clock() - seconds,
            content=_quicktime(int((take.recorded_s or 0.0) * BYTES_PER_SECOND)),
        )
        card.add(stored)
        take.path = card.path(stored)
        listener.movie_stored(stored)


def _quicktime(size: int) -> Pieces:
    """A QuickTime file with ``size`` bytes of empty content: the boxes ``ftyp`` and ``mdat``."""
    kind = (20).to_bytes(4, "big") + b"ftypqt  \0\0\2\0qt  "
    blocks, rest = divmod(size, len(_BLOCK))
    return Pieces([kind, (8 + size).to_bytes(4, "big") + b"mdat", *[_BLOCK] * blocks, bytes(rest)])
