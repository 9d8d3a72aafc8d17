"""The job info of all cameras (job, label, artist, copyright, owner), and the numbers of shots.

They are kept in memory, with a copy in the store for the next server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType

from camera.errors import NotRecorded
from store.database import StoreUnavailable
from store.job_info import JobInfo, JobInfoStore

_log = logging.getLogger("camera.photos.job_info")

# The key of the words that apply to all cameras.
ALL_CAMERAS = ""


class JobInfos:
    """The words and numbers of all cameras. A camera is identified by its serial number, or else by its port.

    Args:
        store: saves them for the next start of the server; None to keep them only in memory.
        labels: the operator's labels by serial number.
    """

    def __init__(self, store: JobInfoStore | None = None, labels: Mapping[str, str] = MappingProxyType({})) -> None:
        self._store = store
        self._labels = {_key(serial): label for serial, label in labels.items()}
        self._words: dict[str, JobInfo] | None = {} if store is None else None  # None until they were read
        self._last: dict[str, int] = {}
        self._reading = asyncio.Lock()

    async def words(self, camera: str) -> JobInfo:
        """The words for pictures of a camera: its own, or else those for all cameras."""
        everything = await self._read()
        own, shared = everything.get(_key(camera), JobInfo()), everything.get(ALL_CAMERAS, JobInfo())
        merged = {one.name: getattr(own, one.name) or getattr(shared, one.name) for one in fields(JobInfo)}
        return JobInfo(**{**merged, "label": own.label or self._labels.get(_key(camera), "")})

    async def set(self, camera: str, changes: Mapping[str, str]) -> str | None:
        """Change words of a camera, or of all cameras (`ALL_CAMERAS`), by the names of the fields.

        Returns:
            A sentence that says why they will be lost when the server ends; None if they are recorded.

        Raises:
            NotRecorded: the words of an earlier server cannot be read, and would be lost.
        """
        everything = await self._read()
        if self._words is None:
            raise NotRecorded("Nothing was changed, because the earlier job info cannot be read now.")
        key = _key(camera)
        words = everything[key] = replace(everything.get(key, JobInfo()), **changes)
        try:
            if self._store is not None:
                await self._store.set_words(key, words)
        except StoreUnavailable as error:
            return f"This is kept only until the server ends. {error}"
        return None

    async def next_number(self, job: str) -> int:
        """The number of the next shot of a job, from 1. If the store cannot be used, it is counted in memory."""
        wanted = self._last.get(job, 0) + 1
        self._last[job] = wanted  # before the store answers, because another camera may ask meanwhile
        if self._store is None:
            return wanted
        try:
            number = await self._store.next_number(job, wanted)
        except StoreUnavailable as error:
            _log.warning("The number of the shot is counted in memory only: %s", error)
            return wanted
        self._last[job] = max(number, self._last[job])
        return number

    async def _read(self) -> dict[str, JobInfo]:
        """The words, which are read from the store once. If it cannot be read, it is tried again at the next use."""
        async with self._reading:
            if self._words is None:
                assert self._store is not None, "without a store, nothing has to be read"
                try:
                    self._words = await self._store.words()
                except StoreUnavailable as error:
                    _log.warning("Job and labels of an earlier server are not known: %s", error)
                    return {}
            return self._words


def _key(camera: str) -> str:
    """USB and PTP report the same serial number, but in one of them it may have leading zeros."""
    return camera.lstrip("0")
