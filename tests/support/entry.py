"""Run the server's command with options or invalid settings that make it end by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.rig import ROOT
from tests.support.waiting import WITHIN_S


def run(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python gphoto_ws_server.py`. The program must end by itself."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "gphoto_ws_server.py"), *options],
        cwd=folder, env=environment | {"WS_HOST": "127.0.0.1", "WS_PORT": "0"} | settings, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
