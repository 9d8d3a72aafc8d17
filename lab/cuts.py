"""Power cuts while photos are saved: the guest is killed, and its disk loses what was not flushed.

After each boot, every photo reported to a client must be whole: the saved file has the digest of the camera's file.
Each shot without a reply must get an outcome that agrees with the camera's own journal, and a request with the same
key must not take a second picture.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gphoto_ws_client import Captured, CaptureSaved, Client, Events, GphotoWsError, ServerError, Shot

from lab.checks import Lab
from lab.disk import Disk
from lab.figures import spread
from lab.product import ready
from lab.system import PHOTO_DISK_AT

_PHOTOS = f"{PHOTO_DISK_AT}/photos"
_RAW_AND_JPEG = {"imageformat": "RAW + L"}
# For each cut, the share of the volatile blocks that the disk has written already.
_KEPT = (0.0, 0.0, 0.5)
_OUTCOME_S = 60.0
_LISTED = 50
_ARRIVING_S = 0.1
"""For replies that the server has sent before the cut."""
# Two files that show whether the disk loses what was not flushed: one is synced, the other is not.
_SYNCED, _UNSYNCED = f"{PHOTO_DISK_AT}/lab-synced", f"{PHOTO_DISK_AT}/lab-unsynced"


@dataclass
class _Order:
    """A request for a photo, after `before` releases. `reply` is None if no reply arrived before the cut."""

    key: str
    port: str
    before: int
    raw: bool
    keep: bool
    reply: Captured | None = None


@dataclass
class Tally:
    """What the cuts have shown. `broken` has a sentence for each broken promise."""

    cuts: int = 0
    told_photos: int = 0
    in_flight: int = 0
    repeated_keys: int = 0
    only_on_camera: int = 0
    unsynced_lost: int = 0
    blocks_lost: int = 0
    cuts_with_loss: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    back_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Cuts:
    """A number of power cuts.

    Args:
        disk: the disk of the photos and of the server's state.
        rng: decides about the orders, the moments of the cuts and the blocks that survive.
    """

    def __init__(self, lab: Lab, disk: Disk, rng: random.Random) -> None:
        self._lab, self._disk, self._rng = lab, disk, rng
        self._orders: list[_Order] = []
        self._took = list[float]()
        # The path of each photo that was reported to a client, with its path on the camera.
        self._told: dict[str, str] = {}
        # The digest of each file on the disk that was compared with the camera.
        self._whole: dict[str, str] = {}
        # Photos of other checks.
        self._others = set[str]()
        self._cut_at = 0.0
        self._leaving = list[asyncio.Task[None]]()
        self.tally = Tally()

    async def run(self, cuts: int) -> None:
        """Cut the power `cuts` times, and add the figures to the report."""
        tally, report = self.tally, self._lab.report
        await self._lab.product.wait_ready()
        await self._measure()
        for _ in range(cuts):
            open_orders = await self._cut()
            await self._come_back()
            await self._check_control()
            await self._check_outcomes(open_orders)
            await self._check_files()
            tally.cuts += 1
            report.note(
                f"cut {tally.cuts}: {len(open_orders)} in flight, back after {tally.back_s[-1]:.1f} s; so far "
                f"{tally.told_photos} reported photos, {dict(tally.outcomes)}, {len(tally.broken)} broken promises"
            )
        await asyncio.wait(self._leaving)
        await self._check_files(also_old=True)
        report.add(
            "power cuts while photos are saved",
            f"{tally.cuts} cuts; {tally.told_photos} photos reported to a client, {len(tally.broken)} broken promises; "
            f"{tally.in_flight} shots in flight, their outcomes afterwards: {_listed(tally.outcomes)}; "
            f"{tally.repeated_keys} keys repeated without a second picture ({tally.only_on_camera} files of them are only on the camera, as the reply says)",
            not tally.broken,
        )
        report.add(
            "the disk loses what was not flushed",
            f"{tally.blocks_lost} blocks in {tally.cuts_with_loss} cuts; a file without fsync was lost or torn in {tally.unsynced_lost} of {tally.cuts}",
            tally.unsynced_lost > cuts // 2,
        )
        report.add("from the power cut to a ready camera", spread(tally.back_s))

    async def _measure(self) -> None:
        """Take a photo of each kind without a cut, to know how long it takes."""
        self._others = set(await self._names())
        async with self._lab.product.client() as client:
            port = (await ready(client)).port
            for raw in (False, True):
                order = self._order(port, raw, keep=True)
                began = time.monotonic()
                await self._take(client, order)
                self._took.append(time.monotonic() - began)

    def _order(self, port: str, raw: bool, keep: bool) -> _Order:
        self._orders.append(_Order(f"order {uuid.uuid4().hex}", port, self._releases(), raw, keep))
        return self._orders[-1]

    async def _take(self, client: Client, order: _Order) -> None:
        order.reply = await client.capture_image(
            key=order.key,
            port=order.port,
            save=True,
            keep_on_camera=order.keep,
            settings=_RAW_AND_JPEG if order.raw else None,
        )
        for file in order.reply.files:
            if file.saved_path is not None:
                self._told[file.saved_path] = file.camera_filepath
            elif order.reply.warnings:
                self.tally.only_on_camera += 1  # the reply says so, and the file must still be on the camera
            else:
                self._break(f"{file.camera_filepath} was not saved, without a warning: {order.reply}")

    async def _cut(self) -> list[_Order]:
        """Take photos, one after the other, and cut the power in the middle. Returns the orders without a reply."""
        rng, product = self._rng, self._lab.product
        mounted = (await product.run(f"findmnt -n -o SOURCE {PHOTO_DISK_AT}")).strip()
        if mounted != "/dev/nbd0":
            self._break(f"the disk is not mounted: {mounted!r}")
        await product.run(f"head -c 100000 /dev/urandom >{_SYNCED} && sync -f {_SYNCED}")
        last = list[_Order]()

        async def shoot() -> None:
            async with (
                product.client(reconnect_for=0, reply_timeout=_OUTCOME_S) as client,
                client.events("capture_saved") as events,
            ):
                listening = asyncio.create_task(self._listen(events))
                port = (await ready(client)).port
                shooting.set()
                try:
                    while True:
                        order = self._order(port, rng.random() < 0.4, rng.random() < 0.5)
                        last[:] = [order]
                        await self._take(client, order)
                except ServerError as error:
                    self._break(f"{last}: {error.code}: {error.message}")
                except GphotoWsError:
                    pass  # the power was cut
                finally:
                    listening.cancel()
                    await asyncio.wait([listening])

        shooting = asyncio.Event()
        task = asyncio.create_task(shoot())
        async with asyncio.timeout(_OUTCOME_S):
            await shooting.wait()
        await product.run(f"head -c 100000 /dev/urandom >{_UNSYNCED}")
        await asyncio.sleep(rng.uniform(0.0, 3.0) * max(self._took))
        self._cut_at = time.monotonic()
        await asyncio.to_thread(product.guest.kill)
        lost = self._disk.cut(rng, rng.choice(_KEPT))
        await asyncio.sleep(_ARRIVING_S)
        task.cancel()
        # The client waits for a server that does not answer any more. Its connection ends when the guest runs again.
        self._leaving.append(task)
        self.tally.blocks_lost += lost.lost
        self.tally.cuts_with_loss += lost.lost > 0
        open_orders = [order for order in last if order.reply is None]
        self.tally.in_flight += len(open_orders)
        return open_orders

    async def _listen(self, events: Events) -> None:
        with suppress(GphotoWsError):
            async for event in events:
                if isinstance(event, CaptureSaved):
                    self._told[event.saved_path] = event.camera_filepath

    async def _come_back(self) -> None:
        guest, camera = self._lab.product.guest, self._lab.camera
        await asyncio.to_thread(camera.stay)
        guest.start()
        await asyncio.to_thread(guest.wait)
        await self._lab.product.wait_ready()
        self.tally.back_s.append(time.monotonic() - self._cut_at)

    async def _check_control(self) -> None:
        """Check that the power cut kept the synced file, and count whether it lost the other one."""
        sizes = await self._lab.product.run(
            f"stat -c %s {_SYNCED}; stat -c %s {_UNSYNCED} 2>/dev/null || echo 0; rm -f {_UNSYNCED}"
        )
        synced, unsynced = map(int, sizes.split())
        if synced != 100000:
            self._break("a file that was synced is not there: the disk is at fault")
        self.tally.unsynced_lost += unsynced != 100000

    async def _check_outcomes(self, open_orders: list[_Order]) -> None:
        """Wait for the outcome of each shot without a reply, and repeat its key."""
        async with self._lab.product.client() as client:
            await ready(client)
            for order in open_orders:
                record = await self._record(client, order)
                fired = self._releases() > order.before
                self.tally.outcomes[str(record.outcome) if record else "never started"] += 1
                for file in record.files if record else ():
                    if file.saved_path is not None:
                        self._told[file.saved_path] = file.camera_filepath
                if record is not None and record.outcome is None:
                    self._break(f"{order.key}: no outcome after {_OUTCOME_S:.0f} s: {record}")
                if record is None and fired:
                    self._break(f"{order.key}: the shutter opened, and there is no record")
                if record is not None and record.outcome == "failed" and fired:
                    self._break(f"{order.key}: reported as failed, and the shutter opened")
                await self._repeat(client, order, fired)

    async def _record(self, client: Client, order: _Order) -> Shot | None:
        end = time.monotonic() + _OUTCOME_S
        while True:
            shots = (await client.list_shots(limit=_LISTED)).shots
            record = next((shot for shot in shots if shot.key == order.key), None)
            if record is None or record.outcome is not None or time.monotonic() > end:
                return record
            await asyncio.sleep(0.2)

    async def _repeat(self, client: Client, order: _Order, fired: bool) -> None:
        before = self._releases()
        try:
            await self._take(client, order)
        except ServerError as error:
            if error.code != "capture_unknown" and fired:
                self._break(f"{order.key}: the repeated key got {error.code}: {error.message}")
            self.tally.outcomes[f"repeated: {error.code}"] += 1
            return
        self.tally.repeated_keys += 1
        if fired and self._releases() > before:
            self._break(f"{order.key}: the repeated key took a second picture")

    def _releases(self) -> int:
        return int(self._lab.camera.control.state()["shots"])

    async def _check_files(self, also_old: bool = False) -> None:
        """Compare the photos on the disk with the digests of the camera.

        Args:
            also_old: whether photos that were whole after an earlier cut are compared again.
        """
        if also_old:
            self._whole.clear()
        state = self._lab.camera.control.state(sha256=True)
        digests = {file["path"]: file["sha256"] for file in (*state["files"], *state["deleted"])}
        names = await self._names()
        new = [name for name in names if name not in self._whole and name not in self._others]
        lines = (await self._lab.product.run("sha256sum /dev/null " + " ".join(new))).splitlines()
        saved = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
        self._check_told(names, saved, digests)
        for path in new:
            if saved[path] not in digests.values():
                self._break(f"not whole: {path}")
            self._whole[path] = saved[path]
        self._check_none_lost({file["path"] for file in state["files"]}, state["deleted"])
        self.tally.told_photos = len(self._told)

    def _check_told(self, names: list[str], saved: Mapping[str, str], digests: Mapping[str, str]) -> None:
        """Check the photos that were reported to a client.

        Args:
            names: the files on the disk.
            saved: the digests of the files that were not compared before.
            digests: the digests of the camera's files, by their paths on the camera.
        """
        for path, camera_filepath in self._told.items():
            if path not in self._whole and saved.get(path) != digests[camera_filepath]:
                self._break(f"{path} was reported to a client, but its digest is {saved.get(path)}")
            if path not in names:
                self._break(f"{path} was reported to a client, but is missing")

    def _check_none_lost(self, on_camera: set[str], deleted: list[Any]) -> None:
        """Check that every photo is on the camera or on the disk. `deleted`: the files that the camera does not have."""
        for order in self._orders:
            for told in order.reply.files if order.reply is not None else ():
                if told.saved_path is None and told.camera_filepath not in on_camera:
                    self._break(f"lost: {told.camera_filepath} was not saved, and is not on the camera")
        for file in deleted:
            if file["sha256"] not in self._whole.values():
                self._break(f"lost: {file['path']} was deleted on the camera and is not saved")

    async def _names(self) -> list[str]:
        return (await self._lab.product.run(f"find {_PHOTOS} -type f")).splitlines()

    def _break(self, words: str) -> None:
        self.tally.broken.append(words)
        self._lab.report.note(f"BROKEN {words}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in counts.most_common()) or "none"
