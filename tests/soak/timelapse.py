"""A time-lapse through kills: `python -m tests.soak.timelapse --frames 300`. Exit code 1: a broken promise.

Two cameras take a picture in each slot of their jobs. Every 20 s, SIGKILL ends the server, and between two such kills the
camera processes. At the end, each slot must be counted once, each release of a shutter must belong to another slot, and the
settings must be back.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.soak.command import run_in_folder
from tests.soak.connection import Connection, ConnectionCut, ErrorReply
from tests.soak.journal import Journal
from tests.soak.world import Camera, World
from tests.support.waiting import until_answers

_REPLY_S, _READY_S = 60.0, 60.0
# A release is never earlier than its slot. The clocks of this program and of the server may differ by a little.
_EARLY_S = 0.05
_ENDED = ("done", "stopped", "failed")


class Lapse:
    """The time-lapses of two cameras.

    Args:
        frames: the number of slots of each.
        interval_s: the time between two slots, in seconds.
        every_s: the time from one kill of the server to the next, in seconds.
        folder: the folder for the server's log, state and photos.
    """

    def __init__(self, frames: int, interval_s: float, every_s: float, folder: Path) -> None:
        self._frames, self._interval_s, self._every_s = frames, interval_s, every_s
        self._folder = folder
        self.journal = Journal()
        self._jobs: dict[str, int] = {}

    async def run(self) -> bool:
        """Run the jobs, and check everything. Returns whether every promise was kept."""
        journal = self.journal
        ending: list[asyncio.Task[None]] = []
        with World(self._folder, 2, journal) as world:
            await world.server.start()
            connection = await self._connect(world)
            for camera in world.cameras:
                await _ready(connection, camera)
                job = await connection.ask(
                    "start_job", _REPLY_S, kind="timelapse", port=camera.port, interval_s=self._interval_s,
                    count=self._frames, settings={"iso": "400"},
                )  # fmt: skip
                self._jobs[camera.name] = int(job["job"]["job"])
            deadline = time.monotonic() + 2 * self._frames * self._interval_s + 120
            while time.monotonic() < deadline and not await self._all_ended(connection):
                await asyncio.sleep(self._every_s / 2)
                self._kill_camera_processes(world)
                await asyncio.sleep(self._every_s / 2)
                children = world.server.process.children(recursive=True)
                await world.server.kill_only()
                ending.append(
                    asyncio.create_task(world.server.check_all_ended(children, "after kill -9 of the server"))
                )
                journal.count("kills of the server")
                await connection.close()
                await world.server.start()
                connection = await self._connect(world)
            await asyncio.gather(*ending)
            for camera in world.cameras:
                await _ready(connection, camera)
                await self._check(connection, camera, world)
            await connection.close()
            await world.server.stop()
        for what, number in sorted(journal.counts.items()):
            journal.note(f"{what}: {number}")
        journal.note("Every promise was kept." if not journal.broken else f"{len(journal.broken)} promises broken")
        return not journal.broken

    async def _connect(self, world: World) -> Connection:
        connection = await Connection.connect(world, "operator")
        assert connection is not None
        return connection

    def _kill_camera_processes(self, world: World) -> None:
        for camera in world.cameras:
            process = world.process_of(camera)
            if process is not None:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    self.journal.count("kills of camera processes")

    async def _all_ended(self, connection: Connection) -> bool:
        jobs = [await self._job(connection, number) for number in self._jobs.values()]
        progress = ", ".join(
            f"{job['shots']} pictures, {job['skipped']} skipped, {job['failed']} failed" for job in jobs
        )
        self.journal.note(progress)
        return all(job["state"] in _ENDED for job in jobs)

    async def _job(self, connection: Connection, number: int) -> dict[str, Any]:
        return dict((await connection.ask("get_job", _REPLY_S, job=number))["job"])

    async def _check(self, connection: Connection, camera: Camera, world: World) -> None:
        journal = self.journal
        job = await self._job(connection, self._jobs[camera.name])
        if job["state"] != "done":
            journal.violation(f"{camera.name}: the job is {job['state']}: {job['message']}")
        counted = job["shots"] + job["skipped"] + job["failed"]
        if counted != self._frames:
            journal.violation(f"{camera.name}: {counted} of {self._frames} slots are counted")
        slots = await self._slots(camera, datetime.fromisoformat(job["started_at"]).timestamp())
        for slot in sorted({slot for slot in slots if slots.count(slot) > 1}):
            journal.violation(f"{camera.name}: slot {slot} released the shutter {slots.count(slot)} times")
        skipped = {slot for first, last in job["skipped_slots"] for slot in range(first, last + 1)}
        for slot in sorted(skipped & set(slots)):
            journal.violation(f"{camera.name}: slot {slot} is counted as skipped, and the shutter was released")
        if not job["shots"] <= len(slots) <= job["shots"] + job["failed"]:
            journal.violation(f"{camera.name}: {len(slots)} releases, and {job['shots']} pictures are counted")
        state = await camera.state()
        if state["properties"]["iso"] != camera.factory["iso"]:
            journal.violation(f"{camera.name}: iso was not put back: {state['properties']['iso']}")
        if len(state["files"]) < job["shots"]:
            journal.violation(f"{camera.name}: {len(state['files'])} files on the card, {job['shots']} pictures")
        saved = list(world.server.photos.glob(f"{state['serial']}*"))
        journal.count(f"{camera.name}: pictures", job["shots"])
        journal.count(f"{camera.name}: skipped slots", job["skipped"])
        journal.count(f"{camera.name}: failed slots", job["failed"])
        journal.count(f"{camera.name}: releases", len(slots))
        journal.count(f"{camera.name}: saved files", len(saved))

    async def _slots(self, camera: Camera, started_at: float) -> list[int]:
        """The slot of each release."""
        offset = time.time() - time.monotonic()
        releases = await camera.ask(lambda control: control.releases())
        passed = [float(one["at"]) + offset - started_at for one in releases]
        return [math.floor((one + _EARLY_S) / self._interval_s) for one in passed]


async def _ready(connection: Connection, camera: Camera) -> None:
    """Wait until the camera works and the server has read the card."""

    async def works() -> bool:
        with suppress(ErrorReply, ConnectionCut):
            return "file_count" in await connection.ask("get_camera_info", _REPLY_S, port=camera.port)
        return False

    await until_answers(works, _READY_S)


def main() -> int:
    """Run the time-lapses. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.timelapse", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--frames", type=int, default=300, help="the number of slots of each camera (300)")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds from one slot to the next (2)")
    parser.add_argument(
        "--every", type=float, default=20.0, help="seconds from one kill of the server to the next (20)"
    )
    options = parser.parse_args()
    return run_in_folder(
        "timelapse-", lambda folder: Lapse(options.frames, options.interval, options.every, folder).run()
    )


if __name__ == "__main__":
    sys.exit(main())
