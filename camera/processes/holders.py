"""The programs that use a camera, found by their open files in /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from camera.errors import CameraClaimed
from camera.ports import node_of

MONITOR = "gvfs-gphoto2-volume-monitor"
_MOUNTER = "gvfsd-gphoto2"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a device file open: the name of its program, and its process id."""

    name: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"

    @property
    def remedy(self) -> str:
        """The command that makes this program release the camera."""
        if self.name == MONITOR:
            return f"systemctl --user mask --now {MONITOR}.service"
        if self.name == _MOUNTER:
            return "gio mount --unmount-scheme gphoto2"
        return f"kill {self.pid}"


def holders(node: Path) -> list[Holder]:
    """The processes that have a device file open, as far as this user may see their open files."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _has_open(entry, str(node)):
            found.append(Holder(_name(entry), int(entry.name)))
    return sorted(found, key=lambda holder: holder.pid)


def naming_holders(port: str, error: CameraClaimed) -> CameraClaimed:
    """The error with the names of the programs that use the camera and how to stop them, or else how to find them."""
    node = node_of(port)
    if node is None:
        return error
    found = holders(node)
    if not found:
        words = f"{error.message} To find it, run as root: fuser -v {node}"
        return replace(error, message=words)
    names = ", ".join(map(str, found))
    remedies = "; ".join(holder.remedy for holder in found)
    words = f"Another program uses the camera: {names}. Close it, or stop it with: {remedies}"
    return replace(error, message=words, holders=tuple(map(str, found)))


def _has_open(process: Path, file: str) -> bool:
    # The links are only read. To open or examine the files that they name could block.
    with suppress(OSError):  # the process has ended, or belongs to another user
        for descriptor in os.listdir(process / "fd"):
            with suppress(OSError):  # the file was closed meanwhile
                if os.readlink(process / "fd" / descriptor) == file:
                    return True
    return False


def _name(process: Path) -> str:
    """The name of the program. For a script that starts with a #! line, the name of the script.

    /proc/PID/cmdline is not used, because the kernel may block the reader while the process hangs.
    """
    short, program = "", ""
    with suppress(OSError):
        short = (process / "comm").read_text(errors="replace").strip()  # at most 15 characters
    with suppress(OSError):
        program = Path(os.readlink(process / "exe")).name.removesuffix(" (deleted)")
    return program if program.startswith(short) else short
