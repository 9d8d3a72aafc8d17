"""What a killed server left half written in the photo folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from camera.photos.folder import PhotoFolder


def test_what_ended_processes_left_goes_and_what_others_write_stays(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        names = {number: f".{number}-ab.partial" for number in (ended.pid, living.pid, os.getpid())}
        for name in (*names.values(), "photo.jpg"):
            (tmp_path / name).touch()
        assert PhotoFolder(tmp_path, "{original}").sweep() == 2
        assert {path.name for path in tmp_path.iterdir()} == {names[living.pid], "photo.jpg"}
