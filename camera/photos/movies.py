"""The movies of one camera: their records, and the search for their files, which a camera writes seconds after the end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from background import log_failure
from camera.errors import CameraDisconnected, CameraError, CameraIO, CameraTimeout, MovieStuck
from camera.events import MovieEnded
from camera.model import CapturedFile, is_movie, mimetype_of
from camera.photos.interrupted import InterruptedShots
from camera.photos.open_shot import MOVIE, Body, OpenShot, Order
from camera.remote import encode_error
from camera.turns import Access
from store.result import RecordedError, RecordedFile, ShotResult

_log = logging.getLogger("camera.photos.movies")

# The end of a movie waits this many times WRITE_TIME for its file; an interrupted movie, for its search. A Z6 needs 3 s for
# a movie of 10 s (libgphoto2 camlibs/ptp2/config.c); a slow card needs longer.
_FILE_TIMES, _SEARCH_TIMES = 3, 6
# A file that comes later, up to this many seconds after the end, still becomes the file of its movie.
_LATE_S = 300.0
# A camera that ends a movie by itself may report the file before the end is noticed. If it has reported a file, another
# one may follow within this time, in seconds: a long movie has several.
_QUIET_S = 3.0


@dataclass(frozen=True, slots=True)
class MovieResult:
    """A movie that has ended.

    Attributes:
        recorded_s: its length in seconds.
        files: its files; empty if they have not come in time.
        number: the number of its record; None if it was not recorded.
    """

    recorded_s: float
    files: tuple[CapturedFile, ...]
    number: int | None


@dataclass(eq=False)
class _Movie:
    """A movie whose files are not known yet.

    Attributes:
        record: its record.
        files: the paths of its files. A long movie has several.
        added: set when a file appears.
        ended: how it ended; None while the camera records.
        complete: whether its last file has come.
        result: completes with the result, also if the file does not come in time.
    """

    record: OpenShot
    files: list[str] = field(default_factory=list)
    added: asyncio.Event = field(default_factory=asyncio.Event)
    result: asyncio.Future[MovieResult] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    ended: MovieEnded | None = None
    complete: bool = False


class Movies:
    """Starts and stops movies, and finds their files.

    Args:
        interrupted: the interrupted shots, with the content of the card and the records.
        access: gives exclusive access to the camera.
        body: returns what identifies the camera now.
        write_time_s: the longest time until a picture is on the card, in seconds; see `PhotoOptions`.
        changed: called when `awaited` has changed.
    """

    def __init__(
        self,
        interrupted: InterruptedShots,
        access: Access,
        body: Callable[[], Body],
        write_time_s: float,
        changed: Callable[[], None],
    ) -> None:
        self._interrupted = interrupted
        self._access = access
        self._body = body
        self._file_s, self._search_s = _FILE_TIMES * write_time_s, _SEARCH_TIMES * write_time_s
        self._changed = changed
        self._current: _Movie | None = None  # from its start until its file has come, or is no longer waited for
        self._late: list[_Movie] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def awaited(self) -> bool:
        """Whether a movie is being recorded or written, or is about to start."""
        return self._current is not None

    @property
    def starting(self) -> bool:
        """Whether a movie is in progress or about to start, and has not ended."""
        return self._current is not None and self._current.ended is None

    async def start(self, max_s: float) -> int | None:
        """Start a movie. Returns the number of its record. See `RemoteCamera.start_movie`."""
        while True:
            async with self._access.for_client() as camera:
                if await self._interrupted.completed(camera):
                    order = Order(None, json.dumps({MOVIE: max_s}))
                    record = await self._interrupted.card.begin_shot(self._body(), order, False, self._search_s)
                    self._interrupted.card.begin_release()
                    movie = self._current = _Movie(record)
                    # If it is lost in a power failure, the next server does not know that the camera records.
                    self._start(self._interrupted.journal.sync(record), "sync movie")
                    try:
                        await camera.start_movie(max_s)
                    except BaseException as error:
                        await self._not_started(movie, error)
                        raise
                    return record.number
            await self._interrupted.next_search()

    async def stop(self) -> MovieResult:
        """Stop the movie, and wait for its file. See `Session.stop_movie`."""
        movie = self._current
        async with self._access.in_movie() as camera:
            await camera.stop_movie()
        if movie is None:
            raise CameraDisconnected("The movie has ended, and the server looks for its file.")
        return await asyncio.shield(movie.result)

    def ended(self, event: MovieEnded) -> None:
        """Called when the camera no longer records."""
        movie = self._current
        if movie is None or movie.ended is not None or self._stopped:
            return
        movie.ended = event
        movie.record.will_settle(self._search_s)
        _log.info("%s: movie ended after %.1f s (%s)", self._body().port, event.recorded_s, event.reason)
        self._start(self._collect(movie, event.recorded_s), "collect movie")

    def file_added(self, path: str) -> None:
        """Called when the camera has a new file."""
        if not is_movie(path):
            return
        movie = self._current
        if movie is None or movie.ended is None:  # the file of an earlier movie, or a part of a long one
            movie = next(iter(self._late), movie)
        if movie is not None and path not in movie.files:
            movie.files.append(path)
            movie.complete = movie.ended is not None
            movie.added.set()

    def lost(self) -> None:
        """Called when the camera is no longer open. The movie ends when it is opened again."""
        unfinished = [*self._late, *([self._current] if self._current is not None else [])]
        self._cancel()
        for movie in unfinished:
            if not movie.result.done():
                words = (
                    "The camera was lost. The server stops the movie when it connects again, and looks for its file."
                )
                movie.result.set_exception(CameraDisconnected(words))
                movie.result.exception()  # so that asyncio does not report it as never retrieved
        self._current, self._late = None, []
        if unfinished:
            self._interrupted.interrupted()

    async def stop_waiting(self) -> None:
        """Cancel all waits, because the server is shutting down. The records stay open for the next server.

        Movies that end later are not waited for.
        """
        self._stopped = True
        tasks = self._cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)

    def _cancel(self) -> set[asyncio.Task[None]]:
        for task in tuple(self._tasks):
            task.cancel()
        return set(self._tasks)

    async def _not_started(self, movie: _Movie, error: BaseException) -> None:
        if self._current is movie:
            self._current = None
        lost = isinstance(error, CameraDisconnected | CameraIO | CameraTimeout | MovieStuck)
        if isinstance(error, CameraError) and not lost:
            failed = ShotResult(error=RecordedError(error.message, encode_error(error)))
            await self._interrupted.journal.finish(movie.record, "failed", failed, _NOTHING)
        else:  # it may run; the next camera process stops it, and its file is searched for
            self._interrupted.interrupted()
        self._changed()

    async def _collect(self, movie: _Movie, recorded_s: float) -> None:
        """Wait for the file of a movie that has ended, and record the outcome."""
        number = movie.record.number
        with suppress(TimeoutError):
            async with asyncio.timeout(self._file_s):
                await self._file(movie)
        files: tuple[CapturedFile, ...] = ()
        if movie.complete:
            files = await self._described(movie)
            await self._finish(movie, files, recorded_s)
        else:
            self._late.append(movie)
        if self._current is movie:
            self._current = None
        movie.result.set_result(MovieResult(recorded_s, files, number))
        self._changed()
        if not files:
            await self._collect_late(movie, recorded_s)

    async def _collect_late(self, movie: _Movie, recorded_s: float) -> None:
        _log.warning("%s: no file of the movie after %.0f s", self._body().port, self._file_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LATE_S):
                await self._file(movie)
        self._late.remove(movie)
        if movie.complete:
            files = tuple(CapturedFile(path, None, mimetype_of(path)) for path in movie.files)
            await self._finish(movie, files, recorded_s)
        else:
            self._interrupted.interrupted()  # the card shows what became of it

    @staticmethod
    async def _file(movie: _Movie) -> None:
        """Wait until the last file of a movie that has ended has come."""
        by_itself = movie.ended is not None and movie.ended.reason in ("camera", "card_full")
        while not movie.complete:
            movie.added.clear()
            try:
                async with asyncio.timeout(_QUIET_S if by_itself and movie.files else None):
                    await movie.added.wait()
            except TimeoutError:
                movie.complete = True

    async def _described(self, movie: _Movie) -> tuple[CapturedFile, ...]:
        """The files with their sizes, as far as the camera reports them."""
        files: list[CapturedFile] = []
        for path in movie.files:
            try:
                async with self._access.in_movie() as camera:
                    files.append(await camera.file_info(path))
            except CameraError:
                files.append(CapturedFile(path, None, mimetype_of(path)))
        return tuple(files)

    async def _finish(self, movie: _Movie, files: tuple[CapturedFile, ...], recorded_s: float) -> None:
        self._interrupted.card.end_movie(file.path for file in files)
        recorded = tuple(RecordedFile(file.path, file.size) for file in files)
        result = ShotResult(recorded, message=f"Movie of {recorded_s:.1f} s recorded")
        await self._interrupted.journal.finish(movie.record, "done", result, _NOTHING)


_NOTHING: Mapping[str, str] = {}
