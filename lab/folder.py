"""Where the files of the lab are, and the error for a machine that cannot run it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("LAB_CACHE") or Path.home() / ".cache" / "gphoto-ws-lab")
"""The kernel, the file system without the product, and the disks of the last run: about 4 GB."""


class CannotRun(Exception):
    """Something is missing on this machine. The text is a command that installs it, or a reason."""
