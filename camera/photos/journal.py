"""The shots of one camera that are not completed yet, and their records in the store.

The journal knows the shots. The store has a copy, with which the next server can complete them. If the store cannot be
used, a shot without a key is taken anyway, and its record is written as soon as the store can be used again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress

from camera.errors import NotRecorded
from camera.photos.open_shot import MOVIE, Body, OpenShot, Order, now
from camera.ports import is_usb
from store.database import StoreUnavailable
from store.result import RecordedFile, ShotResult
from store.shots import HOLDING, CardChange, NewShot, Outcome, ShotChange, ShotStore, Value

_log = logging.getLogger("camera.photos.journal")

# While the disk is full, so many completed shots without a key wait for their records; older ones are forgotten.
_MOST_UNWRITTEN = 1000
# A capture waits for so many records of earlier shots. More are written in the background.
_MOST_BEFORE_A_SHOT = 3


class Journals:
    """The journals of all cameras.

    Two cameras may report the same model and serial number, so the port is part of a camera's identity as well. A
    camera on USB gets another port whenever it is plugged in. It is then taken for the camera in the store with this
    model and serial number that no other journal uses.
    """

    def __init__(self, shots: ShotStore) -> None:
        self.shots = shots
        self._interrupted: dict[str, bool] = {}
        self._users: dict[int, Journal] = {}
        self._starting = asyncio.Lock()
        self._choosing = asyncio.Lock()  # two cameras with one serial number may be opened at the same time

    def journal(self) -> Journal:
        """A journal for one camera."""
        return Journal(self, self.shots)

    async def exposure_interrupted(self) -> bool:
        """Whether an earlier server may have left a shutter open, or a button pressed.

        That is so if it was killed, and if the records have an exposure without an end.
        """
        async with self._starting:
            if "kill" not in self._interrupted:
                try:
                    self._interrupted["kill"] = await self.shots.begin_run()
                except StoreUnavailable:
                    return True
        return self._interrupted["kill"] or await self._interrupted_in("exposure", HOLDING)

    async def movie_interrupted(self) -> bool:
        """Whether an earlier server may have ended during a movie, so that a camera may still record."""
        return await self._interrupted_in("movie", {MOVIE})

    async def _interrupted_in(self, kind: str, keys: AbstractSet[str]) -> bool:
        if kind not in self._interrupted:  # asked before the first capture, so that it is about earlier servers
            try:
                self._interrupted[kind] = await self.shots.has_open(keys)
            except StoreUnavailable:
                return True  # to release a button that is not pressed, or to stop no movie, does no harm
        return self._interrupted[kind]

    async def released(self) -> None:
        """Record that the server ends, and leaves no shutter open and no button pressed."""
        with suppress(StoreUnavailable):  # then the next server releases the buttons
            await self.shots.end_run()

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
    """The shots of one camera that are not completed yet.

    Attributes:
        complete: whether the shots of earlier servers were read. If not, there may be others.
    """

    def __init__(self, journals: Journals, shots: ShotStore) -> None:
        self.complete = False
        self._journals = journals
        self._shots = shots
        self._body: Body | None = None
        self._camera: int | None = None
        self._open: list[OpenShot] = []
        self._changes: list[CardChange] = []  # changes of the card that are not in the store yet
        self._withdrawn: deque[float] = deque(
            maxlen=_MOST_UNWRITTEN
        )  # shots that were not taken, by their asked_uptime_s
        # The content of the card (folder, name) that must still be written to the store; None if there is nothing to write.
        self._unwritten_card: set[tuple[str, str]] | None = None
        self._writing, self._inserting, self._writing_card = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    @property
    def camera(self) -> int | None:
        """The number of the camera in the store; None if it is not known yet."""
        return self._camera

    async def identify(self, body: Body) -> None:
        """Set the camera that the next calls are about."""
        if body == self._body and self.complete:
            return
        if self._body is None or not body.same_camera(self._body):
            # Shots of another camera that are not in the store yet stay here, in case that camera returns.
            self._open = [shot for shot in self._open if shot.unwritten]
            self._changes, self._unwritten_card, self.complete, self._camera = [], None, False, None
        self._body = body
        try:
            number = await self._journals.number(body, self, self._camera)
        except StoreUnavailable as error:
            self._camera, self.complete = None, False
            self._complain(error)
            return
        if number != self._camera:
            self._camera, self.complete = number, False
        await self._read()

    async def begin(self, order: Order, card_known: bool, prepared: bool, settles_s: float) -> OpenShot:
        """Record that a shot starts.

        Args:
            order: the request.
            card_known: whether the content of the card is known.
            prepared: whether settings are changed before the release. If not, the shutter may be released at once.
            settles_s: an estimate of the seconds until the camera has certainly written the files.

        Raises:
            NotRecorded: the shot could not be recorded, and the order has a key.
        """
        assert self._body is not None, "the camera is identified first"
        if 0 < sum(shot.unwritten for shot in self._open) <= _MOST_BEFORE_A_SHOT and not self._writing.locked():
            await self.write_outcomes()
        shot = OpenShot(self._body, order, now(), card_known, settles_s, state="asked" if prepared else "released")
        shot.will_settle(settles_s)
        if not await self._insert(shot) and order.key is not None:
            self._withdrawn.append(shot.asked_uptime_s)
            raise NotRecorded(
                "Nothing was done: the shot cannot be recorded, so its key could not prevent a second picture."
            )
        self._open.append(shot)
        return shot

    def change_card(self, changes: Iterable[CardChange]) -> None:
        """Note changes of the card. An added file must belong to no shot in progress."""
        self._changes += changes

    async def changing(self, shot: OpenShot, put_back: Mapping[str, Value]) -> None:
        """Record the settings that have to be restored after the shot, before they are changed."""
        if shot.state == "asked":
            shot.state = "changed"
        shot.put_back = put_back
        await self._write(shot)

    async def releasing(self, shot: OpenShot, settles_s: float) -> None:
        """Record that the shutter may be released from now on, if that is not recorded yet.

        Without this record, the next server would conclude that the shutter was not released.

        Raises:
            NotRecorded: it cannot be recorded, although the start of the shot was recorded.
        """
        if shot.state == "released":
            return
        before, shot.state = shot.state, "released"
        shot.will_settle(settles_s)
        if not await self._write(shot) and (shot.number is not None or shot.perhaps_recorded):
            shot.state = before
            raise NotRecorded("The shutter was not released, because the shot could not be recorded.")

    async def released(self, shot: OpenShot, settles_s: float) -> None:
        """Record that the shutter is being released, so that the record survives a power failure."""
        shot.will_settle(settles_s)
        await self._write(shot, sync=True)

    async def sync(self, shot: OpenShot) -> None:
        """Sync the record, so that it survives a power failure. Does nothing if it is synced or settled already."""
        if not shot.synced and not shot.settled:
            await self._write(shot, sync=True)

    async def saved(self, shot: OpenShot, files: Sequence[RecordedFile], sync: bool) -> bool:
        """Record the files of the shot that were saved until now; returns whether it was possible.

        With `sync`, the record survives a power failure.
        """
        shot.result = ShotResult(tuple(files))
        return await self._write(shot, sync=sync)

    async def finish(self, shot: OpenShot, outcome: Outcome, result: ShotResult, put_back: Mapping[str, Value]) -> None:
        """Record the outcome of a shot, and the settings that could not be restored yet."""
        shot.outcome, shot.result, shot.put_back = outcome, result, put_back
        shot.state = "told" if put_back else "closed"
        await self._write(shot, sync=True)

    async def put_back(self, shot: OpenShot, left: Mapping[str, Value]) -> None:
        """Record the settings that still have to be restored after a shot."""
        shot.put_back = left
        if shot.outcome is not None and not left:
            shot.state = "closed"
        await self._write(shot)

    def open_shots(self) -> list[OpenShot]:
        """The shots without a known outcome, or with settings to restore, oldest first."""
        return [shot for shot in self._open if self._is_here(shot) and not shot.settled]

    async def write_outcomes(self) -> None:
        """Write what is not written yet: changes of the card, and records that a full disk has delayed, for example."""
        await self._journals.exposure_interrupted()  # again, if the store could not be used when the camera was opened
        if self._body is None:
            return
        async with self._writing:
            await self.identify(self._body)
            await self._write_card()
            while self._withdrawn and await self._withdraw(self._withdrawn[0]):
                self._withdrawn.popleft()
            for shot in [shot for shot in self._open if shot.unwritten]:
                if self._is_here(shot) and not await self._write(shot, sync=True):
                    return
            await self._write_changes()

    async def note_card(self, files: Iterable[tuple[str, str]]) -> None:
        """Record the content of a card that was just read: folder and name of each file."""
        self._changes, self._unwritten_card = [], set(files)
        await self._write_card()

    async def card(self) -> dict[str, frozenset[str]] | None:
        """The recorded content of the card: names by folder. None if the content cannot be read."""
        if self._camera is None:
            return None
        try:
            return await self._shots.card(self._camera)
        except StoreUnavailable as error:
            self._complain(error)
            return None

    # -- the store

    async def _write_card(self) -> None:
        """Write the content of the card, if no earlier shot needs the content that the store has."""
        async with self._writing_card:
            if self._camera is None or self._unwritten_card is None or not self.complete or self._outcome_unwritten():
                return
            if any(shot.outcome is None for shot in self._open if self._is_here(shot)):
                return  # its files are found by comparison with the older content
            files, self._unwritten_card = self._unwritten_card, None
            for change in self._changes:
                (files.add if change.added else files.discard)((change.folder, change.name))
            self._changes = []
            try:
                await self._shots.replace_card(self._camera, files)
            except StoreUnavailable as error:
                if self._unwritten_card is None:  # no newer content
                    self._unwritten_card = files
                self._complain(error)

    async def _write_changes(self) -> None:
        """Write the changes of the card that belong to no shot."""
        changes = self._take_changes()
        if not changes or self._camera is None:
            return
        async with self._writing_card:
            try:
                await self._shots.change_card(self._camera, changes)
            except StoreUnavailable as error:
                if self._unwritten_card is None:  # no newer content
                    self._changes[:0] = changes
                self._complain(error)

    async def _withdraw(self, asked_uptime_s: float) -> bool:
        try:
            await self._shots.withdraw(asked_uptime_s)
        except StoreUnavailable as error:
            self._complain(error)
            return False
        return True

    def _is_here(self, shot: OpenShot) -> bool:
        return self._body is not None and shot.body.same_camera(self._body)

    async def _read(self) -> None:
        """Read the shots of earlier servers, once."""
        if self.complete or self._camera is None or self._body is None:
            return
        try:
            records = await self._shots.open_shots(self._camera)
        except StoreUnavailable as error:
            self._complain(error)
            return
        known = {shot.number for shot in self._open}
        self._open[:0] = [
            OpenShot.of(record, self._body, self._shots.boot) for record in records if record.shot not in known
        ]
        self.complete = True

    async def _insert(self, shot: OpenShot) -> bool:
        """Add the record of a shot; returns whether it was possible."""
        shot.unwritten = True
        async with self._inserting:
            if shot.number is None:
                if self._camera is None or not self._is_here(shot):
                    return False
                order = shot.order
                if not self._writing_card.locked():
                    await self._write_card()
                changes = self._take_changes(shot)
                # If changes remain, the recorded content of the card is older than this shot.
                known = shot.card_known and self.complete and self._unwritten_card is None and not self._changes
                new = NewShot(
                    self._camera, shot.body.port, order.key, order.request, shot.asked_at,
                    known and not self._writing_card.locked(), self._shots.boot, shot.asked_uptime_s,
                )  # fmt: skip
                try:
                    # Also the outcome, if it is known by now: the changes of the card may have the files of this shot.
                    shot.number = await self._shots.add(new, _values(shot), changes)
                except StoreUnavailable as error:
                    shot.perhaps_recorded |= not error.unchanged
                    self._changes[:0] = changes
                    self._complain(error)
                    self._forget_oldest()
                    return False
                shot.unwritten = False
        return True

    async def _write(self, shot: OpenShot, sync: bool = False) -> bool:
        """Write the record of a shot; returns whether it was possible. A shot that is completed is then forgotten."""
        shot.changes += 1
        shot.unwritten, shot.synced = True, False
        if shot.number is None and not await self._insert(shot):
            return False
        assert shot.number is not None, "it was inserted"
        shot.unwritten = True
        changes, camera, card = shot.changes, self._camera, self._take_changes(shot)
        try:
            await self._shots.update(shot.number, _values(shot), sync, camera, card)
        except StoreUnavailable as error:
            self._changes[:0] = card
            self._complain(error)
            return False
        if shot.changes == changes:
            shot.unwritten, shot.synced = False, sync
            if shot.settled and shot in self._open:
                self._open.remove(shot)
        return True

    def _outcome_unwritten(self, but: OpenShot | None = None) -> bool:
        """Whether the store has no outcome of a shot that is known here, other than `but`.

        Until it has, the next server may search for the files of that shot. So they must not be in the recorded
        content of the card yet.
        """
        return any(
            shot.unwritten and shot.outcome is not None
            for shot in self._open
            if shot is not but and self._is_here(shot)
        )

    def _forget_oldest(self) -> None:
        """Limit the memory for completed shots that cannot be recorded."""
        waiting = [shot for shot in self._open if shot.settled and shot.number is None]
        for shot in waiting[:-_MOST_UNWRITTEN]:
            self._open.remove(shot)

    def _take_changes(self, shot: OpenShot | None = None) -> list[CardChange]:
        """The changes of the card that may be written now, perhaps together with a shot."""
        if not self.complete or self._camera is None or self._unwritten_card is not None:
            return []
        if self._writing_card.locked() or self._outcome_unwritten(shot):
            return []
        changes, self._changes = self._changes, []
        return changes

    def _complain(self, error: StoreUnavailable) -> None:
        port = self._body.port if self._body is not None else "?"
        _log.warning("%s: shot not recorded: %s", port, error)


def _values(shot: OpenShot) -> ShotChange:
    """The current values of a shot, as they are recorded."""
    return ShotChange(shot.state, shot.settles_s, shot.put_back, shot.outcome, shot.result)
