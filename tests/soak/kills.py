"""Kill servers that save pictures: `python -m tests.soak.kills --kills 500 [--seed 7]`. Exit code 1: a broken promise.

In each round, a server takes one picture with each of two cameras, and SIGKILL ends the server at a random moment of
these shots. The next server has the same state folder and the same photo folder. It must report the outcome of each
shot. If an order is repeated with its key, no second picture must be taken. At the end, every file and every record is
compared with the journals of the cameras.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.soak.command import run_in_folder
from tests.soak.connection import Connection, ConnectionCut, ErrorReply, Json
from tests.soak.journal import Journal
from tests.soak.ledger import Ledger
from tests.soak.orders import MARK, Capture
from tests.soak.pairing import Pairing
from tests.soak.records import all_shots
from tests.soak.report import check_log
from tests.soak.world import Camera, World
from tests.support.waiting import until, until_answers

# After a kill in the first milliseconds of a server's first shot, its exposure is not known. Then the server looks for the
# file until twice 30 s and WRITE_TIME have passed.
_REPLY_S = 100.0
# For each maker, the setting that makes a camera save both RAW and JPEG.
_RAW_AND_JPEG = {"canon": {"imageformat": "RAW + L"}, "nikon": {"imagequality": "NEF+Fine"}}
# Ranges for the moment of a kill, as fractions of the time that the same kind of shot takes. Files are saved in the
# second half of this time.
_ANY_MOMENT, _SAVING = (0.0, 1.1), (0.5, 1.1)
# Saving takes little of the time. Therefore, a share of the rounds (_WATCHED_SHARE) first waits until a file is being
# written, for at most _WATCHED_AT_MOST_S. The kill follows at most _WATCHED_S later.
_WATCHED_SHARE, _WATCHED_S, _WATCHED_AT_MOST_S = 0.4, 0.004, 1.0
_LISTED = 20


class Kills:
    """The rounds with two cameras.

    Args:
        kills: the number of rounds.
        folder: the folder for the server's log, state and photos.
    """

    def __init__(self, kills: int, seed: int, folder: Path) -> None:
        self._kills, self._seed, self._folder = kills, seed, folder
        self._rng = random.Random(seed)
        self._number = 0
        self.journal = Journal()
        self._ledger = Ledger(self.journal)
        self._took: dict[tuple[str, bool, bool], float] = {}
        self._open: list[Capture] = []

    async def run(self) -> bool:
        """Run all rounds and check everything. Returns whether every promise was kept."""
        journal = self.journal
        journal.note(f"seed {self._seed}, {self._kills} kills, in {self._folder}")
        ending: list[asyncio.Task[None]] = []
        with World(self._folder, 2, journal) as world:
            try:
                connection = await self._start(world)
                await self._measure(world, connection)
                for _ in range(self._kills):
                    children = await self._round(world, connection)
                    # The next server is started at once, as systemd does. The old camera processes may end later.
                    ended = world.server.check_all_ended(children, "after kill -9 of the server")
                    ending.append(asyncio.create_task(ended))
                    connection = await self._start(world)
                    await self._check_outcomes(world, connection)
                await asyncio.gather(*ending)
                await connection.close()
                records = await all_shots(world)
                await world.server.stop()
            except (TimeoutError, ErrorReply, ConnectionCut) as error:
                journal.violation(f"the run was given up: {error!r}")
                records = []
            states = {camera.name: await camera.state() for camera in world.cameras}
            self._ledger.check_all(states, world.server.photos, world.server.log, 0)
            for camera in world.cameras:
                captures = [capture for capture in self._ledger.captures if capture.camera == camera.name]
                pairing = Pairing(journal, await camera.account(world.server.log), captures)
                pairing.check([record for record in records if record["port"] == camera.port], camera.findings)
            check_log(journal, world.server.log)
        for what, number in sorted(journal.counts.items()):
            journal.note(f"{what}: {number}")
        journal.note("Every promise was kept." if not journal.broken else f"{len(journal.broken)} promises broken")
        return not journal.broken

    async def _start(self, world: World) -> Connection:
        """Start a server and connect to it. If the photo folder keeps an incomplete file, this is a violation."""
        await world.server.start()
        with suppress(TimeoutError):
            await until(lambda: not self._partial(world), _REPLY_S)
        for path in self._partial(world):
            self.journal.violation(f"after a start, {path} is still there")
        connection = await Connection.connect(world, "operator")
        assert connection is not None
        connection.on_event = lambda event: _keep_finding(world, event)
        await connection.ask("subscribe", _REPLY_S, events=["capture_checked"])
        return connection

    def _partial(self, world: World) -> list[Path]:
        return list(world.server.photos.glob(".*")) if world.server.photos.is_dir() else []

    async def _measure(self, world: World, connection: Connection) -> None:
        """Take one picture of each kind without an interruption, to measure how long each kind takes."""
        for camera in world.cameras:
            await _ready(connection, camera)
            for raw in (False, True):
                for keep in (False, True):
                    capture = self._order(camera, await camera.shots(), raw, keep)
                    reply = await connection.ask("capture_image", _REPLY_S, port=camera.port, **capture.order)
                    self._ledger.done(capture, reply)
                    self._took[camera.name, raw, keep] = capture.ended - capture.began

    def _order(self, camera: Camera, before: int, raw: bool, keep: bool) -> Capture:
        self._number += 1
        maker = camera.name.partition(" ")[0]
        settings: dict[str, Any] = _RAW_AND_JPEG[maker] if raw else {}
        order: dict[str, Any] = {"save": True, "settings": settings | {MARK: f"order {self._number}"}}
        if not keep:
            order["keep_on_camera"] = False
        if self._rng.random() < 0.5:
            order["key"] = f"key {self._number}"
        return self._ledger.begin(camera.name, order, before)

    async def _round(self, world: World, connection: Connection) -> list[psutil.Process]:
        """Order one picture from each camera, and kill the server at a random moment.

        Returns the camera processes of the killed server.
        """
        rng, moments = self._rng, list[float]()
        before = [await camera.shots() for camera in world.cameras]
        children = world.server.process.children(recursive=True)
        replies: list[tuple[Capture, asyncio.Future[Json]]] = []
        for camera, shots in zip(world.cameras, before, strict=True):
            raw, keep = rng.random() < 0.4, rng.random() < 0.5
            capture = self._order(camera, shots, raw, keep)
            replies.append((capture, await connection.send("capture_image", port=camera.port, **capture.order)))
            moments.append(
                self._took[camera.name, raw, keep] * rng.uniform(*rng.choice((_ANY_MOMENT, _SAVING, _SAVING)))
            )
        began = replies[0][0].began
        if rng.random() < _WATCHED_SHARE:
            await asyncio.to_thread(self._wait_for_incomplete_file, world, began + _WATCHED_AT_MOST_S)
            await asyncio.sleep(rng.uniform(0.0, _WATCHED_S))
        else:
            await asyncio.sleep(max(0.0, began + rng.choice(moments) - time.monotonic()))
        await world.server.kill_only()
        await connection.ended.wait()  # replies that the server sent before the kill may still arrive
        self._open = []
        for capture, reply in replies:
            with suppress(ConnectionCut):
                answer = await reply
                if answer["status"] == "error":
                    self._ledger.rejected(capture, answer["code"])
                    self.journal.violation(f"{capture} although nothing was wrong: {answer}")
                else:
                    self._ledger.done(capture, answer)
                continue
            capture.outcome = "server killed"
            self._open.append(capture)
        self.journal.count("kills of the server")
        self.journal.count("incomplete files left by kills", len(self._partial(world)))
        self.journal.count("shots ended by a kill", len(self._open))
        return children

    def _wait_for_incomplete_file(self, world: World, until: float) -> None:
        """Block until a file is being written to the photo folder, or until the time `until` (monotonic seconds)."""
        while time.monotonic() < until and not self._partial(world):
            time.sleep(0.0005)  # short, because a file is incomplete for a few milliseconds only

    async def _check_outcomes(self, world: World, connection: Connection) -> None:
        """Check that the server reports the outcome of each shot that the kill has interrupted."""
        early = [capture for capture in self._open if self._rng.random() < 0.5]
        await self._repeat(world, connection, early, final=False)
        for camera in world.cameras:
            await _ready(connection, camera)
        states = Counter[str]()

        async def known() -> bool:
            records = (await connection.ask("list_shots", _REPLY_S, limit=_LISTED))["shots"]
            mine = [next((one for one in records if capture.fits(one)), None) for capture in self._open]
            states.clear()
            states.update("never recorded" if one is None else str(one["outcome"]) for one in mine)
            return "None" not in states

        with suppress(TimeoutError):
            await until_answers(known, _REPLY_S)
        if "None" in states:
            self.journal.violation(f"no outcome was reported after the start: {[str(one) for one in self._open]}")
        for state, number in states.items():
            self.journal.count(f"outcome of shots ended by a kill: {state}", number)
        await self._repeat(world, connection, self._open, final=True)

    async def _repeat(self, world: World, connection: Connection, captures: list[Capture], final: bool) -> None:
        """Repeat each order that has a key. The reply must be about the picture of the first request.

        Args:
            final: whether the cameras are ready. If they are, an error for a shot that was taken is a violation.
        """
        for capture in captures:
            if "key" not in capture.order:
                continue
            camera = next(one for one in world.cameras if one.name == capture.camera)
            before = await camera.shots()
            try:
                reply = await connection.ask("capture_image", _REPLY_S, port=camera.port, **capture.order)
            except ErrorReply as error:
                if final and before > capture.before:
                    self.journal.violation(f"{capture}: the repeated key got {error}")
                continue
            self.journal.count("repeated keys that got the picture")
            if not reply.get("repeated") and before > capture.before:
                self.journal.violation(f"{capture}: the repeated key took a second picture")
            self._ledger.done(capture, reply)


async def _ready(connection: Connection, camera: Camera) -> None:
    """Wait until the camera works and the server has read the card."""

    async def works() -> bool:
        with suppress(ErrorReply):
            info = await connection.ask("get_camera_info", _REPLY_S, port=camera.port)
            return "file_count" in info
        return False

    await until_answers(works, _REPLY_S)


def _keep_finding(world: World, event: Json) -> None:
    for camera in world.cameras:
        if event["event"] == "capture_checked" and event["port"] == camera.port:
            camera.findings.append(event)


def main() -> int:
    """Run all rounds. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=500, help="how often the server is killed (500)")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the orders and the moments of the kills (a random one)"
    )
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    return run_in_folder("kills-", lambda folder: Kills(options.kills, seed, folder).run())


if __name__ == "__main__":
    sys.exit(main())
