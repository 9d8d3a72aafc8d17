"""Cleanup of incomplete files that a killed server left in the photo folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from camera.photos.folder import PhotoFolder


def test_only_incomplete_files_of_ended_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        names = {number: f".{number}-ab.partial" for number in (ended.pid, running.pid, os.getpid())}
        for name in (*names.values(), "photo.jpg"):
            (tmp_path / name).touch()
        assert PhotoFolder(tmp_path, "{original}").sweep() == 2
        assert {path.name for path in tmp_path.iterdir()} == {names[running.pid], "photo.jpg"}
