"""The records of one camera's shots in the store, so that the next process or server can complete them.

If the store cannot be used, a shot without a key is taken anyway, and the log says that it was not recorded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from camera.errors import NotRecorded
from camera.ports import is_usb
from store.database import StoreUnavailable
from store.result import RecordedFile, ShotResult
from store.shots import NewShot, Outcome, ShotRecord, ShotStore, Value

_log = logging.getLogger("camera.photos.journal")


@dataclass(frozen=True, slots=True)
class Body:
    """What identifies a camera: its model, the serial number that it reports (if any), and its current port."""

    model: str
    serial: str | None
    port: str


@dataclass(frozen=True, slots=True)
class Order:
    """The request for a shot: the client's key (if any), and the request as text. Equal requests have equal texts."""

    key: str | None = None
    request: str = ""


class Journals:
    """The journals of all cameras.

    Two cameras may report the same model and serial number, so the port is part of a camera's identity as well. A
    camera on USB gets another port whenever it is plugged in. It is then taken for the camera in the store with this
    model and serial number that no other journal uses.
    """

    def __init__(self, shots: ShotStore) -> None:
        self.shots = shots
        self._users: dict[int, Journal] = {}
        self._choosing = asyncio.Lock()  # two cameras with one serial number may be opened at the same time

    def journal(self) -> Journal:
        """A journal for one camera."""
        return Journal(self, self.shots)

    async def number(self, body: Body, user: Journal, own: int | None) -> int:
        """The number of a camera in the store, which no other journal uses.

        Args:
            user: the journal of the camera.
            own: the number of this journal until now.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        async with self._choosing:
            return await self._choose(body, user, own)

    async def _choose(self, body: Body, user: Journal, own: int | None) -> int:
        model, serial = body.model, body.serial or ""
        known = await self.shots.cameras(model, serial)
        free = {number: port for number, port in known.items() if self._users.get(number, user) is user}
        exact = [number for number, port in free.items() if port == body.port]
        moved = [number for number, port in free.items() if serial and is_usb(port) and is_usb(body.port)]
        if own in free and own is not None and (own in exact or own in moved):
            number = own
        elif exact:
            number = exact[0]
        elif moved:
            number = moved[0]
        else:
            number = await self.shots.add_camera(model, serial, body.port)
        if known.get(number, body.port) != body.port:
            await self.shots.move_camera(number, body.port)
        for other in [other for other, owner in self._users.items() if owner is user]:
            del self._users[other]
        self._users[number] = user
        return number


class Journal:
    """Writes the records of one camera's shots, and reads the records that are not closed yet."""

    def __init__(self, journals: Journals, shots: ShotStore) -> None:
        self._journals = journals
        self._shots = shots
        self._body: Body | None = None
        self._camera: int | None = None
        self._shot: int | None = None
        # Outcomes that could not be written yet, for example because the disk was full.
        self._unwritten: dict[int, tuple[Outcome, ShotResult, Mapping[str, Value]]] = {}
        self._writing = asyncio.Lock()  # each outcome is recorded once

    async def identify(self, body: Body) -> None:
        """Set the camera that the next calls are about."""
        if body == self._body and self._camera is not None:
            return
        self._body, self._shot = body, None
        try:
            self._camera = await self._journals.number(body, self, self._camera)
        except StoreUnavailable as error:
            self._camera = None
            self._complain(error)

    async def begin(
        self, order: Order, asked_at: float, card_known: bool, added: Sequence[tuple[str, str]]
    ) -> int | None:
        """Record that a shot starts; returns its number, or None if it could not be recorded.

        Args:
            order: the request.
            asked_at: the time of the request, in seconds since 1970.
            card_known: whether the content of the card is known.
            added: folder and name of files that are new on the card since the last call.

        Raises:
            NotRecorded: the shot could not be recorded, and the order has a key.
        """
        self._shot = None
        if self._camera is not None and self._body is not None:
            new = NewShot(self._camera, self._body.port, order.key, order.request, asked_at, card_known)
            try:
                self._shot = await self._shots.begin(new, added)
            except StoreUnavailable as error:
                self._complain(error)
        if self._shot is None and order.key is not None:
            raise NotRecorded(
                "Nothing was done: the shot cannot be recorded, so its key could not prevent a second picture."
            )
        return self._shot

    async def changing(self, put_back: Mapping[str, Value]) -> None:
        """Record the settings that have to be restored after the shot, before they are changed."""
        if self._shot is not None:
            try:
                await self._shots.change(self._shot, "changed", put_back)
            except StoreUnavailable as error:
                self._complain(error)

    async def released(self, settled_at: float, added: Sequence[tuple[str, str]]) -> None:
        """Record that the shutter is being released.

        Args:
            settled_at: the latest time at which the camera writes the files, in seconds since 1970.
            added: folder and name of files that are new on the card since `begin`; they are not of this shot.
        """
        if self._shot is not None and self._camera is not None:
            try:
                await self._shots.released(self._shot, settled_at, self._camera, added)
            except StoreUnavailable as error:
                self._complain(error)

    async def saved(self, files: Sequence[RecordedFile], sync: bool) -> None:
        """Record the files of the shot that were saved until now. With `sync`, the record survives a power failure."""
        if self._shot is not None:
            try:
                await self._shots.saved(self._shot, ShotResult(tuple(files)), sync)
            except StoreUnavailable as error:
                self._complain(error)

    async def finish(
        self, shot: int | None, outcome: Outcome, result: ShotResult, put_back: Mapping[str, Value]
    ) -> None:
        """Record the outcome of a shot, and the settings that could not be restored yet."""
        if shot is not None:
            self._unwritten[shot] = (outcome, result, put_back)
            await self.write_outcomes()

    async def write_outcomes(self) -> None:
        """Record the outcomes that could not be recorded yet, for example because the disk was full."""
        async with self._writing:
            try:
                while self._unwritten:
                    shot, outcome = next(iter(self._unwritten.items()))
                    await self._shots.finish(shot, *outcome)
                    self._unwritten.pop(shot, None)
            except StoreUnavailable as error:
                self._complain(error)

    async def put_back(self, record: ShotRecord, left: Mapping[str, Value]) -> None:
        """Record the settings that still have to be restored after a shot."""
        try:
            await self._shots.change(record.shot, "closed" if record.outcome and not left else record.state, left)
        except StoreUnavailable as error:
            self._complain(error)

    async def open_shots(self) -> list[ShotRecord]:
        """The shots without a known outcome, or with settings to restore, oldest first. Empty if the store fails."""
        if self._camera is None:
            return []
        try:
            await self.write_outcomes()
            found = await self._shots.open_shots(self._camera)
            return [record for record in found if record.shot not in self._unwritten]
        except StoreUnavailable as error:
            self._complain(error)
            return []

    async def note_card(self, files: Iterable[tuple[str, str]]) -> None:
        """Record the content of a card that was just read: folder and name of each file."""
        if self._camera is not None:
            try:
                await self._shots.replace_card(self._camera, files)
            except StoreUnavailable as error:
                self._complain(error)

    async def card(self) -> dict[str, frozenset[str]] | None:
        """The recorded content of the card: names by folder. None if the content cannot be read."""
        if self._camera is None:
            return None
        try:
            return await self._shots.card(self._camera)
        except StoreUnavailable as error:
            self._complain(error)
            return None

    def _complain(self, error: StoreUnavailable) -> None:
        port = self._body.port if self._body is not None else "?"
        _log.warning("%s: shot not recorded: %s", port, error)


def as_text(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def now() -> float:
    """The current time in seconds since 1970."""
    return time.time()
