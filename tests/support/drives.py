"""A memory card that is mounted for one program only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# A shell script: mounts a file system, copies the content of a folder into it, and executes a program.
_MOUNTED = 'mount -t tmpfs card "$1" && cp -a "$2"/. "$1" && shift 2 && exec "$@"'


def with_drive(mount_point: Path, content: Path) -> list[str]:
    """A command prefix: it mounts a memory card with a copy of the folder `content`, and starts the rest of the command.

    No other program sees the card. Skips the test where nothing can be mounted, or where libgphoto2 finds no drives.
    """
    if not Path("/etc/mtab").exists():
        pytest.skip("libgphoto2 finds drives by /etc/mtab, which is missing")
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine does not let us mount anything")
    mount_point.mkdir()
    return [*namespace, "sh", "-c", _MOUNTED, "sh", str(mount_point), str(content)]
