"""Run the installed service in a Debian guest: `make machine`. Exit code 1: a broken promise; 2: this machine cannot run it."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from gphoto_ws_client import GphotoWsError

from lab.addresses import DISK_PORT, HOST
from lab.camera import Camera
from lab.checks import CHECKS, Lab
from lab.cuts import Cuts
from lab.disk import Disk
from lab.figures import Report
from lab.folder import CACHE, CannotRun
from lab.guest import Guest, GuestError
from lab.kernel import kernel
from lab.network import enter_own_network, start_proxy
from lab.product import Product
from lab.system import system

_PRIORITY = -10
"""The nice value of all processes of the lab, because other programs would make the measured times longer."""
_DISK_BYTES = 16 * 2**30
"""The photo disk is sparse: it takes as much as was written to it."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--cuts", type=int, default=30, help="how often the power is cut (30)")
    parser.add_argument("--seed", type=int, default=None, help="seed for the moments of the cuts (random)")
    parser.add_argument(
        "--again", action="store_true", help="use the guest of the last run, with the installed product"
    )
    parser.add_argument(
        "--only", nargs="*", metavar="CHECK", help=f"run only these: {' '.join(check.__name__ for check in CHECKS)}"
    )
    options = parser.parse_args()
    try:
        enter_own_network(sys.argv[1:])
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        CACHE.mkdir(parents=True, exist_ok=True)
        built, folder = kernel(CACHE), CACHE / "run"
        if not options.again:
            _new_disks(folder, system(CACHE))
    except CannotRun as reason:
        print(f"make machine: {reason}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"make machine: {error}; the log is in {CACHE}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        stack.callback(_end, start_proxy())
        return asyncio.run(_until_signal(options, built, folder))


async def _until_signal(options: argparse.Namespace, built: Path, folder: Path) -> int:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        return await _run(options, built, folder)
    except asyncio.CancelledError:
        print("stopped by a signal", file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace, built: Path, folder: Path) -> int:
    seed = random.randrange(10**6) if options.seed is None else options.seed
    report = Report()
    report.note(f"seed {seed}, everything is in {folder}")
    with (
        Disk(folder / "photos.ext4", HOST, DISK_PORT) as disk,
        Guest(built, folder / "system.ext4", CACHE / "key", folder / "console.log") as guest,
        Camera(guest) as camera,
    ):
        guest.start()
        await asyncio.to_thread(guest.wait)
        report.note("the guest runs")
        lab = Lab(Product(guest), camera, report)
        if not options.again:
            took = await asyncio.to_thread(lab.product.install)
            report.add("the commands of deploy/README.md", f"{took:.0f} s")
        for check in CHECKS:
            if options.only is None or check.__name__ in options.only:
                try:
                    await check(lab)
                except (GphotoWsError, GuestError, TimeoutError, OSError) as error:
                    report.add(check.__name__, f"{type(error).__name__}: {error}", kept=False)
        if options.cuts:
            await Cuts(lab, disk, random.Random(seed)).run(options.cuts)
    report.write(folder)
    print((folder / "figures.md").read_text())
    return 0 if report.kept else 1


def _new_disks(folder: Path, base: Path) -> None:
    """Make the disks of a new guest in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(["cp", "--sparse=always", base, folder / "system.ext4"], check=True)
    with (folder / "photos.ext4").open("wb") as disk_file:
        os.truncate(disk_file.fileno(), _DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-L", "photos", folder / "photos.ext4"], check=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
