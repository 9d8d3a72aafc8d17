"""Captures with a key: a repeated request gets the outcome of the first, also after a restart of the server."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from camera.photos.request import Shot
from protocol import commands as c
from protocol.errors import RequestError
from service.tasks import Tasks
from store.database import StoreUnavailable
from store.shots import HOLDING, ShotRecord, ShotStore

# A longer request is recorded as its digest, so that clients cannot fill the disk.
_LONGEST_TEXT = 2000
# A capture with a key stays in the queue after its client has disconnected, so the number of such captures is limited.
_MOST_RUNNING = 64
# How long a repeated request gets the outcome of the first.
_KEPT_S = 24 * 3600.0

Taken = Shot | ShotRecord
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Running:
    request: str
    task: asyncio.Task[Any]


def text_of(payload: c.CaptureImage | c.CaptureBurst) -> str:
    """The request without its key, as text that is equal for equal requests."""
    values = payload.model_dump(mode="json")
    return _text(payload, {name: values[name] for name in sorted(HOLDING) if values.get(name) is not None})


def text_of_volley(payload: c.Fire) -> str:
    """The request without its key, as text that is equal for equal requests."""
    return _text(payload, {"fire": True})


def text_of_slot(key: str, **marks: object) -> str:
    """The request for a slot of a job. `marks`: of `HOLDING`, if the shutter is held, or its button pressed."""
    return json.dumps({"slot": key} | marks, sort_keys=True)


def _text(payload: c.Payload, marks: dict[str, object]) -> str:
    """The request without its key as JSON, with the `marks`, for which `ShotStore.has_open_exposure` searches."""
    values = payload.model_dump(mode="json", exclude={"key", "force"}, exclude_defaults=True)
    text = json.dumps(values | marks, sort_keys=True)
    if len(text) <= _LONGEST_TEXT:
        return text
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()} | marks)


class Orders:
    """The captures with a key.

    Args:
        shots: the records of earlier captures.
        tasks: runs captures, which continue if their callers disconnect.
    """

    def __init__(self, shots: ShotStore, tasks: Tasks) -> None:
        self._shots = shots
        self._tasks = tasks
        self._running: dict[str, _Running] = {}

    def take(self, key: str, request: str, capture: Callable[[], Awaitable[Shot]]) -> tuple[asyncio.Task[Taken], bool]:
        """The task of the capture with this key, and whether the capture was already in progress.

        The result of the task is a shot, or the record of an earlier capture with this key.

        Raises:
            RequestError: as `start`. For an earlier capture, the task raises key_reused.
        """
        return self.start(key, request, lambda: self._once(key, request, capture))

    def start(self, key: str, request: str, work: Callable[[], Awaitable[T]]) -> tuple[asyncio.Task[T], bool]:
        """The task of the request with this key, and whether it was already in progress.

        Raises:
            RequestError: too_many_pending; key_reused if the key is that of another request in progress.
        """
        running = self._running.get(key)
        if running is not None:
            if running.request != request:
                raise _reused(key)
            return running.task, True
        if len(self._running) >= _MOST_RUNNING:
            raise RequestError(
                "too_many_pending",
                f"{_MOST_RUNNING} captures with a key are waiting, and nothing was done.",
                limit=_MOST_RUNNING,
            )
        task = self._tasks.start(work())
        self._running[key] = _Running(request, task)
        task.add_done_callback(lambda _: self._running.pop(key))
        return task, False

    async def earlier(self, key: str, request: str) -> ShotRecord | None:
        """The record of an earlier capture with this key.

        Raises:
            RequestError: key_reused, or the records cannot be read.
        """
        with readable():
            earlier = await self._shots.with_key(key)
        if earlier is None or self._shots.age_s(earlier) > _KEPT_S:
            return None
        if earlier.request != request:
            raise _reused(key)
        return earlier

    async def earlier_volley(self, key: str, request: str) -> list[ShotRecord]:
        """The records of an earlier volley with this key, one for each camera that took part; none without a volley.

        Raises:
            RequestError: key_reused, or the records cannot be read.
        """
        with readable():
            records = await self._shots.all_with_key(key)
        records = [record for record in records if self._shots.age_s(record) <= _KEPT_S]
        if any(record.request != request for record in records):
            raise _reused(key)
        return records

    async def _once(self, key: str, request: str, capture: Callable[[], Awaitable[Shot]]) -> Taken:
        if (record := await self.earlier(key, request)) is not None:
            return record
        return await capture()


@contextmanager
def readable() -> Iterator[None]:
    """Turn StoreUnavailable into the error for clients."""
    try:
        yield
    except StoreUnavailable as error:
        raise RequestError(
            "not_recorded", f"Nothing was done, because the records cannot be read now. {error}"
        ) from None


def _reused(key: str) -> RequestError:
    return RequestError(
        "key_reused",
        f"Another request had the key {key!r}, and nothing was done. Use a new key for each shot.",
        key=key,
    )
