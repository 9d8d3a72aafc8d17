"""Install the server from wheels in an emulated 64-bit Raspberry Pi OS, and take a picture: `make aarch64`.

The root file system is Debian 12 for arm64, on which Raspberry Pi OS is based. qemu-user runs each of its programs on this
machine's kernel, and proot makes the file system their root. The packages are downloaded here, for
aarch64, and are installed there without a network. The simulated camera is emulated too.

Exit codes: 1: a promise was broken; 2: this machine cannot run it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from gphoto_ws_client import CameraDetails, Client

from lab.figures import Report
from lab.folder import CACHE, ROOT, CannotRun
from lab.product import ready
from simulator.client import Control
from tests.support.marks import decoded, mark
from tests.support.rig import Server

_SUITE = "bookworm"
_PYTHON = "3.11"
"""The Python of that Debian."""
_PACKAGES = ("python3", "python3-venv", "libturbojpeg0")
"""What docs/raspberry-pi.md installs, without git and make."""
_QEMU = "qemu-aarch64-static"
_NEEDED = {"debootstrap": "debootstrap", _QEMU: "qemu-user-static", "proot": "proot"}
_WITHOUT_MOUNTS = ["setpriv", "--bounding-set=-sys_admin"] if os.geteuid() == 0 else []
"""debootstrap unmounts /dev/pts, /dev/shm, /proc and /sys at its end. Under proot these are the folders of this machine."""
_GLIBC = 36
"""Its C library is version 2.36, so wheels for manylinux_2_17 (the first one for aarch64) to manylinux_2_36 fit."""
_READY_S, _STOP_S = 300.0, 60.0
_FRAMES = 30
_PROJECT, _WHEELS, _WORK = "/project", "/wheels", "/work"
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBOOTSTRAP_DIR": "/debootstrap",
}


class Emulated:
    """A root file system for aarch64 whose programs run here. `binds` are folders of this machine, by their paths there."""

    def __init__(self, root: Path, binds: Mapping[str, Path] | None = None) -> None:
        self._root = root
        self._binds = {name: Path(name) for name in ("/dev", "/proc", "/sys")} | dict(binds or {})

    def command(self, folder: str = "/") -> list[str]:
        """A command prefix that runs the rest of the command there, in a folder."""
        binds = [f"--bind={here}:{there}" for there, here in self._binds.items()]
        return [*_WITHOUT_MOUNTS, "proot", "-0", "-q", _QEMU, "-r", str(self._root), *binds, "-w", folder]

    def run(self, *command: str) -> str:
        """Run a command and return what it prints. Raises CalledProcessError, after showing the end of the output."""
        ended = subprocess.run(
            [*self.command(), *command], env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        if ended.returncode:
            print(ended.stdout[-3000:], file=sys.stderr)
        ended.check_returncode()
        return ended.stdout


def main() -> int:
    """Returns the exit code."""
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    cache = CACHE / "aarch64"
    cache.mkdir(parents=True, exist_ok=True)
    report, before = Report(), _mounts()
    try:
        if missing:
            raise CannotRun(f"sudo apt-get install {' '.join(missing)}")
        debian = _debian(cache)
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as folder:
            asyncio.run(_run(report, debian, Path(folder)))
    except CannotRun as reason:
        print(f"make aarch64: {reason}", file=sys.stderr)
        return 2
    lost = ", ".join(sorted(before - _mounts()))
    report.add("the mounts of this machine", f"lost: {lost}" if lost else "all are still there", not lost)
    report.write(cache)
    print(f"The figures are in {cache / 'figures.md'}.")
    return 0 if report.kept else 1


def _mounts() -> set[str]:
    """The mounts in the folders that the emulated programs share with this machine."""
    with open("/proc/self/mountinfo") as lines:
        fields = [line.split() for line in lines]
    return {f"{one[4]} ({one[0]})" for one in fields if one[4].startswith(("/dev", "/proc", "/sys"))}


def _debian(cache: Path) -> Path:
    """The root file system without the product. It is made once, in 10 to 25 minutes."""
    said = repr((_SUITE, _PACKAGES))
    root = cache / f"debian-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    if not root.exists():
        print("Making the emulated Debian, once, in 10 to 25 minutes.", flush=True)
        new, as_root = cache / "new", [] if os.geteuid() == 0 else ["proot", "-0"]
        shutil.rmtree(new, ignore_errors=True)
        with (cache / "debootstrap.log").open("w") as log:
            subprocess.run(
                [*_WITHOUT_MOUNTS, *as_root, "debootstrap", "--arch=arm64", "--foreign", "--variant=minbase",
                 f"--include={','.join(_PACKAGES)}", _SUITE, str(new)],
                check=True, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if (new / "proc").is_symlink():  # debootstrap does this where it may not mount anything
            (new / "proc").unlink()
            (new / "proc").mkdir()
        Emulated(new).run("/debootstrap/debootstrap", "--second-stage")
        new.replace(root)
    return root


async def _run(report: Report, debian: Path, folder: Path) -> None:
    wheels, work = folder / "wheels", folder / "work"
    work.mkdir()
    emulated = Emulated(debian, {_PROJECT: ROOT, _WHEELS: wheels, _WORK: work})
    report.add("packages for aarch64", f"{_download(wheels)} wheels, none built from source")
    system = emulated.run("sh", "-c", "uname -m; python3 --version; . /etc/os-release; echo $PRETTY_NAME").split("\n")
    report.add("the emulated machine", ", ".join(filter(None, system)), system[0] == "aarch64")
    before = time.monotonic()
    emulated.run("python3", "-m", "venv", f"{_WORK}/venv")
    emulated.run(
        f"{_WORK}/venv/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--no-index",
        "--find-links", _WHEELS, "--require-hashes", "--only-binary", ":all:", "-r", f"{_PROJECT}/requirements.lock",
    )  # fmt: skip
    report.add("requirements.lock installed in a new environment", f"{time.monotonic() - before:.0f} s")
    before = time.monotonic()
    server = Server(
        "--simulate", cwd=work, through=emulated.command(_WORK), python=f"{_WORK}/venv/bin/python", root=_PROJECT,
        STATE_DIR=f"{_WORK}/state", PHOTO_DIR=f"{_WORK}/photos", PYTHONDONTWRITEBYTECODE="1", **_ENVIRONMENT,
    )  # fmt: skip
    try:
        report.add("server listens", f"after {time.monotonic() - before:.1f} s")
        await _use(report, server, work)
    finally:
        code = _stop(server)
    report.add("server ends at SIGTERM", f"exit code {code}", code == 0)
    for line in server.log.splitlines():
        if re.search(r" (WARNING|ERROR|CRITICAL) ", line):
            report.note(line.partition(" ")[2])


def _download(wheels: Path) -> int:
    """Download the packages of requirements.lock for aarch64; returns their number."""
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, _GLIBC + 1)]
    platforms.append("--platform=manylinux2014_aarch64")
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--only-binary=:all:",
         "--require-hashes", f"--python-version={_PYTHON}", *platforms, "-r", str(ROOT / "requirements.lock"),
         "-d", str(wheels)], check=True,
    )  # fmt: skip
    return len(list(wheels.glob("*.whl")))


async def _use(report: Report, server: Server, folder: Path) -> None:
    before = time.monotonic()
    async with Client(server.uri, server.token) as client:
        camera = await ready(client, _READY_S)
        version = (await client.server_info()).libgphoto2
        report.add("camera ready", f"{camera.model}, libgphoto2 {version}, after {time.monotonic() - before:.1f} s")
        await _capture(report, client, server, folder)
        await _watch(report, client, camera)


async def _capture(report: Report, client: Client, server: Server, folder: Path) -> None:
    """Take and download a picture, and compare it with the file on the camera."""
    before = time.monotonic()
    shot = await client.capture_image()
    captured = time.monotonic()
    saved = await client.download(folder / "picture.jpg", shot.camera_filepath)
    downloaded = time.monotonic()
    picture = (folder / "picture.jpg").read_bytes()
    address = server.wait_for_log("Their control port is ").rpartition(" ")[2]
    with Control(address) as control:
        state = await asyncio.to_thread(control.state, sha256=True)
    (on_camera,) = state["files"]
    same = (on_camera["path"], on_camera["sha256"]) == (shot.camera_filepath, hashlib.sha256(picture).hexdigest())
    size = decoded(picture).size
    report.add(
        "one picture, equal to the file on the camera",
        f"{size[0]} x {size[1]}, {saved.size} bytes, captured in {captured - before:.1f} s, "
        f"downloaded in {downloaded - captured:.1f} s",
        same and state["shots"] == 1,
    )


async def _watch(report: Report, client: Client, camera: CameraDetails) -> None:
    """Receive live view, decode each frame, and check that no frame came twice."""
    numbers: list[int] = []
    before = time.monotonic()
    async with client.live_view(port=camera.port) as view:
        async for frame in view:
            decoded(frame.jpeg)
            numbers.append(mark(frame.jpeg, "frame"))
            if len(numbers) == _FRAMES:
                break
    rate = _FRAMES / (time.monotonic() - before)
    report.add("live view", f"{_FRAMES} frames, {rate:.0f} per second", numbers == sorted(set(numbers)))


def _stop(server: Server) -> int:
    """Send SIGTERM to the emulated server, and return its exit code. proot does not pass signals on."""
    for process in psutil.Process(server.process.pid).children():
        process.terminate()
    try:
        return int(server.process.wait(_STOP_S))
    finally:
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
