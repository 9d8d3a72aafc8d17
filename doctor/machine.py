"""Checks the machine: port, programs that claim cameras, folders, libraries, USB."""

from __future__ import annotations

import errno
import os
import shlex
import socket
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from camera import detection, ports
from camera.device import jpeg
from camera.errors import CameraError, FolderNotWritable
from camera.photos.folder import PhotoFolder
from camera.photos.request import EXPECTED_BYTES
from camera.processes.holders import MONITOR
from doctor import rules
from doctor.account import ENTER, WRITE, Account
from doctor.findings import Finding

_STOP_MONITOR = "systemctl --user mask --now gvfs-gphoto2-volume-monitor.service; pkill -f gvfsd-gphoto2"


def port(host: str, number: int) -> Finding:
    """Check whether the server's port is free."""
    try:
        places = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding(
            "problem", f"{host} is not an address of this machine: {error.strerror}", "set WS_HOST=localhost"
        )
    for family, kind, protocol, _, address in places:
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return Finding("problem", f"port {number} is in use", f"sudo ss -ltnp 'sport = :{number}'")
                if error.errno == errno.EACCES:
                    return Finding("problem", f"port {number} needs root", "set WS_PORT to 1024 or more")
                if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
                    continue  # this machine has no IPv6
                return Finding("problem", f"cannot listen on {host}: {error.strerror}", "set WS_HOST=localhost")
    return Finding("ok", f"port {number} is free")


def volume_monitors() -> list[Finding]:
    """A finding for each running desktop program that claims every connected camera.

    If the udev rules of the server are installed, the monitor claims no camera, so the finding is "ok".
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace").rpartition("/")[2]
            except OSError:
                continue
            if name == MONITOR and rules.are_installed():
                words = f"{name} (process {entry.name}) runs; because of the udev rules, it claims no cameras"
                found.append(Finding("ok", words))
            elif name in (MONITOR, "gvfsd-gphoto2"):
                words = f"{name} (process {entry.name}) claims every camera that is plugged in"
                found.append(Finding("problem", words, _STOP_MONITOR))
    return found


def folders(photos: Path, state: Path, account: Account, created: Sequence[Path] = ()) -> list[Finding]:
    """Check whether the user can save pictures and record shots in progress.

    Folders in `created` are created by systemd when the service starts.
    """
    photos, state = photos.absolute(), state.absolute()
    findings = [_photo_folder(photos, account, created)]
    try:
        writable = _is_created(state, created) or account.may(_nearest(state), WRITE | ENTER)
    except OSError:  # the photo folder is usually next to it, and has the same finding
        writable = True
    if not writable:
        words = f"{state} is not writable by user {account.name}: shots in progress are not recorded across a restart"
        findings.append(Finding("note", words, "set STATE_DIR to a folder of the server's user"))
    return findings


def _photo_folder(photos: Path, account: Account, created: Sequence[Path]) -> Finding:
    other = "set PHOTO_DIR to another folder"
    try:
        if _is_created(photos, created):
            return Finding("ok", f"photos are saved to {photos}, which systemd creates")
        nearest = _nearest(photos)
        if account.is_current:
            PhotoFolder(photos, "{original}").check_writable()
        elif not nearest.is_dir() or not account.may(nearest, WRITE | ENTER):
            words = f"the photo folder {photos} is not writable by user {account.name}"
            fix = f"sudo install -d -o {account.name} -g {account.gid} {shlex.quote(str(photos))}"
            return Finding("problem", words, f"{fix}; or {other}")
        PhotoFolder(nearest, "{original}").check_free(EXPECTED_BYTES)
    except CameraError as error:
        fix = error.fix if isinstance(error, FolderNotWritable) else "free some space on that disk"
        return Finding("problem", error.message, f"{fix}; or {other}" if fix else other)
    except OSError as error:
        words = f"the photo folder {photos} was not checked: {error.strerror}"
        return Finding("note", words, "" if account.is_current else "run this with sudo to check it")
    return Finding("ok", f"photos are saved to {photos}")


def _is_created(folder: Path, created: Sequence[Path]) -> bool:
    """Whether systemd creates the folder or one of its parents when the service starts."""
    return any(place in (folder, *folder.parents) and not os.path.lexists(place) for place in created)


def _nearest(folder: Path) -> Path:
    """The folder itself, or its nearest parent that exists.

    Raises:
        OSError: this user may not look at one of them.
    """
    for place in (folder, *folder.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            place.stat()
            return place
    return folder


def libraries(libgphoto2: str) -> list[Finding]:
    """Check the versions of libraries; `libgphoto2` is the version that the detection reported."""
    findings = [Finding("ok", f"libgphoto2 {libgphoto2} (python-gphoto2 {version('gphoto2')})")]
    if detection.is_old(libgphoto2):
        fixed = ".".join(map(str, detection.OLDEST))
        words = f"libgphoto2 {libgphoto2} has known vulnerabilities, which are fixed in {fixed}"
        findings = [Finding("problem", words, ".venv/bin/pip install --upgrade 'gphoto2>=2.6.4'")]
    if jpeg.turbojpeg() is None:
        words = "libturbojpeg is not installed: rotated live view needs twice the CPU"
        findings.append(Finding("note", words, "sudo apt-get install libturbojpeg0"))
    return findings


def bus(seen: int) -> list[Finding]:
    """Compare the number of cameras on USB with `seen`, the number of cameras that libgphoto2 found."""
    on_bus = ports.usb_cameras()
    if len(on_bus) > seen:
        words = f"USB has {', '.join(camera.name for camera in on_bus)}, but libgphoto2 finds {seen or 'no'} camera{'s'[: seen != 1]}"
        return [Finding("problem", words, "set the camera's USB mode to PTP (not mass storage, not webcam)")]
    if not ports.DEVICES.is_dir():
        return [Finding("note", "there is no USB bus here (a container without /dev/bus/usb?)", "see compose.yaml")]
    return []
